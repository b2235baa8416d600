/*
 * listing-postfix - messages as `postqueue -j` and `postcat -q` print them
 *
 * Called by culver/listing.c.  The members and lines are Postfix's, since programs read them.
 */
#ifndef CULVER_LISTING_POSTFIX_H
#define CULVER_LISTING_POSTFIX_H

#include "culver/listing.h"

/* postqueue -j: an object a line */
void listing_postqueue_message(struct listing *l, const struct control_message *m);
void listing_postqueue_recipient(struct listing *l, const struct control_recipient *r);

/* postcat -q: the envelope records */
void listing_postcat_message(struct listing *l, const struct control_message *m);
void listing_postcat_recipient(struct listing *l, const struct control_recipient *r);

#endif
