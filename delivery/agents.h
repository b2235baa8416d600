/*
 * agents - the parent: an agent for each WANT of queue-manager
 */
#ifndef DELIVERY_AGENTS_H
#define DELIVERY_AGENTS_H

#include "common/config/config.h"
#include "delivery/agent.h"

/* agents_serve - until a signal ended it and the last agent is gone; `jobs` is the path of that socket */
void agents_serve(const struct config *config, const char *jobs, const struct agent_paths *paths);

#endif
