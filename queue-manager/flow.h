/*
 * flow - whose turn it is within a place: deficit round robin over senders, in recipients
 *
 * A flow is what one sender (a local user, a login, or the network of a client) has waiting at one place: its batches, in their order.  Flows take
 * turns; a turn is worth FLOW_QUANTUM recipients, and who took more than he had waits until he has it again.  So a list of 100,000
 * recipients, or 50,000 letters of one sender, delay another's letter by one transaction at a connection.  Called by queue alone; each step costs the same however
 * much waits.
 */
#ifndef QUEUE_MANAGER_FLOW_H
#define QUEUE_MANAGER_FLOW_H

#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

struct batch;
struct place;

#define FLOW_QUANTUM 10 /* recipients of a turn */

struct flow {
	struct place *place;
	uint32_t key;
	uint8_t rank;	 /* enum queue_rank */
	int32_t deficit; /* recipients that it may take now */
	struct batch *head, *tail;
	struct flow *next, *previous; /* the ring of its place and rank */
	struct flow *hash_next;
};

struct flows {
	struct flow **buckets;
	size_t bucket_count, count;
};

/* flow_key - of a message: a local user's uid plus 1, or 0 and who had logged in, or nobody and the address of the client (IPv4 by /24, IPv6 by /64) */
uint32_t flow_key(uint32_t uid, struct span login, struct span client);

/* flow_add - the batch is the last one of its sender's flow, which is made when it has none */
void flow_add(struct flows *t, struct batch *b, uint32_t key);
/* flow_drop - no more; a flow without a batch is gone */
void flow_drop(struct flows *t, struct batch *b);
/* flow_next - the first batch of whose turn it is; NULL: nothing waits in that rank.  Turns pass until somebody may take. */
struct batch *flow_next(struct place *p, uint8_t rank);
/* flow_pay - so many recipients of it were taken; before flow_drop */
void flow_pay(struct flow *f, uint32_t recipients);
void flows_free(struct flows *t);

#endif
