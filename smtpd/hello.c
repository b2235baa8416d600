/*
 * hello - EHLO and HELO: who the client says it is, what we offer
 *
 * Called by the table of verbs.  Promises that s->helo is a domain (with `_`, as the world writes it) or a literal and
 * nothing else, so that it may stand in a header field.  It is never checked against the DNS (RFC 5321, section 4.1.4).
 * Each EHLO ends a transaction as RSET does.
 */
#include "smtpd/hello.h"

#include <inttypes.h>

#include "common/mail/domain.h"
#include "smtpd/gates.h"
#include "smtpd/login.h"
#include "smtpd/mechanisms.h"
#include "smtpd/starttls.h"

static bool
take_name(struct session *s, struct span argument)
{
	if (argument.len == 0) {
		session_reply(s, 501, "5.5.4", "%.*s needs the name of your host",
			      SPAN_ARG(s->word));
		return false;
	}
	if (argument.len >= sizeof(s->helo)) {
		session_reply(s, 500, "5.5.2", "no host has so long a name");
		return false;
	}
	if ((!domain_is_valid(argument) && !domain_is_literal(argument)) ||
	    span_copy(argument, s->helo, sizeof(s->helo)) == -1) {
		s->helo[0] = '\0';
		session_reply(s, 501, "5.5.4",
			      "that is neither the name of a host nor an address literal");
		return false;
	}
	session_reset(s);
	if (!gates_hello(s)) {
		s->helo[0] = '\0';
		s->stage = STAGE_GREETED;
		return false;
	}
	s->stage = STAGE_READY;
	return true;
}

void
hello_ehlo(struct session *s, struct span argument)
{
	char mechanisms[MECHANISMS_TEXT_MAX];

	if (!take_name(s, argument))
		return;
	s->extended = true;
	session_reply_more(s, 250, NULL, "%s greets %s", s->config->hostname, s->helo);
	session_reply_more(s, 250, NULL, "SIZE %" PRIu64, s->limits->message_size);
	session_reply_more(s, 250, NULL, "PIPELINING");
	session_reply_more(s, 250, NULL, "8BITMIME");
	session_reply_more(s, 250, NULL, "SMTPUTF8");
	session_reply_more(s, 250, NULL, "CHUNKING");
	session_reply_more(s, 250, NULL, "DSN");
	if (starttls_is_offered(s))
		session_reply_more(s, 250, NULL, "STARTTLS");
	if (s->tls[0] != '\0') /* RFC 8689, section 4.1 */
		session_reply_more(s, 250, NULL, "REQUIRETLS");
	if (s->may_etrn)
		session_reply_more(s, 250, NULL, "ETRN");
	if (s->may_expn)
		session_reply_more(s, 250, NULL, "EXPN");
	if (login_is_offered(s)) {
		s->mechanisms = mechanisms_find(s);
		mechanisms_write(s->mechanisms, mechanisms);
		session_reply_more(s, 250, NULL, "AUTH %s", mechanisms);
	}
	/* RFC 9422; transactions of a session are not counted: no MAILMAX */
	session_reply_more(s, 250, NULL, "LIMITS RCPTMAX=%" PRIu64, s->limits->recipients);
	session_reply_more(s, 250, NULL, "ENHANCEDSTATUSCODES");
	/* for sendmail(1), which has no configuration: the domain of a name alone */
	if (s->is_local)
		session_reply_more(s, 250, NULL, "XORIGIN %s", s->config->origin);
	session_reply(s, 250, NULL, "HELP");
}

void
hello_helo(struct session *s, struct span argument)
{
	if (!take_name(s, argument))
		return;
	s->extended = false;
	session_reply(s, 250, NULL, "%s", s->config->hostname);
}
