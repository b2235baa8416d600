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
/* mechanisms_certificate - whom EXTERNAL would log in: whom the client's verified certificate names, where `certificates yes` stands; else empty */
void mechanisms_certificate(const struct session *s, char name[AUTH_LOGIN_MAX + 1]);
/* as EHLO names them, the best first */
void mechanisms_write(uint64_t mechanisms, char text[MECHANISMS_TEXT_MAX]);

#endif
