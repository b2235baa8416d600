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

/*
 * agent_serve - until queue-manager closes the channel or the agent leaves; the exit status
 *
 * `resolver`: path of its socket; `block`: whose place it is, as in a leaf of lookup ("outbound", a route, a domain).
 */
int agent_serve(const struct config *config, const char *resolver, struct span place,
		struct span block, int channel);

#endif
