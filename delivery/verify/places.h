/*
 * places - next hops, the questions that wait for each, and the processes that ask
 *
 * One place for each domain block with `recipients verify`.  A question is asked by a probe (probe.h), at most `probes` of them for a place at a time;
 * what is asked while a question for the same address is there joins it.  A place of which no host takes a connection is left alone for PLACES_DOWN_MS.
 *
 * A place that has taken PLACES_CATCH_ALL addresses and refused none since this program began is told of once (next-hop-takes-all): what it says at RCPT
 * tells nobody apart.  No address is invented to find that out.
 */
#ifndef DELIVERY_VERIFY_PLACES_H
#define DELIVERY_VERIFY_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/system/loop.h"
#include "delivery/verify/probe.h"

#define PLACES_QUEUE_MAX 1000 /* questions that wait for one place; more are not asked */
#define PLACES_PROBE_MS 60000 /* a probe that takes longer for one question is ended */
#define PLACES_DOWN_MS 30000
#define PLACES_CATCH_ALL 100

struct place;

/* who waits for an answer; its owner's */
struct waiter {
	void *owner;
	uint32_t request;
	struct waiter *next;
};

struct question {
	struct place *place;
	struct waiter *waiters;
	unsigned attempts;
	struct question *next;
	char address[VERIFY_ADDRESS_MAX + 1];
};

struct places {
	struct loop *loop;
	struct probe_start start; /* but for `place` and `block` */
	struct place *places;
	size_t count;
	/* done - the answer to a question, whose waiters are let go of by it; the question ends behind it */
	void (*done)(void *owner, struct question *q, const struct probe_answer *a);
	void *owner;
	bool is_stopping; /* nothing is asked any more */
};

void places_start(struct places *p, struct loop *loop, const struct probe_start *start,
		  void (*done)(void *owner, struct question *q, const struct probe_answer *a),
		  void *owner);
/* places_end - every probe is ended; no waiter is told */
void places_end(struct places *p);

/* places_find - of a domain block by its first name; NULL: nobody is asked for its recipients */
struct place *places_find(struct places *p, struct span block);
/*
 * places_ask - NULL: it is not asked, and *why says for what reason; `waiter` NULL: nobody waits for it
 *
 * It is asked in a later turn of the loop: nothing is answered before the caller is ready for it.
 */
struct question *places_ask(struct places *p, struct place *place, struct span address,
			    struct waiter *waiter, struct probe_answer *why);
/* places_leave - nobody of that owner waits any more; `free_waiter` is called for each of its waiters */
void places_leave(struct places *p, const void *owner, void (*free_waiter)(struct waiter *w));

#endif
