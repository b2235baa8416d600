/*
 * queue - a queue for each place: the batches of recipients that wait for an agent of it
 *
 * A place is where one agent delivers: a list of hosts, a mailbox, the notices.  A batch is what one message has for one
 * place.  Called by route (which adds), message (which withdraws), schedule (which takes).  `site` will stand between later.
 */
#ifndef QUEUE_MANAGER_QUEUE_H
#define QUEUE_MANAGER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/text/span.h"

struct manager;
struct message;
struct place;
struct agent;

#define QUEUE_PARKED_MAX 1000 /* recipients of a message that are routed ahead of KEEP */
#define QUEUE_NOTICE_MAX 1000 /* failures told of in one notice */
#define QUEUE_WINDOW_FIRST 2  /* agents of a place that nothing is known of */

struct place_list {
	struct place *first, *last;
};

enum queue_rank { QUEUE_FRESH, QUEUE_RETRY, QUEUE_RANKS };

struct batch {
	struct message *message;
	struct place *place;
	struct batch *previous, *next;		       /* in the place, unless parked */
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
	char *key; /* hosts or user, NUL, domain, home; ours */
	struct span hosts, user, domain;
	struct span home; /* of a virtual user's mailbox; else empty */
	struct batch *head[QUEUE_RANKS], *tail[QUEUE_RANKS];
	uint32_t batches, ready; /* ready: recipients */
	uint32_t parked;	 /* batches that will come here at KEEP */
	/* schedule.c's */
	struct place *list_next, *list_previous;
	struct place_list *list; /* where it stands: to be looked at, or hungry; NULL: neither */
	bool is_stale;		 /* of a former configuration: what is here is routed anew */
	uint32_t agents, busy, wants;
	uint32_t window;
	struct agent *idle; /* the one that was used last is first */
	bool is_dead, is_probing;
	int64_t dead_until_ms;
	int64_t back_off_ms;
	struct verdict verdict; /* what those get that wait here while it is dead */
	char host[JOBS_HOST_MAX + 1];
	/* early.c's */
	int64_t answer_us; /* how quickly it answers; 0: not known */
	bool is_self;	   /* we have answered there ourselves */
};

struct places {
	struct place **buckets;
	size_t bucket_count, count;
};

/* queue_place - found or made; `name` is the hosts or the user, `home` that of a virtual one */
struct place *queue_place(struct manager *q, enum jobs_kind kind, struct span name,
			  struct span domain, struct span home);
/* queue_place_let_go - freed, if nothing is known of it that is worth keeping */
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
/* the batch that comes next, NULL: none */
struct batch *queue_next(const struct place *p);
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
