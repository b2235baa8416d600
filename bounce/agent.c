/*
 * agent - see the header
 *
 * What is decided here: who gets a notice.  The sender does; where there is none, the postmaster of the origin (a double bounce); and
 * about a double bounce nobody is told but the log, or it would go on for ever.
 */
#include "bounce/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounce/compose.h"
#include "bounce/notice.h"
#include "common/mail/reply.h"
#include "common/protocol/intake-client.h"
#include "common/protocol/jobs-agent.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"

struct agent {
	const struct config *config;
	const char *intake_path;
	struct jobs_agent_end end;
	struct intake_client intake;
	/* the job in hand */
	struct notice notice;
	enum intake_ret ret;
	char envid[INTAKE_ENVID_MAX + 1];
	char sender[ADDRESS_MAX + 1];
	uint64_t announced; /* failures */
	uint64_t size;	    /* of the failed message, lines on top included */
	size_t original_len;
	char original[COMPOSE_WHOLE_MAX]; /* its beginning */
	bool about_postmaster;		  /* a failed recipient is who would be told */
};

/* ---- a job comes in ---- */

/* the beginning of the failed message: lines on top, then content; -1 and errno */
static int
read_original(struct agent *a, const struct jobs_job *job, int content)
{
	size_t want;

	a->size = job->top.len + job->content_length;
	a->original_len = job->top.len < sizeof(a->original) ? job->top.len : sizeof(a->original);
	memcpy(a->original, job->top.at, a->original_len);
	want = sizeof(a->original) - a->original_len;
	if (want > job->content_length)
		want = (size_t)job->content_length;
	for (size_t have = 0; have < want;) {
		ssize_t n = pread(content, a->original + a->original_len, want - have,
				  (off_t)(job->content_at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ENODATA : errno;
			return -1;
		}
		have += (size_t)n;
		a->original_len += (size_t)n;
	}
	return 0;
}

static enum jobs_outcome
refuse_job(const struct agent *a, const char *reason)
{
	EVENT("jobs-wrong", event_id(a->notice.id), event_string("reason", reason));
	return JOBS_WRONG;
}

/* who failed and why, in parts */
static enum jobs_outcome
take_failures(struct agent *a)
{
	struct jobs_failures part;
	struct jobs_failure f;
	bool more = true;

	while (more) {
		enum jobs_outcome outcome = jobs_agent_part(&a->end, JOBS_FAILURES, &part, &more);

		if (outcome != JOBS_OK)
			return outcome;
		while (wire_list_next(&part.failures, &jobs_failure_shape, &f)) {
			notice_add(&a->notice, &f);
			if (span_equal_nocase(f.address, span_of(a->notice.to)) ||
			    span_equal_nocase(f.original, span_of(a->notice.to)))
				a->about_postmaster = true;
		}
		if (a->notice.count > a->announced)
			return refuse_job(a, "more failures than announced");
	}
	return a->notice.count == a->announced ? JOBS_OK
					       : refuse_job(a, "fewer failures than announced");
}

/* -1: too long for an address */
static int
write_postmaster(const struct agent *a, char to[ADDRESS_MAX + 1])
{
	int len = snprintf(to, ADDRESS_MAX + 1, "postmaster@%s", a->config->origin);

	return len < 0 || len > ADDRESS_MAX ? -1 : 0;
}

/* the envelope of the job; -1: an address that is none */
static int
take_envelope(struct agent *a, const struct jobs_job *job)
{
	struct notice *n = &a->notice;
	int wrong = 0;

	if (span_copy(job->sender, a->sender, sizeof(a->sender)) == -1 ||
	    span_copy(job->envid, a->envid, sizeof(a->envid)) == -1)
		return -1;
	a->ret = (enum intake_ret)job->ret;
	n->is_global = job->utf8 != 0;
	n->tls_demand = (enum intake_tls_demand)job->tls_demand;
	n->envid = span_of(a->envid);
	n->hostname = a->config->hostname;
	n->id = job->id;
	n->arrived_us = (int64_t)job->arrived_us;
	n->now_us = clock_wall_us();
	n->sender = span_of(a->sender);
	if (notice_is_double(n))
		wrong = write_postmaster(a, n->to);
	else
		memcpy(n->to, a->sender, sizeof(n->to));
	a->announced = job->recipients;
	a->about_postmaster = false;
	notice_start(n);
	return wrong;
}

/* ---- the notice goes in ---- */

static int
write_all(int fd, struct checksum *sum, struct span bytes)
{
	checksum_add(sum, bytes.at, bytes.len);
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes = span_skip(bytes, (size_t)n);
	}
	return 0;
}

/* the content into the file that queue-manager opened; -1 and errno */
static int
write_content(const struct agent *a, const struct composed *c, int writer,
	      struct intake_envelope *e)
{
	struct span runs[] = {buffer_get(&c->head), buffer_get(&a->notice.status),
			      buffer_get(&c->tail)};
	struct checksum *sum = checksum_new();
	int wrong = 0;

