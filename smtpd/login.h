/*
 * login - AUTH: who the client is, and what that allows
 */
#ifndef SMTPD_LOGIN_H
#define SMTPD_LOGIN_H

#include <stdbool.h>

#include "common/mail/address.h"
#include "common/text/span.h"

struct check;
struct session;

#define LOGIN_LINE_MAX \
	12290 /* bytes of a line of an exchange, CRLF included (RFC 4954, section 4) */
#define LOGIN_FAILURES_MAX 5 /* of a session; then it ends */

/* the verb */
void login_auth(struct session *s, struct span argument);
/* is AUTH offered to this client now? */
bool login_is_offered(const struct session *s);
/*
 * login_is_private - can nobody listen on the way?
 *
 * Under TLS; on the loopback, where `auth { clear yes }` says that this is as good.
 */
bool login_is_private(const struct session *s);
/* login_may_mail - false: MAIL is not for those who have not logged in, and the client was told */
bool login_may_mail(struct session *s);
/* login_may_be - may he send as that address, whether by logging in or as a user of this host?  250, or 553, or 451 */
void login_may_be(struct session *s, const struct address *address, struct check *check);
/* login_owns - false: `sender` is not the login's, or that cannot be said, and the client was told; true too where there is no login */
bool login_owns(struct session *s, const struct address *sender);

#endif
