/*
 * agent - see agent.h
 *
 * One job: the descriptor of a message and its recipients in this mailbox.  Each recipient gets a letter of his own, for each has
 * header lines of his own, and is reported as soon as his letter is durable.
 */
#include "local/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/address.h"
#include "common/mail/header.h"
#include "common/mail/reply.h"
#include "common/protocol/jobs-agent.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/arena.h"
#include "local/delivered-to.h"
#include "local/mailbox-path.h"
#include "local/maildir.h"

struct agent {
	const struct agent_place *place;
	struct jobs_agent_end end;
	struct maildir maildir;
	struct arena arena; /* of one job */
	struct buffer head;
	char block[MAILDIR_BLOCK];
};

/* one job, copied out of its datagrams */
struct job {
	struct jobs_job order;
	int content;
	struct jobs_recipient *recipients;
	size_t count;
	struct span first;   /* of the content: in agent->block */
	const char *trouble; /* the message itself cannot be read */
	int error;
	struct delivered_to before;
};

/* ---- taking a job ---- */

static enum jobs_outcome
fault(uint64_t id, const char *reason)
{
	EVENT("agent-trouble", event_id(id), event_string("reason", reason));
	return JOBS_WRONG;
}

static enum jobs_outcome
take_recipients(struct agent *a, struct job *job)
{
	bool more = true;

	job->recipients = NULL;
	job->count = 0;
	if (job->order.recipients <= AGENT_MEMORY_MAX / sizeof(*job->recipients))
		job->recipients = arena_alloc(&a->arena, (size_t)job->order.recipients *
								 sizeof(*job->recipients));
	if (job->recipients == NULL)
		return fault(job->order.id, "out of memory for the recipients of one job");
	while (more) {
		struct jobs_recipients part;
		struct jobs_recipient r;
		enum jobs_outcome o = jobs_agent_part(&a->end, JOBS_RECIPIENTS, &part, &more);

		if (o != JOBS_OK)
			return o;
		while (wire_list_next(&part.recipients, &jobs_recipient_shape, &r)) {
			r.address = arena_span(&a->arena, r.address);
			r.original = arena_span(&a->arena, r.original);
			if (r.address.at == NULL || r.original.at == NULL)
				return fault(job->order.id,
					     "out of memory for the recipients of one job");
			if (job->count == job->order.recipients)
				return fault(job->order.id, "more recipients than the job said");
			job->recipients[job->count++] = r;
		}
	}
	if (job->count != job->order.recipients)
		return fault(job->order.id, "fewer recipients than the job said");
	return JOBS_OK;
}

/* take_job - on OK job->content is ours */
static enum jobs_outcome
take_job(struct agent *a, struct job *job)
{
	enum jobs_outcome o;

	arena_reset(&a->arena);
	*job = (struct job){.content = -1};
	o = jobs_agent_job(&a->end, &job->order, &job->content);
	if (o != JOBS_OK)
		return o;
	/* the next datagram overwrites them */
	job->order.sender = arena_span(&a->arena, job->order.sender);
	job->order.top = arena_span(&a->arena, job->order.top);
	if (job->order.sender.at == NULL || job->order.top.at == NULL)
		o = fault(job->order.id, "out of memory");
	else
		o = take_recipients(a, job);
	if (o != JOBS_OK)
		close(job->content);
	return o;
}

