/*
 * agent - see the header
 *
 * Straight-line code: it waits for a job, for an answer of its peer, and for nothing else.  A recipient is told once, whatever becomes of
 * connections: what a host left open is tried at the next one, and what no host took is deferred with the last trouble.
 */
#include "delivery/agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/address.h"
#include "common/protocol/jobs-agent.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/arena.h"
#include "delivery/commands.h"
#include "delivery/credentials.h"
#include "delivery/demand.h"
#include "delivery/login.h"
#include "delivery/outcome.h"
#include "delivery/transaction.h"

struct agent {
	const struct config *config;
	struct span place;
	const struct config_hop_tls *tls; /* of the block that the place is of */
	struct hosts hosts;
	struct sts sts;
	char told_site[JOBS_SITE_MAX + 1]; /* queue-manager knows of it */
	struct hosts_address peer; /* of the connection; that of `hosts` makes room for the next */
	struct jobs_agent_end end;
	struct connection connection;
	struct credentials credentials; /* of the place */
	struct verdict no_credentials;	/* a fate is set: there are none, and why */
	enum intake_tls_demand demand;	/* of the message that the connection was opened for */
	struct arena arena;		/* of the job in hand */
};

/* ---- a job comes in ---- */

static int
copy(struct arena *arena, struct span from, struct span *to)
{
	*to = arena_span(arena, from);
	return to->at == NULL ? -1 : 0;
}

static enum jobs_outcome
refuse_job(const struct message *m, const char *reason)
{
	EVENT("jobs-wrong", event_id(m->id), event_string("reason", reason));
	return JOBS_WRONG;
}

/* the recipients, in parts */
static enum jobs_outcome
take_recipients(struct agent *a, struct message *m, uint64_t announced)
{
	struct jobs_recipients part;
	struct jobs_recipient item;
	bool more = true;

	m->recipients = arena_alloc(&a->arena, announced * sizeof(*m->recipients));
	if (m->recipients == NULL)
		return refuse_job(m, "no memory for its recipients");
	while (more) {
		enum jobs_outcome outcome = jobs_agent_part(&a->end, JOBS_RECIPIENTS, &part, &more);

		if (outcome != JOBS_OK)
			return outcome;
		while (wire_list_next(&part.recipients, &jobs_recipient_shape, &item)) {
			struct recipient *r = &m->recipients[m->count];

			if (m->count == announced)
				return refuse_job(m, "more recipients than announced");
			r->number = (uint32_t)item.number;
			r->state = RECIPIENT_OPEN;
			r->notify = item.notify;
			if (copy(&a->arena, item.address, &r->address) == -1 ||
			    copy(&a->arena, item.orcpt, &r->orcpt) == -1)
				return refuse_job(m, "no memory for its recipients");
			m->count++;
		}
	}
	return m->count == announced ? JOBS_OK : refuse_job(m, "fewer recipients than announced");
}

/* a whole job into the arena; m->content is the caller's when it is not -1 */
static enum jobs_outcome
take_job(struct agent *a, struct message *m)
{
	struct jobs_job job;
	enum jobs_outcome outcome = jobs_agent_job(&a->end, &job, &m->content);

	if (outcome != JOBS_OK)
		return outcome;
	m->id = job.id;
	m->content_at = job.content_at;
	m->content_length = job.content_length;
	m->eight_bit = job.eight_bit;
	m->utf8 = job.utf8;
	m->tls_demand = (enum intake_tls_demand)job.tls_demand;
	/* a sender waives what protects his message, not what protects our login */
	if (a->credentials.login != NULL && m->tls_demand == INTAKE_TLS_WAIVED)
		m->tls_demand = INTAKE_TLS_BY_POLICY;
	m->ret = (enum intake_ret)job.ret;
	if (job.recipients > AGENT_RECIPIENTS_MAX)
		return refuse_job(m, "more recipients than may be");
	if (copy(&a->arena, job.sender, &m->sender) == -1 ||
	    copy(&a->arena, job.envid, &m->envid) == -1 ||
	    copy(&a->arena, job.top, &m->top) == -1 || copy(&a->arena, job.avoid, &m->avoid) == -1)
		return refuse_job(m, "no memory for its envelope");
	return take_recipients(a, m, job.recipients);
}

/* ---- delivering ---- */

static void
tell_open(struct message *m, struct report *report, const struct verdict *v, const char *host,
	  enum reply_meaning meaning)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->recipients[i].state == RECIPIENT_TOLD)
			continue;
		m->recipients[i].state = RECIPIENT_TOLD;
		report_tell(report, m->recipients[i].number, v, host, meaning);
	}
}