	if (sum == NULL) {
		errno = ENOMEM;
		return -1;
	}
	checksum_start(sum);
	e->length = 0;
	for (size_t i = 0; wrong == 0 && i < sizeof(runs) / sizeof(runs[0]); i++) {
		wrong = write_all(writer, sum, runs[i]);
		e->length += runs[i].len;
	}
	e->checksum = checksum_value(sum);
	checksum_free(sum);
	return wrong;
}

static void
not_handed_in(struct agent *a, enum intake_outcome outcome, struct verdict *v)
{
	switch (outcome) {
	case INTAKE_CLIENT_OK:
	case INTAKE_CLIENT_REFUSED:
		verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "the notice was not taken: %.*s",
			    SPAN_ARG(a->intake.refused.text));
		return;
	case INTAKE_CLIENT_LATE:
		verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "the notice was not taken in time");
		return;
	case INTAKE_CLIENT_GONE:
		verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "the intake is not there");
		return;
	case INTAKE_CLIENT_WRONG:
		EVENT("intake-wrong", event_id(a->notice.id));
		verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "the intake gave no sensible answer");
		return;
	}
}

static int64_t
soon(void)
{
	return clock_monotonic_ms() + AGENT_INTAKE_MS;
}

/* envelope to QUEUED, the writer being closed */
static enum intake_outcome
commit(struct agent *a, const struct intake_envelope *e, int *reader)
{
	const struct intake_recipient to = {.address = span_of(a->notice.to), .orcpt = SPAN_NONE};
	char postmaster[ADDRESS_MAX + 1];
	uint64_t wait_ms; /* 0: a notice is not waited for */
	enum intake_outcome outcome = intake_client_envelope(&a->intake, e, soon());

	if (outcome == INTAKE_CLIENT_OK)
		outcome = intake_client_recipient(&a->intake, &to, soon());
	/* of what is held the postmaster is told as well */
	if (outcome == INTAKE_CLIENT_OK && a->notice.held > 0 &&
	    write_postmaster(a, postmaster) == 0 && strcmp(postmaster, a->notice.to) != 0) {
		const struct intake_recipient second = {.address = span_of(postmaster),
							.orcpt = SPAN_NONE};

		outcome = intake_client_recipient(&a->intake, &second, soon());
	}
	if (outcome == INTAKE_CLIENT_OK)
		outcome = intake_client_commit(&a->intake, false, soon());
	if (outcome == INTAKE_CLIENT_OK)
		outcome = intake_client_await_queued(&a->intake, &wait_ms, reader, soon());
	return outcome;
}

/* the file of a new message: 0, or -1 and *v */
static int
open_message(struct agent *a, uint64_t *id, int *writer, int *reader, struct verdict *v)
{
	enum intake_outcome outcome = INTAKE_CLIENT_OK;

	if (a->intake.fd < 0)
		outcome = intake_client_connect(&a->intake, a->intake_path, soon());
	if (outcome == INTAKE_CLIENT_OK)
		outcome = intake_client_open(&a->intake, 0, soon());
	if (outcome == INTAKE_CLIENT_OK)
		outcome = intake_client_await_file(&a->intake, id, writer, reader, soon());
	if (outcome == INTAKE_CLIENT_OK)
		return 0;
	not_handed_in(a, outcome, v);
	return -1;
}

/* a promise that cannot be kept: the message ends, the notice is tried again later */
static void
abandon(struct agent *a, const char *what, struct verdict *v)
{
	verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "the notice could not be %s: %s", what,
		    strerror(errno));
	EVENT("notice-abandoned", event_id(a->notice.id), event_string("reason", v->text));
	if (intake_client_abandon(&a->intake, soon()) != INTAKE_CLIENT_OK)
		intake_client_close(&a->intake);
}

/* *id: of the notice, on stable storage, when the verdict is DELIVERED */
static void
hand_in(struct agent *a, const struct composed *c, uint64_t *id, struct verdict *v)
{
	struct intake_envelope e = {
		.origin = INTAKE_NOTICE,
		.protocol = notice_is_double(&a->notice) ? SPAN("DOUBLE-BOUNCE") : SPAN("NOTICE"),
		.client = SPAN_NONE,
		.helo = SPAN_NONE,
		.sender = SPAN_NONE,
		.top = SPAN_NONE,
		.eight_bit = c->eight_bit,
		.utf8 = a->notice.is_global,
		.tls_demand = a->notice.tls_demand,
		.envid = SPAN_NONE,
	};
	enum intake_outcome outcome;
	int writer, reader;

	if (open_message(a, id, &writer, &reader, v) == -1)
		return;
	if (write_content(a, c, writer, &e) == -1) {
		abandon(a, "written", v);
		close(writer);
		goto out;
	}
	/* a promise of the intake: no writer is left when the envelope comes */
	if (close(writer) == -1) {
		abandon(a, "written", v);
		goto out;
	}
	outcome = commit(a, &e, &reader);
	if (outcome != INTAKE_CLIENT_OK) {
		not_handed_in(a, outcome, v);
		goto out;
	}
	int64_t begun_us = clock_monotonic_us();
	if (fsync(reader) == -1) {
		abandon(a, "brought to the disk", v);
	} else {
		/* when this cannot be said, the queue-manager keeps what it has queued: the notice is there all the same */
		uint64_t took_us = (uint64_t)(clock_monotonic_us() - begun_us) + 1;
		if (intake_client_keep(&a->intake, took_us, soon()) != INTAKE_CLIENT_OK)
			EVENT("keep-unsaid", event_id(*id));
		verdict_set(v, FATE_DELIVERED, 0, "2.0.0", "notice to %s", a->notice.to);
	}
out:
	close(reader);
}

