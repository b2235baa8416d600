/*
 * check - one step of an exchange, in a process of its own
 *
 * What a client sent is looked at, its account read and its password checked by a child that lives for this step alone: it costs nobody else
 * time, holds one secret, and what it may break is its own exchange.  It has two descriptors, the directory of the accounts and the way
 * back, and CHECK_MS.
 */
#ifndef AUTH_CHECK_H
#define AUTH_CHECK_H

#include <sys/types.h>

#include "auth/guessers.h"
#include "auth/sasl.h"
#include "common/system/loop.h"

#define CHECK_MS 10000 /* STORE_WAIT_MS and the costliest verifier are less */

struct check_question {
	struct sasl_exchange exchange;
	bool has_response;
	char response[AUTH_RESPONSE_MAX];
	size_t len;
	char client[AUTH_CLIENT_MAX + 1];
};

/* what the child sends, as it lies in its memory: both ends are one binary */
struct check_answer {
	struct sasl_exchange exchange;
	struct sasl_result result;
	char trouble[200]; /* why the accounts cannot be read; empty: for another reason, or none */
};

struct check {
	struct loop *loop;
	pid_t pid; /* 0: none */
	struct loop_watch result;
	struct loop_timer given_up;
	void *owner;
	/* done - the answer, wiped after; NULL: the child died, or was too slow (told as an event) */
	void (*done)(struct check *c, const struct check_answer *a);
};

/* check_start - -1 and errno: no process.  `q` is copied by the fork and can be wiped. */
int check_start(struct check *c, struct loop *loop, const struct check_question *q,
		const struct guessers *guessers, int accounts) __attribute__((warn_unused_result));
/* check_abandon - nobody waits for it any more */
void check_abandon(struct check *c);

#endif