static void
refuse_unsendable(struct message *m, struct report *report)
{
	const char *reason = commands_unsendable(m->sender);
	struct verdict v;

	if (reason != NULL) {
		verdict_set(&v, FATE_FAILED, 0, "5.1.7",
			    "the sender cannot be named to a server: %s", reason);
		tell_open(m, report, &v, "", REPLY_ORDINARY);
		return;
	}
	for (size_t i = 0; i < m->count; i++) {
		struct recipient *r = &m->recipients[i];

		reason = commands_unsendable(r->address);
		if (reason == NULL)
			continue;
		verdict_set(&v, FATE_FAILED, 0, "5.1.3",
			    "the recipient cannot be named to a server: %s", reason);
		r->state = RECIPIENT_TOLD;
		report_tell(report, r->number, &v, "", REPLY_ORDINARY);
	}
}

/* a failure of the domain's is one of its own recipients alone: the others were sent that way by a line of the configuration */
static void
tell_no_host(struct agent *a, struct message *m, struct report *report)
{
	for (size_t i = 0; i < m->count; i++) {
		struct recipient *r = &m->recipients[i];
		struct verdict v = a->hosts.why;

		if (r->state == RECIPIENT_TOLD)
			continue;
		if (v.fate == FATE_FAILED &&
		    !span_equal_nocase(address_domain_of(r->address), a->hosts.domain))
			verdict_set(&v, FATE_DEFERRED, 0, "4.4.4", "%s", a->hosts.why.text);
		r->state = RECIPIENT_TOLD;
		report_tell(report, r->number, &v, "",
			    v.fate == FATE_DEFERRED ? REPLY_CONNECTING : REPLY_ORDINARY);
	}
}

/* what the last host deferred is asked of the next one */
static void
reopen(struct message *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->recipients[i].state == RECIPIENT_ELSEWHERE)
			m->recipients[i].state = RECIPIENT_OPEN;
}

static bool
has_open(const struct message *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->recipients[i].state == RECIPIENT_OPEN)
			return true;
	return false;
}

/* one attempt to bring a message to its place */
struct attempt {
	int64_t deadline_ms; /* after it no further host is tried */
	struct trouble trouble;
	bool is_tried; /* a host was there to be tried: `trouble` is of it */
	bool is_down;  /* the host at hand cannot be reached */
	bool is_over;  /* who we are was not believed: no further host is asked */
	bool has_reply; /* `trouble` is what a host answered, which says more than that others cannot be reached */
};

/* -1: queue-manager is gone */
static int
tell_site(struct agent *a)
{
	if (a->hosts.site[0] == '\0' || strcmp(a->hosts.site, a->told_site) == 0)
		return 0;
	memcpy(a->told_site, a->hosts.site, sizeof(a->told_site));
	return jobs_agent_site(&a->end, span_of(a->told_site)) == JOBS_OK ? 0 : -1;
}

/* the connection to a->peer, under what is demanded of it; -1 and *trouble */
static int
open_connection(struct agent *a, struct attempt *attempt, struct trouble *trouble)
{
	struct connection *c = &a->connection;
	struct demand demand;
	const struct policy *policy = &demand.policy;
	struct verdict why;
	bool is_open;

	attempt->is_down = false;
	/* asked for anew before each connection, since it may have changed */
	demand_decide(&a->hosts, &a->sts, a->tls, &a->peer, a->demand, &demand);
	if (policy->is_passed_over) {
		outcome_tell(c, &a->peer, policy);
		*trouble = (struct trouble){.meaning = REPLY_ORDINARY};
		if (policy->is_permanent)
			verdict_set(&trouble->verdict, FATE_FAILED, 0, "5.7.10",
				    "nothing is sent to %s: %s", a->peer.text, policy->why);
		else
			verdict_set(&trouble->verdict, FATE_DEFERRED, 0, "4.7.5",
				    "nothing is sent to %s: %s", a->peer.text, policy->why);
		return -1;
	}
	is_open = connect_open(c, &a->peer, a->config,
			       &(struct tls_demand){a->tls, policy, a->peer.text},
			       hosts_has_more(&a->hosts) ? CONNECT_TCP_NEXT_MS : CONNECT_TCP_MS,
			       &why) == 0;
	outcome_tell(c, &a->peer, policy);
	if (is_open && (!policy->must_require || c->requiretls))
		return 0;
	if (is_open) {
		connect_quit(c);
		*trouble = (struct trouble){.meaning = REPLY_ORDINARY};
		verdict_set(&trouble->verdict, FATE_FAILED, 0, "5.7.30",
			    "%s does not offer REQUIRETLS, which the sender demands", a->peer.text);
		return -1;
	}
	/* RFC 8689, section 4.2.1: what the host cannot do now is not waited for */
	if (c->is_tls_trouble && policy->must_require) {
		why.fate = FATE_FAILED;
		memcpy(why.status, "5.7.10", sizeof("5.7.10"));
	}
	/* one that turns us away is there, and not what others should be kept from; one whose TLS is not what a domain demands is so for others */
	attempt->is_down = why.code == 0 && !c->is_tls_trouble;
	*trouble = (struct trouble){.verdict = why,
				    .meaning = c->is_tls_trouble ? REPLY_ORDINARY
					       /* it was there, and did not want one more */
					       : why.code / 100 == 4 ? REPLY_BUSY
								     : REPLY_CONNECTING};
	return -1;
}

