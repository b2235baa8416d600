/*
 * agent - one process, one place, one connection at a time: takes jobs, delivers them, reports
 */
#ifndef DELIVERY_AGENT_H
#define DELIVERY_AGENT_H

#include "common/config/config.h"
#include "delivery/hosts.h"

#define AGENT_IDLE_MS 10000 /* without a job: says LEAVE; peers do not like to be kept waiting */
#define AGENT_ATTEMPT_MS \
	600000 /* one attempt with a message: after that no further host is tried */
#define AGENT_RECIPIENTS_MAX 100000 /* of one job */
#define AGENT_JOB_MAX (64u << 20)   /* bytes that are kept of a job's envelope */

struct agent_place {
	struct span hosts; /* words of common/mail/hop.h */
	struct span
		block; /* whose place it is, as in a leaf of lookup ("outbound", a route, a domain) */
	struct span login; /* the name of that by which it is used; empty: none */
};

/* of the sockets that an agent asks at; NULL: there is none */
struct agent_paths {
	const char *resolver, *fetch;
};

/*
 * agent_serve - until queue-manager closes the channel or the agent leaves; the exit status
 */
int agent_serve(const struct agent_paths *paths, const struct config *config,
		const struct agent_place *place, int channel);

#endif
