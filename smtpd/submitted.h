/*
 * submitted - the header of mail that users submit: who has logged in, or a user of this host
 *
 * Called by content.c when a message begins and when all of it is there.
 */
#ifndef SMTPD_SUBMITTED_H
#define SMTPD_SUBMITTED_H

#include <stdbool.h>

#include "smtpd/content.h"

#define SUBMITTED_AUTHORS_MAX 20 /* addresses in From, and in Sender */

struct session;

/* submitted_is - is this session's mail a user's? */
bool submitted_is(const struct session *s);
/* submitted_is_private - is it to say as little of him as it can? */
bool submitted_is_private(const struct session *s);
/* submitted_begin - what is to be done with the fields of the message that begins */
void submitted_begin(const struct session *s, struct fields *f);
/* submitted_is_refused - the message is there: answers what is to be said against its authors; false: nothing, and no answer was given */
bool submitted_is_refused(struct session *s, const struct content *c);

#endif
