/*
 * agents - the parent: an agent for each WANT of queue-manager
 */
#ifndef DELIVERY_AGENTS_H
#define DELIVERY_AGENTS_H

#include "common/config/config.h"

/* agents_serve - until a signal ended it and the last agent is gone; `path` and `resolver` are the sockets `jobs` and `resolver` */
void agents_serve(const struct config *config, const char *path, const char *resolver);

#endif