/* ---- what is done about it ---- */

static void
notify(struct agent *a, uint64_t *id, struct verdict *v)
{
	struct compose_original original;
	struct composed composed;

	/*
	 * RFC 3461, section 4.3: whole at most where something failed, and the sender did not want the head alone; RFC 8689, section 6: nor
	 * where he wanted nobody to read it on its way
	 */
	bool may_be_whole = a->notice.actions[JOBS_ACTION_FAILED] > 0 &&
			    a->ret != INTAKE_RET_HDRS &&
			    a->notice.tls_demand != INTAKE_TLS_REQUIRED;

	if (compose_original(&original, span_from(a->original, a->original_len), a->size,
			     may_be_whole) == -1) {
		verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "no memory for the notice");
		return;
	}
	if (notice_is_double(&a->notice) && (a->about_postmaster || compose_is_double(&original))) {
		EVENT("notice-dropped", event_id(a->notice.id), event_string("to", a->notice.to));
		verdict_set(v, FATE_DELIVERED, 0, "2.0.0", "nobody is left to be told");
	} else if (compose(&composed, &a->notice, &original) == -1) {
		verdict_set(v, FATE_DEFERRED, 0, "4.3.0", "no memory for the notice");
	} else {
		hand_in(a, &composed, id, v);
		compose_free(&composed);
	}
	buffer_free(&original.text);
}

static enum jobs_outcome
report(struct agent *a, const struct verdict *v, uint64_t id)
{
	char host[32] = "";
	struct jobs_result m = {
		.number = 0,
		.fate = v->fate,
		.code = 0,
		.status = span_of(v->status),
		.text = span_of(v->text),
		.last = 1,
	};

	if (v->fate == FATE_DELIVERED && id != 0)
		snprintf(host, sizeof(host), "%013" PRIX64, id);
	m.host = span_of(host);
	return jobs_agent_result(&a->end, &m);
}

static enum jobs_outcome
serve_job(struct agent *a)
{
	struct jobs_job job;
	struct verdict v;
	uint64_t id = 0;
	int content = -1;
	int unread;
	enum jobs_outcome outcome = jobs_agent_job(&a->end, &job, &content);

	if (outcome != JOBS_OK)
		return outcome;
	if (take_envelope(a, &job) == -1) {
		close(content);
		return refuse_job(a, "a sender that is no address");
	}
	unread = read_original(a, &job, content) == -1 ? errno : 0;
	close(content);
	outcome = take_failures(a);
	if (outcome == JOBS_OK) {
		if (unread != 0)
			verdict_set(&v, FATE_DEFERRED, 0, "4.3.0", "the message cannot be read: %s",
				    strerror(unread));
		else
			notify(a, &id, &v);
		outcome = report(a, &v, id);
	}
	notice_free(&a->notice);
	return outcome;
}

/* ---- the agent's life ---- */

static void
serve(struct agent *a)
{
	int64_t idle_ms = clock_monotonic_ms() + AGENT_IDLE_MS;

	for (;;) {
		switch (jobs_agent_wait(&a->end, a->intake.fd, idle_ms)) {
		case JOBS_EVENT_MESSAGE:
			if (serve_job(a) != JOBS_OK)
				return;
			idle_ms = clock_monotonic_ms() + AGENT_IDLE_MS;
			break;
		case JOBS_EVENT_OTHER:
			/* the intake says nothing unasked: it was closed */
			intake_client_close(&a->intake);
			break;
		case JOBS_EVENT_IDLE:
		case JOBS_EVENT_END:
			jobs_agent_leave(&a->end);
			return;
		}
	}
}

int
agent_serve(const struct config *config, const char *intake, int channel)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (a == NULL || jobs_agent_start(&a->end, channel) == -1) {
		EVENT("agent-unstarted");
		return EXIT_OS;
	}
	a->config = config;
	a->intake_path = intake;
	intake_client_init(&a->intake);
	serve(a);
	jobs_agent_close(&a->end);
	intake_client_close(&a->intake);
	free(a);
	return 0;
}
