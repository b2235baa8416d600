/*
 * offers - which mechanisms there are
 *
 * Own accounts have always the same; Dovecot names its own with each connection.  What it said last is what counts, and it is asked again by a check of its
 * own, beside all exchanges, when that is older than OFFERS_RENEW_MS: so nobody who says EHLO waits for Dovecot.
 */
#ifndef AUTH_OFFERS_H
#define AUTH_OFFERS_H

#include "auth/check.h"

#define OFFERS_RENEW_MS 10000

struct offers {
	struct loop *loop;
	const struct check_source *source;
	const struct guessers *guessers;
	uint64_t mechanisms;
	int64_t asked_ms;
	struct check check;
};

/* offers_open - Dovecot is asked at once */
void offers_open(struct offers *o, struct loop *loop, const struct check_source *source,
		 const struct guessers *guessers);
void offers_close(struct offers *o);
/* offers_known - AUTH_MECHANISM_BITs, one at least */
uint64_t offers_known(struct offers *o, int64_t now_ms);
/* offers_learn - from any answer of a check; its trouble is told */
void offers_learn(struct offers *o, const struct check_answer *a);

#endif
