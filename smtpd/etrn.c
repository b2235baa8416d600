/*
 * etrn - ETRN (RFC 1985)
 *
 * Called by the table of verbs.  Who may ask for which domain stands in the route of the domain (etrn-from); how often, the queue-manager
 * knows, which is asked by a message of the intake.  Replies as section 5.3 has them: 250 for a domain and all below it, of which is not known
 * how much there is, 251, 252, 458, 459; never 253, since nobody counts while a client waits.
 */
#include "smtpd/etrn.h"

#include "common/mail/domain.h"
#include "common/protocol/intake-client.h"
#include "common/system/clock.h"
#include "common/system/events.h"

#define ETRN_ANSWER_MS 30000

/* a client that none is for hears the same whatever it asks: nothing of our routes */
static bool
may_ask(const struct session *s, struct span domain)
{
	const struct config_route *route = config_route_find(s->config, domain);
	return route != NULL &&
	       config_may_etrn(s->config, route, (const struct sockaddr *)&s->address);
}

static enum intake_outcome
ask(struct session *s, const struct intake_retry *retry, enum intake_retry_outcome *outcome)
{
	/* a connection of its own: what was asked ahead for a message stays asked */
	static struct intake_client client;
	int64_t until_ms = clock_monotonic_ms() + ETRN_ANSWER_MS;
	intake_client_init(&client);
	enum intake_outcome o = intake_client_connect(&client, s->accept.path, until_ms);
	if (o == INTAKE_CLIENT_OK)
		o = intake_client_retry(&client, retry, outcome, until_ms);
	intake_client_close(&client);
	return o;
}

/* `@` before the domain: and all below it; false: it was answered already */
static bool
read_node(struct session *s, struct span argument, char domain[INTAKE_DOMAIN_MAX + 1], bool *below)
{
	*below = argument.len > 0 && argument.at[0] == '@';
	if (*below)
		argument = span_skip(argument, 1);
	if (argument.len > 0 && argument.at[0] == '#') {
		session_reply(s, 459, "5.7.0", "Node %.*s not allowed: queues have no names here",
			      SPAN_ARG(argument));
		return false;
	}
	if (!domain_is_valid(argument) || span_copy(argument, domain, INTAKE_DOMAIN_MAX + 1) != 0) {
		session_reply(s, 501, "5.5.4", "ETRN needs a domain");
		return false;
	}
	for (char *c = domain; *c != '\0'; c++)
		*c = ascii_lower(*c);
	return true;
}

void
etrn_etrn(struct session *s, struct span argument)
{
	char domain[INTAKE_DOMAIN_MAX + 1];
	bool below;
	enum intake_retry_outcome outcome = INTAKE_RETRY_SOON;
	if (!read_node(s, argument, domain, &below))
		return;
	if (!may_ask(s, span_of(domain))) {
		session_reply(s, 459, "5.7.0", "Node %s not allowed: not for this client", domain);
		return;
	}
	const struct intake_retry retry = {span_of(domain), below};
	if (ask(s, &retry, &outcome) != INTAKE_CLIENT_OK) {
		EVENT("intake-trouble", event_string("session", s->id), event_string("at", "etrn"),
		      event_string("reason", "no answer"));
		session_reply(s, 458, "4.3.0", "Unable to queue messages for node %s", domain);
		return;
	}
	switch (outcome) {
	case INTAKE_RETRY_STARTED:
		if (below)
			session_reply(s, 250, "2.0.0", "OK, queuing for node %s started", domain);
		else
			session_reply(s, 252, "2.0.0", "OK, pending messages for node %s started",
				      domain);
		return;
	case INTAKE_RETRY_NOTHING:
		session_reply(s, 251, "2.0.0", "OK, no messages waiting for node %s", domain);
		return;
	case INTAKE_RETRY_SOON:
		session_reply(s, 458, "4.7.0",
			      "Unable to queue messages for node %s: asked again too soon", domain);
		return;
	}
}
