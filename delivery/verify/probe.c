/*
 * probe - see probe.h
 *
 * What is a refusal: a 5xx to RCPT.  Not: one with the status 5.7.x, which speaks of us and our sender, not of the recipient; any 4xx (greylisting
 * among them); a refused MAIL, greeting or EHLO; no connection; a next hop that does not take addresses in UTF-8.
 */
#include "delivery/verify/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs-agent.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/descriptors.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/utf8.h"
#include "delivery/commands.h"
#include "delivery/connect.h"
#include "delivery/demand.h"
#include "delivery/hosts.h"
#include "delivery/sockets.h"
#include "delivery/tls.h"

#define COMMAND_MAX 1200 /* an address of 512 bytes, quoted, and the words around it */

struct probe {
	const struct probe_start *start;
	struct hosts hosts;
	struct sts sts;
	struct hosts_address peer; /* of the connection; that of `hosts` makes room for the next */
	struct connection connection;
};

/* fill - what was said, by whom; whose meaning is UNKNOWN until somebody knows better */
static void
fill(struct probe_answer *a, const struct verdict *why, const char *host)
{
	a->outcome = VERIFY_UNKNOWN;
	a->code = why->code;
	snprintf(a->status, sizeof(a->status), "%s", why->status);
	snprintf(a->reply, sizeof(a->reply), "%s", why->text);
	snprintf(a->host, sizeof(a->host), "%s", host);
}

/* ---- the connection ---- */

/* the connection to p->peer, under what is demanded of it; -1 and *why; *is_down: nobody could reach it */
static int
open_connection(struct probe *p, struct verdict *why, bool *is_down)
{
	const struct config_hop_tls *tls = config_hop_tls_of(p->start->config, p->start->block);
	struct connection *c = &p->connection;
	struct demand demand;

	*is_down = false;
	/* no message, no sender who demands more */
	demand_decide(&p->hosts, &p->sts, tls, &p->peer, INTAKE_TLS_BY_POLICY, &demand);
	if (demand.policy.is_passed_over) {
		verdict_set(why, FATE_DEFERRED, 0, "4.7.5", "nothing is sent to %s: %s",
			    p->peer.text, demand.policy.why);
		return -1;
	}
	if (connect_open(c, &p->peer, p->start->config,
			 &(struct tls_demand){tls, &demand.policy, p->peer.text},
			 hosts_has_more(&p->hosts) ? CONNECT_TCP_NEXT_MS : CONNECT_TCP_MS,
			 why) == 0)
		return 0;
	*is_down = why->code == 0 && !c->is_tls_trouble;
	return -1;
}

/* false: no host takes one */
static bool
connect_place(struct probe *p, struct probe_answer *a)
{
	struct verdict why;
	const struct hosts_address *host;
	bool is_tried = false, is_down, are_all_down = true;

	hosts_start(&p->hosts, p->start->place, SPAN_NONE);
	while ((host = hosts_next(&p->hosts)) != NULL) {
		p->peer = *host;
		is_tried = true;
		if (open_connection(p, &why, &is_down) == 0)
			return true;
		are_all_down = are_all_down && is_down;
	}
	fill(a, is_tried ? &why : &p->hosts.why, is_tried ? p->peer.text : "");
	a->is_down = are_all_down;
	return false;
}

/* one command and its reply; false: *a says what went wrong, and the connection is gone */
static bool
say(struct probe *p, struct span command, const char *stage, struct reply *r,
    struct probe_answer *a)
{
	struct connection *c = &p->connection;
	enum exchange outcome = EXCHANGE_CLOSED;
	struct verdict why;

	c->stream.deadline_ms = clock_monotonic_ms() + PROBE_REPLY_MS;
	if (stream_put(&c->stream, command) == STREAM_OK)
		outcome = connect_reply(c, PROBE_REPLY_MS, r);
	if (outcome == EXCHANGE_OK && r->code != 421)
		return true;
	if (outcome == EXCHANGE_OK)
		reply_verdict(r, &why);
	else
		connect_trouble(c, outcome, stage, &why);
	fill(a, &why, connect_name(c));
	connect_drop(c);
	return false;
}

/* ---- one question ---- */

