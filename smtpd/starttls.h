/*
 * starttls - STARTTLS (RFC 3207), and TLS from the first byte on (RFC 8314)
 */
#ifndef SMTPD_STARTTLS_H
#define SMTPD_STARTTLS_H

#include "smtpd/session.h"

#define STARTTLS_HANDSHAKE_MS 60000 /* at most; command-time where that is shorter */

/* starttls_is_offered - may it be said in this session? */
bool starttls_is_offered(const struct session *s);
void starttls_starttls(struct session *s, struct span argument);
/* starttls_implicit - before the greeting; false: the session is over */
bool starttls_implicit(struct session *s) __attribute__((warn_unused_result));

#endif