/* and logged in, where the place has a login; -1 and *trouble, and perhaps there is no use in another host */
static int
open_logged_in(struct agent *a, struct attempt *attempt, struct trouble *trouble)
{
	if (a->no_credentials.fate != 0) {
		*trouble =
			(struct trouble){.verdict = a->no_credentials, .meaning = REPLY_CONNECTING};
		attempt->is_over = true;
		return -1;
	}
	trouble->meaning = REPLY_CONNECTING;
	if (credentials_renew(&a->credentials, &a->sts.client, false, &trouble->verdict) != 0) {
		attempt->is_over = true;
		return -1;
	}
	if (open_connection(a, attempt, trouble) != 0)
		return -1;
	/* all mail of the place waits for the same login */
	trouble->meaning = REPLY_CONNECTING;
	switch (login_run(&a->connection, &a->credentials, &trouble->verdict)) {
	case LOGIN_DONE:
		return 0;
	case LOGIN_REFUSED: {
		struct verdict none;

		attempt->is_over = true;
		/* so that there is another token when it is tried again; whether there is one is seen then */
		(void)(credentials_renew(&a->credentials, &a->sts.client, true, &none) == 0);
		return -1;
	}
	case LOGIN_PASSED_OVER:
		break;
	}
	return -1;
}

/* the next of the hosts that takes mail; false: none does */
static bool
connect_next(struct agent *a, struct attempt *attempt, struct report *report)
{
	const struct hosts_address *host;
	struct trouble trouble;

	report->tls = "";
	while (!attempt->is_over && (host = hosts_next(&a->hosts)) != NULL) {
		if (attempt->is_tried && clock_monotonic_ms() >= attempt->deadline_ms) {
			EVENT("host-passed-over", event_string("host", host->text),
			      event_string("reason", "the time for this attempt is over"));
			if (attempt->trouble.verdict.fate == FATE_FAILED)
				verdict_set(&attempt->trouble.verdict, FATE_DEFERRED, 0, "4.4.1",
					    "the time for this attempt was over before %s",
					    host->text);
			return false;
		}
		a->peer = *host;
		if (tell_site(a) != 0)
			report->lost = true;
		if (report->lost)
			return false;
		attempt->is_down = false;
		if (open_logged_in(a, attempt, &trouble) == 0)
			return true;
		/* one that could not be reached may be what the sender demands of the others in vain */
		bool is_hopeless = trouble.verdict.fate == FATE_FAILED && attempt->is_tried &&
				   attempt->trouble.verdict.fate == FATE_DEFERRED;
		attempt->is_tried = true;
		if (!attempt->has_reply && !is_hopeless)
			attempt->trouble = trouble;
		EVENT("host-passed-over", event_string("host", a->peer.text),
		      event_string("reason", trouble.verdict.text));
		if (attempt->is_down && jobs_agent_host(&a->end, span_of(a->peer.text)) != JOBS_OK)
			report->lost = true;
	}
	return false;
}

/* a transaction is over, its connection is there, and perhaps the host has deferred some whom another may take */
static void
leave_for_next(struct agent *a, struct message *m, struct attempt *attempt)
{
	if (has_open(m))
		return;
	attempt->has_reply = true;
	EVENT("host-passed-over", event_string("host", connect_name(&a->connection)),
	      event_string("reason", attempt->trouble.verdict.text));
	connect_quit(&a->connection);
}

/* is the connection what the message's sender demands?  That for REQUIRETLS is good for all. */
static bool
serves(const struct agent *a, const struct message *m)
{
	return a->demand == m->tls_demand || a->demand == INTAKE_TLS_REQUIRED;
}

