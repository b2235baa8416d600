/*
 * dovecot - Dovecot judges: one step of an exchange, by its socket for authentication clients
 *
 * Called by check.c, in the process of the step.  Blocks, until a deadline.  A connection carries one exchange: the first step makes it, and
 * where a challenge comes of it the next step goes on with it.
 */
#ifndef AUTH_DOVECOT_H
#define AUTH_DOVECOT_H

#include "auth/sasl.h"

#define DOVECOT_WAIT_MS \
	9000 /* a step; it waits 2 seconds itself before it says that a password was wrong */
#define DOVECOT_REASON_MAX 200

struct dovecot {
	int helper; /* outside.h */
	int fd;	    /* to Dovecot; -1: no connection yet */
	struct span session, client, server, tls;
	const struct sasl_source *source; /* for may_guess */
	/* after a call */
	uint64_t mechanisms; /* AUTH_MECHANISM_BITs that it has named; 0: nothing was heard */
	char *trouble;	     /* DOVECOT_REASON_MAX bytes: why it cannot be asked; empty: it can */
};

/* dovecot_step - as sasl_step, with `d` beside; d->fd is open after SASL_CHALLENGE, and else to be closed */
void dovecot_step(struct dovecot *d, struct sasl_exchange *x, const struct span *response,
		  struct sasl_result *r);
/* dovecot_ask - what it can, alone */
void dovecot_ask(struct dovecot *d);

#endif
