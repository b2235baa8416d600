/*
 * jobs - the socket of those who deliver: parents say what they serve, agents take jobs and report
 *
 * See common/protocol/jobs.h.  schedule.c decides, jobs.c speaks.  A connection is bound to what its first message says; an agent to the
 * WANT that its parent was sent (the kernel's word for the parent's process counts), so that an agent that was taken over can neither
 * take another place's mail nor report about it.
 */
#ifndef QUEUE_MANAGER_JOBS_H
#define QUEUE_MANAGER_JOBS_H

#include <stdint.h>

#include "queue-manager/peer.h"
#include "queue-manager/schedule.h"

#define JOBS_PARENTS_MAX 8  /* connections of parents: a few generations of each kind */
#define JOBS_WAITING_MAX 64 /* connections that have not yet said what they are */

struct jobs {
	struct peer_listener listener;
	const struct start_listen *socket; /* who may connect, by name */
	uint32_t parents, strangers;
};

extern const struct schedule_hands jobs_hands;

void jobs_start(struct manager *q, const struct start_listen *socket);
/* the agent of a connection; NULL: it is none */
struct agent *jobs_agent_of(struct peer *p);

#endif
