/*
 * parked - recipients that were deferred because their site was, and go again as soon as it answers, not by their own next attempt
 *
 * A site keeps the ids of their messages, eight bytes each; the recipients themselves know that they are parked (struct recipient).
 * While the site is dead one of them is the probe at the end of each back-off; once it answers they follow a few at a time, so
 * that the window decides how fast they go and nothing is done for 50,000 at once.
 */
#ifndef QUEUE_MANAGER_PARKED_H
#define QUEUE_MANAGER_PARKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manager;
struct message;

struct parked {
	uint64_t *ids;
	size_t first, count, room; /* a ring */
};

/* parked_add - the recipient is DEFERRED; nothing is done for one that is parked already */
void parked_add(struct manager *q, struct parked *p, struct message *m, uint32_t number);
/* parked_release - the recipients of up to `max` messages, the longest parked first, are to be routed now; how many messages */
size_t parked_release(struct manager *q, struct parked *p, size_t max);
/* what is parked in `from` is parked in `to` */
void parked_move(struct manager *q, struct parked *from, struct parked *to);
void parked_free(struct parked *p);

#endif