/* read_first - the begin of the content, and in it what the header says of former deliveries */
static void
read_first(struct agent *a, struct job *job)
{
	size_t want = job->order.content_length < MAILDIR_BLOCK ? (size_t)job->order.content_length
								: MAILDIR_BLOCK;
	size_t have = 0;

	while (have < want) {
		ssize_t n = pread(job->content, a->block + have, want - have,
				  (off_t)(job->order.content_at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			job->trouble = "read from the spool";
			job->error = n < 0 ? errno : 0;
			EVENT("agent-trouble", event_id(job->order.id),
			      event_string("reason", n < 0 ? strerror(errno)
							   : "the message is shorter than it was"));
			return;
		}
		have += (size_t)n;
	}
	job->first = span_from(a->block, have);
	delivered_to_collect(&job->before, job->order.top);
	delivered_to_collect(&job->before, job->first);
}

/* ---- one recipient ---- */

/* where - the path of his Maildir; false: *v says why there is none */
static bool
where(const struct agent *a, const struct jobs_recipient *r, char path[PATH_MAX], struct verdict *v)
{
	const struct agent_place *p = a->place;
	struct span domain = address_domain_of(r->address);
	struct mailbox_path_values values = {
		.home = p->home,
		.user = p->user,
		.ext = mailbox_path_extension(r->address, p->user, p->config->extension),
		.domain = domain.len > 0 ? domain : span_of(p->config->hostname),
	};

	if (p->maildir[0] != '\0') {
		memcpy(path, p->maildir, PATH_MAX);
		return true;
	}
	switch (mailbox_path(p->template, &values, path, PATH_MAX)) {
	case MAILBOX_PATH_OK:
		return true;
	case MAILBOX_PATH_VALUE:
		verdict_set(v, FATE_FAILED, 550, "5.1.1", "there is no mailbox of this name");
		return false;
	case MAILBOX_PATH_TEMPLATE:
		break;
	}
	verdict_set(v, FATE_DEFERRED, 451, "4.3.5",
		    "the configuration's `deliver %s` gives no path below its base",
		    p->domain->deliver_path);
	return false;
}

/* deliver - `path` is set to where the letter went, or empty */
static void
deliver(struct agent *a, const struct job *job, const struct jobs_recipient *r, char path[PATH_MAX],
	struct verdict *v)
{
	struct maildir_letter letter = {.content = job->content,
					.content_at = job->order.content_at,
					.content_length = job->order.content_length,
					.first = job->first,
					.block = a->block};

	path[0] = '\0';
	if (a->place->trouble[0] != '\0') {
		verdict_set(v, FATE_DEFERRED, 451, "4.2.1", "%s", a->place->trouble);
		return;
	}
	if (delivered_to_has(&job->before, r->address)) {
		verdict_set(v, FATE_FAILED, 554, "5.4.6",
			    "mail loop: this message was delivered to this address before");
		return;
	}
	if (!where(a, r, path, v))
		return;
	if (job->trouble != NULL) {
		maildir_trouble(v, path, job->trouble, job->error);
		return;
	}
	buffer_clear(&a->head);
	delivered_to_lines(&a->head, job->order.sender, r->address, r->original);
	buffer_span(&a->head, job->order.top);
	if (a->head.failed) {
		verdict_set(v, FATE_DEFERRED, 451, "4.3.0",
			    "out of memory for the header lines on top");
		return;
	}
	letter.head = buffer_get(&a->head);
	maildir_deliver(&a->maildir, path, strlen(a->place->base), &letter, v);
}

static enum jobs_outcome
serve_job(struct agent *a)
{
	enum jobs_outcome o;
	struct job job;

	o = take_job(a, &job);
	if (o != JOBS_OK)
		return o;
	read_first(a, &job);
	for (size_t i = 0; i < job.count && o == JOBS_OK; i++) {
		char path[PATH_MAX];
		struct verdict v;
		struct jobs_result result;

		/* a long letter has overwritten the block with its end */
		if (i > 0 && job.order.content_length > MAILDIR_BLOCK && job.trouble == NULL) {
			job.before.count = 0;
			read_first(a, &job);
		}
		deliver(a, &job, &job.recipients[i], path, &v);
		result = (struct jobs_result){.number = job.recipients[i].number,
					      .fate = v.fate,
					      .code = (uint64_t)v.code,
					      .status = span_of(v.status),
					      .text = span_of(v.text),
					      .host = span_of(path),
					      .last = i + 1 == job.count};
		o = jobs_agent_result(&a->end, &result);
	}
	close(job.content);
	return o;
}

/* ---- the life of an agent ---- */

static int
serve(struct agent *a)
{
	for (;;) {
		switch (jobs_agent_wait(&a->end, -1, clock_monotonic_ms() + AGENT_IDLE_MS)) {
		case JOBS_EVENT_MESSAGE:
			break;
		case JOBS_EVENT_OTHER: /* nothing else is watched */
		case JOBS_EVENT_END:
		case JOBS_EVENT_IDLE:
			jobs_agent_leave(&a->end);
			return 0;
		}
		switch (serve_job(a)) {
		case JOBS_OK:
			break;
		case JOBS_CLOSED:
			return 0;
		case JOBS_LATE:
			EVENT("agent-trouble",
			      event_string("reason", "queue-manager was too slow"));
			return 1;
		case JOBS_WRONG:
			return 1;
		}
	}
}

int
agent_serve(const struct agent_place *place, int channel)
{
	struct agent *a = calloc(1, sizeof(*a));
	int status = 1;

	if (a == NULL || jobs_agent_start(&a->end, channel) < 0 ||
	    maildir_init(&a->maildir, place->config->hostname, place->is_root) < 0) {
		EVENT("agent-trouble", event_string("reason", strerror(errno)));
		free(a);
		return status;
	}
	a->place = place;
	arena_init(&a->arena, AGENT_MEMORY_MAX);
	buffer_init(&a->head, MAILDIR_HEAD_MAX);
	status = serve(a);
	jobs_agent_close(&a->end);
	maildir_free(&a->maildir);
	buffer_free(&a->head);
	arena_free(&a->arena);
	free(a);
	return status;
}
