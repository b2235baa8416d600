/*
 * claim - what each sender has of the agents that all share, and whose turn it is for the next one
 *
 * A place that needs an agent while none is to be had waits in the name of a sender who has mail there (flow_key), and senders take turns: a list to 5,000
 * domains has 5,000 places that wait, and another sender's letter still has the next agent but one.
 *
 * An agent for a site that may hang (nothing is known of it, or it does hang) can be gone for minutes.  Such sites have a share of all agents (schedule.h);
 * when it is used up, places wait for one of these by themselves (CLAIM_DOUBTFUL).  Were the share first come, first served, a list would have all of it until
 * its sites have hung long enough.  So none takes another when he has more than CLAIM_MOST times as many as are left: what is left when one sender has all
 * that he may is there for the next.
 *
 * Called by serve and schedule.  One table a service; each rank by itself, so that a sender's retries take nothing from his new mail.  A claim is there
 * as long as its sender has such an agent, or a place that waits.
 */
#ifndef QUEUE_MANAGER_CLAIM_H
#define QUEUE_MANAGER_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue-manager/queue.h"

#define CLAIM_MOST 4 /* agents of a sender, for each that is left: when he is alone, four of five */

/* what a place waits for */
enum claim_line {
	CLAIM_HUNGRY,	/* an agent */
	CLAIM_DOUBTFUL, /* one of those for sites that may hang */
	CLAIM_LINES,
};

struct claim;

/* a sender's places in one line and rank, and his stand in the ring of those who have any there */
struct claim_stand {
	struct place_list places;
	struct claim *next, *previous; /* NULL: not in the ring */
};

struct claim {
	uint32_t sender; /* flow_key */
	uint32_t held
		[QUEUE_RANKS]; /* agents for sites that may hang, there or asked for in his name */
	struct claim_stand stand[CLAIM_LINES][QUEUE_RANKS];
	struct claim *hash_next;
};

struct claims {
	struct claim **buckets;
	size_t bucket_count, count;
	struct claim *turn[CLAIM_LINES][QUEUE_RANKS]; /* rings; whose turn it is */
	uint32_t waiting[CLAIM_LINES][QUEUE_RANKS];   /* places, of all */
	uint32_t held;				      /* of all */
};

/* claim_sender - in whose name the place asks: whose mail is next there, or who came last, if he holds fewer agents */
uint32_t claim_sender(const struct claims *t, const struct place *p, enum queue_rank rank);
/* claim_may - may he hold one more, of `left` that there may still be? */
bool claim_may(const struct claims *t, uint32_t sender, enum queue_rank rank, uint32_t left);
/* claim_wait - the place waits in the name of its sender, behind his others; where it stands, if it does so already */
void claim_wait(struct claims *t, struct place *p, enum claim_line line, enum queue_rank rank);
/* claim_waits - does it, in that line and rank? */
bool claim_waits(const struct claims *t, const struct place *p, enum claim_line line,
		 enum queue_rank rank);
/* claim_first - of whose turn it is, the place that has waited longest; NULL: none */
struct place *claim_first(struct claims *t, enum claim_line line, enum queue_rank rank);
/* claim_first_that_may - the same of the doubtful, and of those who may hold one more */
struct place *claim_first_that_may(struct claims *t, enum queue_rank rank, uint32_t left);
/* claim_turn - an agent was asked for in his name: his turn is over */
void claim_turn(struct claims *t, uint32_t sender, enum queue_rank rank);
/* claim_take - he holds one more; claim_give_back: one less */
void claim_take(struct claims *t, uint32_t sender, enum queue_rank rank);
void claim_give_back(struct claims *t, uint32_t sender, enum queue_rank rank);
/* claims_free - when no place waits here any more, or ever will */
void claims_free(struct claims *t);

#endif
