/*
 * listing - queued messages for people and for programs
 *
 * Called by culver/queue.c for each answer of the queue-manager, in the order in which they come: a message, then its recipients.  Renders into
 * a buffer, which the caller prints.  JSON: one object a message and line; its members are in culver-queue(1).
 */
#ifndef CULVER_LISTING_H
#define CULVER_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/control.h"
#include "common/text/buffer.h"
#include "culver/shape.h"

#define LISTING_REASON_MAX 1100
#define LISTING_RECIPIENTS_MAX 10 /* of a message in the list for people; the others are counted */

enum listing_form {
	LISTING_LINES,
	LISTING_WHOLE,
	LISTING_JSON,
	LISTING_MAILQ,
	LISTING_POSTQUEUE,
	LISTING_POSTCAT,
	LISTING_SHAPE
};

struct listing {
	enum listing_form form;
	int64_t now_us; /* wall clock, for ages */
	struct buffer *out;
	uint64_t id; /* of the message at hand; 0: none */
	uint64_t shown, hidden;
	char reason[LISTING_REASON_MAX]; /* mailq: of the recipient before, "": it had none */
	uint64_t messages, bytes;	 /* in all */
	struct shape *shape;		 /* LISTING_SHAPE: where recipients are counted, */
	char sender[SHAPE_DOMAIN_MAX];	 /* and of the message at hand: the sender's end */
	uint64_t arrived_us;
};

void listing_start(struct listing *l, enum listing_form form, int64_t now_us, struct buffer *out);
void listing_message(struct listing *l, const struct control_message *m);
void listing_recipient(struct listing *l, const struct control_recipient *r);
/* is something still to be done for this recipient? */
bool listing_is_open(const struct control_recipient *r);
/* ends the message at hand; between two requests too */
void listing_close(struct listing *l);
/* the line under a list for people: how many messages, how much */
void listing_sum(struct listing *l);

#endif
