/*
 * agent - see agent.h
 *
 * One job: the descriptor of a message and its recipients in this place.  Each recipient gets a letter of his own, for each has
 * header lines of his own, and is reported as soon as his letter is durable.
 */
#include "local/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/jobs-agent.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "local/hang.h"
#include "local/recipient.h"

struct agent {
	struct hands hands;
	struct jobs_agent_end end;
	char block[LETTER_BLOCK];
};

static enum jobs_outcome
tell(struct agent *a, const struct jobs_recipient *r, bool is_last,
     const struct recipient_outcome *o)
{
	const struct jobs_result result = {.number = r->number,
					   .fate = o->verdict.fate,
					   .code = (uint64_t)o->verdict.code,
					   .status = span_of(o->verdict.status),
					   .text = span_of(o->verdict.text),
					   .host = span_of(o->path),
					   .last = is_last};

	if (o->children != NULL)
		return jobs_agent_expanded(&a->end, r->number, is_last, o->children, o->count);
	return jobs_agent_result(&a->end, &result);
}

static enum jobs_outcome
serve_job(struct agent *a)
{
	struct recipient_outcome outcome;
	enum jobs_outcome o;
	struct job job;

	arena_reset(&a->hands.arena);
	o = job_take(&a->end, &a->hands.arena, a->block, &job);
	if (o != JOBS_OK)
		return o;
	job_read(&job);
	for (size_t i = 0; i < job.count && o == JOBS_OK; i++) {
		hang_begin(a->hands.place->config, a->hands.place->kind);
		/* a long letter has overwritten the block with its end */
		if (i > 0 && job.order.content_length > LETTER_BLOCK && job.trouble == NULL) {
			job.before.count = 0;
			job_read(&job);
		}
		recipient_deliver(&a->hands, &job, &job.recipients[i], &outcome);
		o = tell(a, &job.recipients[i], i + 1 == job.count, &outcome);
	}
	hang_end();
	close(job.content);
	return o;
}

/* ---- the life of an agent ---- */

static int
serve(struct agent *a)
{
	for (;;) {
		if (a->hands.must_leave) {
			jobs_agent_leave(&a->end);
			return 0;
		}
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
	    maildir_init(&a->hands.maildir, place->config->hostname, place->is_root) < 0) {
		EVENT("agent-trouble", event_string("reason", strerror(errno)));
		free(a);
		return status;
	}
	a->hands.place = place;
	arena_init(&a->hands.arena, JOB_MEMORY_MAX);
	buffer_init(&a->hands.head, LETTER_HEAD_MAX);
	hang_end();
	status = serve(a);
	jobs_agent_close(&a->end);
	maildir_free(&a->hands.maildir);
	buffer_free(&a->hands.head);
	arena_free(&a->hands.arena);
	free(a->hands.room);
	free(a);
	return status;
}
