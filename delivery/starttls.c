/*
 * starttls - see starttls.h; called by connect.c
 *
 * Bytes that came behind the 220 in plain text are dropped unread and told: a server does not send them, somebody between does
 * (RFC 3207, section 6).  Whatever fails under a demand is a deferral: the host may be set right, and an attack ends.
 */
#include "delivery/starttls.h"

#include <stdio.h>

#include "common/system/clock.h"
#include "common/system/events.h"

#define IMPLICIT_PORT 465 /* submissions (RFC 8314, section 3.3) */
#define STATUS "4.7.5"	  /* a cryptographic failure (RFC 3463) */

bool
starttls_is_implicit(const struct config_hop_tls *tls, uint16_t port)
{
	switch (tls->implicit) {
	case CONFIG_HOP_BY_PORT:
		return port == IMPLICIT_PORT;
	case CONFIG_HOP_IMPLICIT:
		return true;
	case CONFIG_HOP_STARTTLS:
		break;
	}
	return false;
}

static bool
is_demanded(const struct tls_demand *demand)
{
	return demand->policy->level > POLICY_OPPORTUNISTIC;
}

/* for outcome.c: while the connection is there */
static void
set_result(struct connection *c, enum policy_result result, const char *wrong)
{
	socklen_t len = sizeof(c->local);

	c->has_tls_result = true;
	c->tls_result = result;
	snprintf(c->tls_wrong, sizeof(c->tls_wrong), "%.*s", (int)sizeof(c->tls_wrong) - 1, wrong);
	if (getsockname(c->stream.fd, (struct sockaddr *)&c->local, &len) == -1)
		c->local.ss_family = AF_UNSPEC;
}

/* what was demanded by whom, what the host showed, and what is wrong with it */
static void
set_wrong(struct connection *c, const struct tls_demand *demand, const struct tls_end *end,
	  struct verdict *why)
{
	bool is_shown = end->shown[0] != '\0';

	c->is_tls_trouble = true;
	if (!is_demanded(demand))
		verdict_set(why, FATE_DEFERRED, 0, STATUS, "the TLS handshake with %s failed: %s",
			    connect_name(c), end->wrong);
	else
		verdict_set(why, FATE_DEFERRED, 0, STATUS,
			    "the TLS handshake with %s failed: %s%s%s (demanded: %s; %s)",
			    connect_name(c), end->wrong, is_shown ? "; it showed " : "", end->shown,
			    policy_level_name(demand->policy->level), demand->policy->why);
}

static void
tell_failed(const struct connection *c, const struct tls_demand *demand, const struct tls_end *end)
{
	EVENT("tls-failed", event_string("host", connect_name(c)),
	      event_string("demanded", policy_level_name(demand->policy->level)),
	      event_string("by", policy_source_name(demand->policy->source)),
	      event_string("result", policy_result_name(end->result)),
	      event_string("shown", end->shown), event_string("reason", end->wrong));
}

/* the handshake; false: it failed, and the connection is dropped */
static bool
shake(struct connection *c, const struct tls_demand *demand, struct tls_end *end)
{
	enum stream_outcome outcome;

	c->stream.deadline_ms = connect_deadline(c, STARTTLS_SHAKE_MS);
	outcome = tls_shake(&c->stream, demand, end);
	set_result(c, end->result, end->wrong);
	if (outcome == STREAM_OK) {
		snprintf(c->tls, sizeof(c->tls), "%s", end->text);
		return true;
	}
	tell_failed(c, demand, end);
	connect_drop(c);
	return false;
}

static enum starttls_outcome
without(struct connection *c, const struct tls_demand *demand, struct verdict *why)
{
	set_result(c, POLICY_RESULT_STARTTLS_NOT_SUPPORTED, "");
	if (!is_demanded(demand))
		return STARTTLS_PLAIN;
	c->is_tls_trouble = true;
	verdict_set(why, FATE_DEFERRED, 0, STATUS, "%s does not offer STARTTLS (demanded: %s; %s)",
		    connect_name(c), policy_level_name(demand->policy->level), demand->policy->why);
	return STARTTLS_FAILED;
}

/* STARTTLS itself was answered with something else */
static enum starttls_outcome
refused(struct connection *c, const struct tls_demand *demand, const struct reply *r,
	struct verdict *why)
{
	set_result(c, POLICY_RESULT_STARTTLS_NOT_SUPPORTED, r->text);
	EVENT("tls-refused", event_string("host", connect_name(c)),
	      event_string("demanded", policy_level_name(demand->policy->level)),
	      event_number("code", r->code), event_string("reply", r->text));
	if (!is_demanded(demand))
		return STARTTLS_PLAIN;
	c->is_tls_trouble = true;
	verdict_set(why, FATE_DEFERRED, 0, STATUS,
		    "%s refused STARTTLS with %d %s (demanded: %s; %s)", connect_name(c), r->code,
		    r->text, policy_level_name(demand->policy->level), demand->policy->why);
	return STARTTLS_FAILED;
}

enum starttls_outcome
starttls_run(struct connection *c, const struct tls_demand *demand, struct verdict *why)
{
	struct reply r;
	struct tls_end end;
	enum exchange outcome = EXCHANGE_CLOSED;
	uint64_t bytes;

	if (!c->offers_starttls)
		return without(c, demand, why);
	if (stream_put(&c->stream, SPAN("STARTTLS\r\n")) == STREAM_OK)
		outcome = connect_reply(c, STARTTLS_REPLY_MS, &r);
	if (outcome != EXCHANGE_OK) {
		connect_trouble(c, outcome, "after STARTTLS", why);
		connect_drop(c);
		return STARTTLS_FAILED;
	}
	/* 421 ends the connection, and says nothing of TLS */
	if (r.code == 421) {
		reply_verdict(&r, why);
		connect_drop(c);
		return STARTTLS_FAILED;
	}
	if (r.code != 220)
		return refused(c, demand, &r, why);
	bytes = stream_discard_input(&c->stream);
	if (bytes > 0)
		EVENT("tls-injection", event_string("host", connect_name(c)),
		      event_number("bytes", (int64_t)bytes));
	if (shake(c, demand, &end))
		return STARTTLS_DONE;
	set_wrong(c, demand, &end, why);
	return is_demanded(demand) ? STARTTLS_FAILED : STARTTLS_BROKEN;
}

enum starttls_outcome
starttls_implicit(struct connection *c, const struct tls_demand *demand, struct verdict *why)
{
	struct tls_end end;

	if (shake(c, demand, &end))
		return STARTTLS_DONE;
	set_wrong(c, demand, &end, why);
	return STARTTLS_FAILED;
}
