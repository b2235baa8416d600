/*
 * verdict - what a step came to: counted against whoever guesses, and told to the log
 *
 * Called by serve.c with each step that is over, whichever source has judged it.
 */
#ifndef AUTH_VERDICT_H
#define AUTH_VERDICT_H

#include "auth/guessers.h"
#include "auth/sasl.h"

/* of whom it is */
struct verdict_peer {
	char address[AUTH_CLIENT_MAX + 1], session[AUTH_SESSION_MAX + 1];
};

/* verdict_count - the step was charged when it began; how many ms its answer is held back */
int64_t verdict_count(struct guessers *g, const struct verdict_peer *peer,
		      const struct sasl_exchange *x, const struct sasl_result *r, int64_t now_ms);

#endif