static void
judge_recipient(const struct probe *p, const struct reply *r, struct probe_answer *a)
{
	struct verdict v;

	reply_verdict(r, &v);
	fill(a, &v, connect_name(&p->connection));
	if (v.fate == FATE_DELIVERED)
		a->outcome = VERIFY_TAKEN;
	else if (v.fate == FATE_FAILED && !span_starts(span_of(v.status), SPAN("5.7.")))
		a->outcome = VERIFY_REFUSED;
}

/* MAIL, RCPT, RSET; false: the connection went away before it had said anything of this recipient */
static bool
transaction(struct probe *p, struct span address, struct probe_answer *a)
{
	struct connection *c = &p->connection;
	const char *sender = p->start->config->verify.sender;
	bool needs_utf8 = utf8_is_needed(address) || utf8_is_needed(span_of(sender));
	char command[COMMAND_MAX];
	struct reply r;
	int len;

	if (needs_utf8 && !c->utf8) {
		snprintf(a->reply, sizeof(a->reply), "it does not take addresses in UTF-8");
		snprintf(a->host, sizeof(a->host), "%s", connect_name(c));
		return true;
	}
	len = snprintf(command, sizeof(command), "MAIL FROM:<%s>%s\r\n", sender,
		       needs_utf8 ? " SMTPUTF8" : "");
	if (!say(p, span_from(command, (size_t)len), "at MAIL", &r, a))
		return false;
	c->transactions++;
	if (r.code / 100 != 2) {
		judge_recipient(p, &r, a);
		a->outcome = VERIFY_UNKNOWN;
		return true;
	}
	len = snprintf(command, sizeof(command), "RCPT TO:<%.*s>\r\n", SPAN_ARG(address));
	if (!say(p, span_from(command, (size_t)len), "at RCPT", &r, a))
		return false;
	judge_recipient(p, &r, a);
	/* what the connection does from here on changes no answer */
	struct probe_answer ignored;
	if (c->transactions_max > 0 && c->transactions >= c->transactions_max)
		connect_quit(c);
	else if (say(p, SPAN("RSET\r\n"), "at RSET", &r, &ignored) && r.code / 100 != 2)
		connect_quit(c);
	return true;
}

static void
ask(struct probe *p, struct span address, struct probe_answer *a)
{
	bool was_kept = p->connection.open;

	*a = (struct probe_answer){.outcome = VERIFY_UNKNOWN};
	const char *reason = commands_unsendable(address);
	if (reason != NULL) {
		snprintf(a->reply, sizeof(a->reply), "%s", reason);
		return;
	}
	if (!was_kept && !connect_place(p, a))
		return;
	/* a connection that was kept may have been closed meanwhile: that says nothing */
	if (!transaction(p, address, a) && was_kept && connect_place(p, a))
		(void)transaction(p, address, a);
}

/* ---- the process ---- */

/* the parent has a question, or has closed; false: nothing came in time, or it is over */
static bool
next_question(int channel, char *in, size_t *len)
{
	return channel_receive_wait(channel, in, len, NULL, clock_monotonic_ms() + PROBE_IDLE_MS) ==
	       CHANNEL_OK;
}

int
probe_serve(const struct probe_start *start, int channel)
{
	static char in[CHANNEL_MAX];
	static struct probe probe;
	static struct probe_answer answer;
	int kept[] = {channel, sockets_helper()};
	size_t len = 0;

	confine_child();
	descriptors_keep(kept, sizeof(kept) / sizeof(kept[0]));
	/* the connection to log was the parent's */
	events_start("verify", start->log);
	/* a host that says nothing is passed over while there is time to ask the next one */
	static struct config config;
	static struct probe_start own;
	config = *start->config;
	if (config.limits.reply_time == 0 || config.limits.reply_time > PROBE_REPLY_MS)
		config.limits.reply_time = PROBE_REPLY_MS;
	own = *start;
	own.config = &config;
	probe.start = &own;
	hosts_init(&probe.hosts, &config, start->resolver);
	sts_init(&probe.sts, start->fetch);
	while (next_question(channel, in, &len)) {
		ask(&probe, span_from(in, len), &answer);
		events_flush();
		if (channel_send(channel, span_from((const char *)&answer, sizeof(answer)), NULL,
				 0) != CHANNEL_OK)
			break;
	}
	connect_quit(&probe.connection);
	hosts_free(&probe.hosts);
	events_end();
	return 0;
}
