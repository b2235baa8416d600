/*
 * queue - a queue for each place: the batches of recipients that wait for an agent of it
 *
 * A place is where one agent delivers: a list of hosts, a mailbox, the notices.  A batch is what one message has for one
 * place.  Called by route (which adds), message (which withdraws), schedule (which takes).  What stands behind it is its site's (site.h),
 * whose turn it is within it the flows' (flow.h).
 */
#ifndef QUEUE_MANAGER_QUEUE_H
#define QUEUE_MANAGER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/text/span.h"
#include "queue-manager/flow.h"

struct manager;
struct message;
struct place;
struct agent;
struct site;

#define QUEUE_PARKED_MAX 1000 /* recipients of a message that are routed ahead of KEEP */
#define QUEUE_NOTICE_MAX 1000 /* failures told of in one notice */

struct place_list {
	struct place *first, *last;
	uint32_t count;
	uint32_t *all; /* of one of several lists: how many are in all of them; else NULL */
};

enum queue_rank { QUEUE_FRESH, QUEUE_RETRY, QUEUE_RANKS };

struct batch {
	struct message *message;
	struct place *place;
	struct flow *flow;			       /* NULL: parked */
	struct batch *previous, *next;		       /* in the flow */
	struct batch *message_previous, *message_next; /* of the message */
	uint32_t first, last, count;		       /* recipients, linked by their `due` */
	uint32_t owner; /* whose stead the sender is, of all of them (struct recipient) */
	enum queue_rank rank;
	bool is_parked;
	bool is_delay; /* of the notices: about those who are delayed when it is taken; it holds none itself */
};

struct place {
	enum jobs_kind kind;
	struct place *hash_next;
	uint32_t hash;
	char *key; /* hosts or user, NUL, domain, home, delivery; ours */
	struct span hosts, user, domain;
	/* of a virtual user's mailbox; hosts: the name of the login there; else empty */
	struct span home;
	struct span delivery; /* of a mailbox: which of its block's; empty: `deliver` */
	uint64_t
		quota; /* of it, as lookup said last: agents that are there already keep theirs; 0: none */
	struct flow *turn[QUEUE_RANKS]; /* rings; whose turn it is */
	uint32_t batches, ready;	/* ready: recipients */
	uint32_t parked;		/* batches that will come here at KEEP */
	/* site.c's; never NULL */
	struct site *site;
	struct place *site_next, *site_previous;
	uint32_t agents, busy, wants, connected;
	/* schedule.c's */
	struct place *list_next, *list_previous;
	struct place_list
		*list; /* where it stands: to be looked at, hungry, waiting, empty; NULL: nowhere */
	bool is_stale; /* of a former configuration: what is here is routed anew */
	struct agent *idle; /* the one that was used last is first */
	/* early.c's */
	int64_t answer_us; /* how quickly it answers; 0: not known */
	bool is_self;	   /* we have answered there ourselves */
};

struct places {
	struct place **buckets;
	size_t bucket_count, count;
	struct flows flows;
	struct place_list empty; /* nothing waits there; the longest so is first */
};

/* lists of places; one is in one list at most */
void place_list_add(struct place_list *l, struct place *p); /* at the end, and off the other */
void place_list_drop(struct place *p);

/* which place; a member that does not count is empty */
struct place_name {
	struct span name; /* hosts or user */
	struct span domain;
	struct span home; /* of a virtual user; hosts: the login there */
	struct span delivery;
};

/* queue_place_named - found or made */
struct place *queue_place_named(struct manager *q, enum jobs_kind kind, const struct place_name *n);
/* queue_place - the same of one whose home and delivery are those of its kind */
struct place *queue_place(struct manager *q, enum jobs_kind kind, struct span name,
			  struct span domain);
/* queue_place_let_go - nothing waits there: freed, or kept for a while where something is known of it */
void queue_place_let_go(struct manager *q, struct place *p);
/* `each` may let none go */
void queue_places_each(struct manager *q, void (*each)(struct manager *q, struct place *p));
void queue_places_free(struct manager *q);

/* queue_add - the recipient is READY at the place; before KEEP it is parked */
void queue_add(struct manager *q, struct place *p, struct message *m, uint32_t number);
/* queue_notice - those of its recipients that failed, or of whose success is to be told, wait for the agent of the notices */
void queue_notice(struct manager *q, struct message *m);
/* queue_delay - the same about the delay of some; they go on meanwhile */
void queue_delay(struct manager *q, struct message *m);
/* queue_keep - what was parked is there now: kept, or released by early.c */
void queue_keep(struct manager *q, struct message *m);
/* queue_withdraw - nothing of the message waits anywhere: WAITING, or FAILED, again */
void queue_withdraw(struct manager *q, struct message *m);
/* fresh when anything waits there that was never tried */
enum queue_rank queue_rank(const struct place *p);
/* the batch that comes next, NULL: none */
struct batch *queue_next(struct place *p);
/*
 * queue_take - up to `max` recipients of the first batch; their state is left to the caller
 *
 * Returns how many (0: nothing waits here); the message in *m, and in *is_delay whether they are to be told of as delayed.
 */
size_t queue_take(struct manager *q, struct place *p, uint32_t *numbers, size_t max,
		  struct message **m, bool *is_delay);
/* jobs that wait here, `per_job` recipients at most in each */
uint32_t queue_jobs(const struct place *p, uint32_t per_job);

#endif
