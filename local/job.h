/*
 * job - a message and its recipients, as queue-manager gives them
 *
 * Called by agent.c.  All is copied out of the datagrams, into the arena of the job.
 */
#ifndef LOCAL_JOB_H
#define LOCAL_JOB_H

#include "common/protocol/jobs-agent.h"
#include "common/text/arena.h"
#include "local/delivered-to.h"
#include "local/letter.h"

#define JOB_MEMORY_MAX (64u << 20) /* recipients, mostly, and what a list says */

struct job {
	struct jobs_job order;
	int content; /* ours */
	struct jobs_recipient *recipients;
	size_t count;
	struct span first;   /* of the content: in `block` */
	char *block;	     /* LETTER_BLOCK bytes */
	const char *trouble; /* the message itself cannot be read */
	int error;
	struct delivered_to before;
};

/* job_take - on OK job->content is ours */
enum jobs_outcome job_take(struct jobs_agent_end *end, struct arena *arena, char *block,
			   struct job *job) __attribute__((warn_unused_result));
/* job_read - the begin of the content, and in it what the header says of former deliveries */
void job_read(struct job *job);

#endif
