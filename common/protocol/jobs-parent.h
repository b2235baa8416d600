/*
 * jobs-parent - the parent of agents: asks queue-manager for wants, forks an agent for each
 *
 * For programs whose parent reads no mail (delivery/agents.c, bounce/agents.c).  The parent is an event loop; it waits for
 * nobody but, bounded, for a place in the backlog of `jobs`.  Where queue-manager is gone it comes back with a growing pause.
 *
 *     SIGTERM  takes nothing new; agents finish the job in hand; after JOBS_PARENT_GRACE_MS what is left is killed
 *     SIGUSR1  takes nothing new; agents finish the job in hand and leave, in their own time
 */
#ifndef COMMON_PROTOCOL_JOBS_PARENT_H
#define COMMON_PROTOCOL_JOBS_PARENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/protocol/jobs.h"

#define JOBS_PARENT_GRACE_MS 5000
#define JOBS_PARENT_AGENTS_MAX 4096

struct jobs_parent_program {
	uint64_t kind;	  /* enum jobs_kind */
	const char *path; /* of the socket `jobs`, as seen after confinement */
	size_t agents_max; /* processes at a time, at most JOBS_PARENT_AGENTS_MAX; for more the answer is CANNOT */
	/* may_serve - in the parent, before the fork; false: *cannot has been set (spans that outlive the call) */
	bool (*may_serve)(void *owner, const struct jobs_want *want, struct jobs_cannot *cannot);
	/* serve - in the child: until the channel closes; its value is the exit status.  `want` lives as long as it runs. */
	int (*serve)(void *owner, const struct jobs_want *want, int channel);
	void *owner;
};

/* jobs_parent_run - until a signal has ended it and no agent is left */
void jobs_parent_run(const struct jobs_parent_program *program);

#endif
