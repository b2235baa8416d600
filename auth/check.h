/*
 * check - one step of an exchange, in a process of its own
 *
 * What a client sent is looked at, its account read and its password checked by a child that lives for this step alone: it costs nobody else
 * time, holds one secret, and what it may break is its own exchange.  It has CHECK_MS and its source: the directory of the accounts; the way
 * to Dovecot and this exchange's connection to it; or that to auth-pam.  Beside that it has the way back, and nothing.
 */
#ifndef AUTH_CHECK_H
#define AUTH_CHECK_H

#include "auth/guessers.h"
#include "auth/verdict.h"
#include "common/config/config.h"
#include "common/system/errand.h"

#define CHECK_MS 10000 /* STORE_WAIT_MS and the costliest verifier are less */

/* who judges */
struct check_source {
	enum config_auth_source kind;
	int fd; /* the directory of the accounts; where Dovecot's helper is asked (outside.h); of PAM: -1 */
	const char *pam; /* path of the socket `pam` */
};

struct check_question {
	struct sasl_exchange exchange;
	bool is_list; /* no exchange: which mechanisms are there? */
	bool has_response;
	char response[AUTH_RESPONSE_MAX];
	size_t len;
	struct verdict_peer peer;
	/* for Dovecot */
	int connection; /* of this exchange; -1: none yet */
	char server[AUTH_CLIENT_MAX + 1], tls[AUTH_TLS_MAX + 1];
};

/* what the child sends, as it lies in its memory: both ends are one binary */
struct check_answer {
	struct sasl_exchange exchange;
	struct sasl_result result;
	char trouble[200]; /* why the source cannot be asked; empty: for another reason, or none */
	uint64_t mechanisms; /* of Dovecot; 0: not heard */
};

struct check {
	struct errand errand;
	void *owner;
	/*
	 * done - the answer, wiped after; NULL: the child died, or was too slow (told as an event)
	 *
	 * `connection`: of the exchange that goes on, for the next step; -1: none.
	 */
	void (*done)(struct check *c, const struct check_answer *a, int connection);
};

/* check_start - -1 and errno: no process.  `q` is copied by the fork and can be wiped; its connection stays the caller's. */
int check_start(struct check *c, struct loop *loop, const struct check_question *q,
		const struct guessers *guessers, const struct check_source *source)
	__attribute__((warn_unused_result));
/* check_abandon - nobody waits for it any more */
void check_abandon(struct check *c);

#endif