static void
deliver(struct agent *a, struct message *m, struct report *report)
{
	struct attempt attempt = {.deadline_ms = clock_monotonic_ms() + AGENT_ATTEMPT_MS};

	refuse_unsendable(m, report);
	a->hosts.avoid = m->avoid; /* that of the job before is gone */
	if (a->connection.open && !serves(a, m))
		connect_quit(&a->connection);
	if (!a->connection.open)
		hosts_start(&a->hosts, a->place, m->avoid);
	while (report->open > 0 && !report->lost) {
		/* RFC 9422: the host takes no more of them on one connection */
		if (a->connection.open && a->connection.transactions_max > 0 &&
		    a->connection.transactions >= a->connection.transactions_max) {
			connect_quit(&a->connection);
			hosts_start(&a->hosts, a->place, m->avoid);
		}
		if (!a->connection.open) {
			a->demand = m->tls_demand;
			if (!connect_next(a, &attempt, report))
				break;
		}
		attempt.is_tried = true;
		reopen(m);
		m->has_elsewhere = hosts_has_more(&a->hosts);
		switch (transaction_run(&a->connection, m, report, &attempt.trouble)) {
		case TRANSACTION_DONE:
			if (report->open > 0)
				leave_for_next(a, m, &attempt);
			break;
		case TRANSACTION_STALE:
			hosts_start(&a->hosts, a->place, m->avoid);
			break;
		case TRANSACTION_TROUBLE:
			attempt.has_reply = attempt.trouble.verdict.code > 0;
			if (!report->lost)
				EVENT("connection-lost", event_id(m->id),
				      event_string("host", connect_name(&a->connection)),
				      event_string("reason", attempt.trouble.verdict.text));
			break;
		}
	}
	if (report->open > 0 && !attempt.is_tried)
		tell_no_host(a, m, report);
	tell_open(m, report, &attempt.trouble.verdict, connect_name(&a->connection),
		  attempt.trouble.meaning);
	report_finish(report);
}

static enum jobs_outcome
serve_job(struct agent *a)
{
	struct message m = {.content = -1};
	struct report report;
	enum jobs_outcome outcome = take_job(a, &m);

	if (outcome == JOBS_OK) {
		report_start(&report, &a->end, m.count);
		deliver(a, &m, &report);
		outcome = report.lost ? JOBS_CLOSED : JOBS_OK;
	}
	if (m.content >= 0)
		close(m.content);
	arena_reset(&a->arena);
	return outcome;
}

/* ---- the agent's life ---- */

static void
serve(struct agent *a)
{
	int64_t idle_ms = clock_monotonic_ms() + AGENT_IDLE_MS;

	for (;;) {
		switch (jobs_agent_wait(&a->end, a->connection.open ? a->connection.stream.fd : -1,
					idle_ms)) {
		case JOBS_EVENT_MESSAGE:
			if (serve_job(a) != JOBS_OK)
				return;
			idle_ms = clock_monotonic_ms() + AGENT_IDLE_MS;
			break;
		case JOBS_EVENT_OTHER:
			/* TLS has things to say of its own, of which nobody above it hears */
			if (tls_is_quiet(&a->connection.stream))
				break;
			/* unasked for: 421 or the close; for the next job there will be a new connection */
			connect_drop(&a->connection);
			break;
		case JOBS_EVENT_IDLE:
			connect_quit(&a->connection);
			jobs_agent_leave(&a->end);
			return;
		case JOBS_EVENT_END:
			jobs_agent_leave(&a->end);
			return;
		}
	}
}

int
agent_serve(const struct agent_paths *paths, const struct config *config,
	    const struct agent_place *place, int channel)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (a == NULL || jobs_agent_start(&a->end, channel) == -1) {
		EVENT("agent-unstarted");
		return EXIT_OS;
	}
	a->config = config;
	a->place = place->hosts;
	a->tls = config_hop_tls_of(config, place->block);
	hosts_init(&a->hosts, config, paths->resolver);
	sts_init(&a->sts, paths->fetch);
	arena_init(&a->arena, AGENT_JOB_MAX);
	if (credentials_take(&a->credentials, config, place->login, &a->no_credentials) == 0)
		a->no_credentials.fate = 0;
	serve(a);
	jobs_agent_close(&a->end);
	connect_quit(&a->connection);
	credentials_forget(&a->credentials);
	tls_forget();
	hosts_free(&a->hosts);
	sts_free(&a->sts);
	arena_free(&a->arena);
	free(a);
	return 0;
}
