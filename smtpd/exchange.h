/*
 * exchange - a session asks auth: one SASL exchange, step by step
 *
 * Called by login.c.  Blocks for as long as auth takes, at most EXCHANGE_WAIT_MS a step: auth holds answers back to slow who guesses.
 */
#ifndef SMTPD_EXCHANGE_H
#define SMTPD_EXCHANGE_H

#include "common/protocol/auth.h"

#define EXCHANGE_CONNECT_MS 5000
#define EXCHANGE_LIST_MS 2000
#define EXCHANGE_WAIT_MS 60000 /* a wait for a check, a check, and an answer held back are less */

struct exchange {
	int fd; /* -1: over */
	uint32_t request;
};

enum exchange_outcome {
	EXCHANGE_CHALLENGE = 1, /* data */
	EXCHANGE_SUCCESS,	/* login */
	EXCHANGE_FAILURE,	/* reason */
	EXCHANGE_GUESSES,	/* too many wrong ones came from there */
	EXCHANGE_TROUBLE,	/* it cannot be said now, for a reason that auth has told to log */
	EXCHANGE_OFFERS,	/* mechanisms */
	EXCHANGE_GONE,		/* there is no auth, or it did not answer as it must */
};

struct exchange_answer {
	enum exchange_outcome outcome;
	struct span data, login; /* until the next call */
	enum auth_reason reason;
	uint64_t mechanisms; /* of EXCHANGE_OFFERS */
};

/* exchange_start - connects to `path` (NULL: there is no auth) */
void exchange_start(struct exchange *x, const char *path, const struct auth_start *start,
		    struct exchange_answer *a);
/* exchange_list - which mechanisms there are, asked on a connection of its own; -1: it was not said within EXCHANGE_LIST_MS */
int exchange_list(const char *path, uint64_t *mechanisms) __attribute__((warn_unused_result));
/* exchange_continue - after EXCHANGE_CHALLENGE */
void exchange_continue(struct exchange *x, struct span response, struct exchange_answer *a);
/* exchange_end - in any state: what is not over is cancelled; what was received is wiped */
void exchange_end(struct exchange *x);

#endif
