/*
 * jobs-agent - an agent's end of its connection to queue-manager; agents block here and on their peer, nowhere else
 *
 *     for (;;) switch (jobs_agent_wait(...)) { a job: jobs_agent_job, its parts, a result for each recipient; ... }
 *
 * Signals are only seen between jobs: SIGTERM and SIGUSR1 let the job in hand be finished.
 */
#ifndef COMMON_PROTOCOL_JOBS_AGENT_H
#define COMMON_PROTOCOL_JOBS_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/jobs.h"

#define JOBS_AGENT_PART_MS 30000   /* queue-manager sends the parts of a job at once */
#define JOBS_AGENT_RESULT_MS 60000 /* for its socket to have room */
#define JOBS_AGENT_LEAVE_MS 3000   /* for the close after LEAVE; less than a parent's grace */

enum jobs_outcome {
	JOBS_OK,
	JOBS_CLOSED, /* queue-manager wants no more of this agent, or is gone */
	JOBS_LATE,
	JOBS_WRONG, /* not what may come now; said in the event `jobs-wrong` */
};

enum jobs_event {
	JOBS_EVENT_MESSAGE, /* jobs_agent_job has something to take, perhaps the close */
	JOBS_EVENT_OTHER,   /* the other descriptor has something, or is closed */
	JOBS_EVENT_END,	    /* told to end by a signal */
	JOBS_EVENT_IDLE,    /* the deadline has passed */
};

struct jobs_agent_end {
	int fd;
	int signals;	  /* signalfd of SIGTERM and SIGUSR1, which are blocked */
	uint32_t request; /* of the job in hand */
	struct span left; /* of `in`: messages that came with the last one */
	char in[CHANNEL_MAX];
};

/* jobs_agent_start - takes the channel; -1 and errno */
int jobs_agent_start(struct jobs_agent_end *a, int channel) __attribute__((warn_unused_result));
void jobs_agent_close(struct jobs_agent_end *a);

/* `other`: a descriptor that is watched too, or -1 */
enum jobs_event jobs_agent_wait(struct jobs_agent_end *a, int other, int64_t deadline_ms);

/* jobs_agent_job - on OK the descriptor is the caller's; the spans live until the next call */
enum jobs_outcome jobs_agent_job(struct jobs_agent_end *a, struct jobs_job *job, int *content)
	__attribute__((warn_unused_result));
/* jobs_agent_part - a part of the job: struct jobs_recipients or jobs_failures, as `type` says; *more: another one follows */
enum jobs_outcome jobs_agent_part(struct jobs_agent_end *a, enum jobs_type type, void *part,
				  bool *more) __attribute__((warn_unused_result));
/* what does not fit is cut, so that no reply of a stranger can keep a result from being told */
enum jobs_outcome jobs_agent_result(struct jobs_agent_end *a, const struct jobs_result *result)
	__attribute__((warn_unused_result));
/* jobs_agent_expanded - a recipient stands for these; in as many parts as it takes */
enum jobs_outcome jobs_agent_expanded(struct jobs_agent_end *a, uint64_t number, bool is_last,
				      const struct jobs_child *children, size_t count)
	__attribute__((warn_unused_result));
/* what was learned of the place: who its hosts are, and which of them takes no connection */
enum jobs_outcome jobs_agent_site(struct jobs_agent_end *a, struct span name)
	__attribute__((warn_unused_result));
enum jobs_outcome jobs_agent_host(struct jobs_agent_end *a, struct span host)
	__attribute__((warn_unused_result));
/*
 * jobs_agent_leave - says that no job will be taken any more, and waits for the close
 *
 * A job that crossed this on its way is queue-manager's again, since it was told so.
 */
void jobs_agent_leave(struct jobs_agent_end *a);
/* does queue-manager still hold its end?  Never waits. */
bool jobs_agent_is_held(const struct jobs_agent_end *a);

#endif
