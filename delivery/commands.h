/*
 * commands - MAIL and RCPT as this peer understands them
 *
 * Called by transaction.c, agent.c and verify's probe.c.  A parameter is said only to a peer that offered its extension: SIZE (RFC 1870),
 * BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY and ORCPT (RFC 3461, section 5.2.1: as they came).
 */
#ifndef DELIVERY_COMMANDS_H
#define DELIVERY_COMMANDS_H

#include <stdbool.h>

#include "common/text/span.h"
#include "delivery/connect.h"
#include "delivery/transaction.h"

#define COMMANDS_MAX 4096 /* bytes of one with its parameters */

/* one line with its CRLF, until the next call; empty: it does not fit, or memory is out */
struct span commands_mail(const struct connection *c, const struct message *m, bool says_utf8);
struct span commands_rcpt(const struct connection *c, const struct recipient *r, bool says_utf8);

/* commands_unsendable - why no peer may be sent an address; NULL: it may.  smtpd lets no such in, so this is the second lock. */
const char *commands_unsendable(struct span address);

#endif
