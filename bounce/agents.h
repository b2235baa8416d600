/*
 * agents - the parent: an agent for each WANT of queue-manager
 */
#ifndef BOUNCE_AGENTS_H
#define BOUNCE_AGENTS_H

#include "common/config/config.h"

#define AGENTS_MAX 16 /* notices are small and local: more would only wait for the same disk */

/* agents_serve - until a signal ended it and the last agent is gone; the paths are those of the sockets */
void agents_serve(const struct config *config, const char *jobs, const char *intake);

#endif
