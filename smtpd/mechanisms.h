/*
 * mechanisms - by which of SASL's mechanisms a client may log in now
 *
 * Called by hello.c, which tells the client; login.c takes only what was told.
 */
#ifndef SMTPD_MECHANISMS_H
#define SMTPD_MECHANISMS_H

#include <stdint.h>

#include "common/protocol/auth.h"

struct session;

#define MECHANISMS_TEXT_MAX 160 /* all of them, a blank between two */

/* mechanisms_find - AUTH_MECHANISM_BITs; one at least.  Where they are Dovecot's, auth is asked. */
uint64_t mechanisms_find(const struct session *s);
/* as EHLO names them, the best first */
void mechanisms_write(uint64_t mechanisms, char text[MECHANISMS_TEXT_MAX]);

#endif
