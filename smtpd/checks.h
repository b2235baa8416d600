/*
 * checks - who may send what to whom
 */
#ifndef SMTPD_CHECKS_H
#define SMTPD_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mail/address.h"
#include "common/mail/reply.h"
#include "common/protocol/lookup.h"
#include "common/protocol/verify.h"
#include "common/text/span.h"

#define CHECKS_MAX LOOKUP_QUESTIONS_MAX /* addresses asked for at once */

struct session;

/* the connection to lookup: made when it is first needed, kept for the session */
struct checks {
	const char *path;
	int fd; /* -1: none */
	uint32_t request;
};

/* the answer about one recipient */
struct check {
	int code; /* 250: may be a recipient */
	char status[STATUS_MAX];
	char text[LOOKUP_TEXT_MAX + 1];
	bool is_relayed; /* not ours, and this client may relay */
	/* the next hop is to be asked for this address (verification.c), as that domain block says; empty: nobody */
	char ask[ADDRESS_MAX + 1];
	char block[VERIFY_BLOCK_MAX + 1];
};

void checks_init(struct checks *c, const char *path);
/* closes the connection, if there is one */
void checks_release(struct checks *c);

/*
 * checks_recipients - judges `count` canonical addresses (at most CHECKS_MAX), and fills as many `checks`
 *
 * lookup is asked about those that the configuration alone does not settle (common/config/outside.h).  Waits for lookup, CHECKS_WAIT_MS at most; trouble of any kind is 451 4.3.0 for those without an answer, never a permission.
 */
void checks_recipients(struct session *s, const struct span *addresses, size_t count,
		       struct check *checks);

/* checks_sender - may who has logged in, or the user of this host, send as that address?  250, or 553, or 451 */
void checks_sender(struct session *s, struct span address, struct check *check);

#endif
