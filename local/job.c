/*
 * job - see job.h
 */
#include "local/job.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/system/events.h"

static enum jobs_outcome
fault(uint64_t id, const char *reason)
{
	EVENT("agent-trouble", event_id(id), event_string("reason", reason));
	return JOBS_WRONG;
}

static enum jobs_outcome
take_recipients(struct jobs_agent_end *end, struct arena *arena, struct job *job)
{
	bool more = true;

	job->recipients = NULL;
	job->count = 0;
	if (job->order.recipients <= JOB_MEMORY_MAX / sizeof(*job->recipients))
		job->recipients = arena_alloc(arena, (size_t)job->order.recipients *
							     sizeof(*job->recipients));
	if (job->recipients == NULL)
		return fault(job->order.id, "out of memory for the recipients of one job");
	while (more) {
		struct jobs_recipients part;
		struct jobs_recipient r;
		enum jobs_outcome o = jobs_agent_part(end, JOBS_RECIPIENTS, &part, &more);

		if (o != JOBS_OK)
			return o;
		while (wire_list_next(&part.recipients, &jobs_recipient_shape, &r)) {
			r.address = arena_span(arena, r.address);
			r.original = arena_span(arena, r.original);
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

enum jobs_outcome
job_take(struct jobs_agent_end *end, struct arena *arena, char *block, struct job *job)
{
	enum jobs_outcome o;

	arena_reset(arena);
	*job = (struct job){.content = -1, .block = block};
	o = jobs_agent_job(end, &job->order, &job->content);
	if (o != JOBS_OK)
		return o;
	/* the next datagram overwrites them */
	job->order.sender = arena_span(arena, job->order.sender);
	job->order.top = arena_span(arena, job->order.top);
	if (job->order.sender.at == NULL || job->order.top.at == NULL)
		o = fault(job->order.id, "out of memory");
	else
		o = take_recipients(end, arena, job);
	if (o != JOBS_OK)
		close(job->content);
	return o;
}

void
job_read(struct job *job)
{
	size_t want = job->order.content_length < LETTER_BLOCK ? (size_t)job->order.content_length
							       : LETTER_BLOCK;
	size_t have = 0;

	while (have < want) {
		ssize_t n = pread(job->content, job->block + have, want - have,
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
	job->first = span_from(job->block, have);
	delivered_to_collect(&job->before, job->order.top);
	delivered_to_collect(&job->before, job->first);
}
