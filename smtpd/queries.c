/*
 * queries - the commands that move no mail
 *
 * Called by the table of verbs.  VRFY tells strangers nothing (RFC 5321, section 7.3): 252 whatever they ask; those who
 * may relay hear what RCPT would say.
 */
#include "smtpd/queries.h"

#include <stdio.h>

#include "common/system/events.h"
#include "smtpd/verbs.h"

#define TOLD_MAX 64 /* bytes of what stands behind another protocol's command, for the log */

void
queries_noop(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, 250, "2.0.0", "nothing done");
}

void
queries_help(struct session *s, struct span argument)
{
	(void)argument;
	session_reply_more(s, 214, "2.0.0", "Culver knows these commands:");
	for (size_t i = 0; verb_listed(i) != NULL; i++)
		session_reply_more(s, 214, "2.0.0", "  %s", verb_listed(i)->word);
	session_reply(s, 214, "2.0.0", "Mail about this host: postmaster@%s", s->config->hostname);
}

bool
queries_address(const struct session *s, struct span argument, struct address *a)
{
	char text[ADDRESS_MAX + 1];

	if (address_path(&argument, a) == ADDRESS_OK && a->len > 0 && argument.len == 0 &&
	    a->domain_at > 0)
		return true;
	struct span name = span_trim(argument);
	if (name.len > 2 && name.at[0] == '<' && name.at[name.len - 1] == '>')
		name = span_from(name.at + 1, name.len - 2);
	int n = snprintf(text, sizeof(text), "%.*s@%s", SPAN_ARG(name), s->config->hostname);
	return n > 0 && (size_t)n < sizeof(text) &&
	       address_mailbox(span_from(text, (size_t)n), a) == ADDRESS_OK;
}

void
queries_vrfy(struct session *s, struct span argument)
{
	struct address a;
	struct check check;

	if (argument.len == 0) {
		session_reply(s, 501, "5.5.4", "VRFY needs an address");
		return;
	}
	if (!s->may_relay) {
		session_reply(s, 252, "2.1.5", "send mail to it, and you will see");
		return;
	}
	if (!queries_address(s, argument, &a)) {
		session_reply(s, 501, "5.1.3", "that is no address");
		return;
	}
	struct span address = span_from(a.text, a.len);
	checks_recipients(s, &address, 1, &check);
	if (check.code != 250)
		session_reply(s, check.code, check.status, "%s", check.text);
	else if (check.is_relayed)
		session_reply(s, 252, "2.1.5", "<%s> is not of this host; mail to it is taken",
			      a.text);
	else
		session_reply(s, 250, "2.1.5", "<%s>", a.text);
}

void
queries_quit(struct session *s, struct span argument)
{
	if (argument.len > 0) {
		session_reply(s, 501, "5.5.4", "QUIT takes no argument");
		return;
	}
	session_reply(s, 221, "2.0.0", "%s closes the connection", s->config->hostname);
	session_end(s, "quit");
}

void
queries_unsupported(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, 502, "5.5.1", "%.*s is not offered here", SPAN_ARG(s->word));
}

void
queries_other_protocol(struct session *s, struct span argument)
{
	if (argument.len > TOLD_MAX)
		argument.len = TOLD_MAX;
	EVENT("other-protocol", event_string("session", s->id), event_string("client", s->client),
	      event_text("verb", s->word), event_text("text", argument));
	session_reply(s, 554, "5.5.1", "this is a mail server");
	session_end(s, "other-protocol");
}
