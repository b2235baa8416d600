/*
 * reload - a new configuration from master; master's end is ours
 */
#ifndef QUEUE_MANAGER_RELOAD_H
#define QUEUE_MANAGER_RELOAD_H

#include "common/config/config.h"
#include "common/system/loop.h"

struct manager;

struct reload {
	struct loop_watch watch;
	struct manager *q;
	struct config *owned; /* the last one that came; NULL: the first is in force */
};

/* `master`: the socket to it; it is watched until the end */
void reload_watch(struct reload *r, struct manager *q, int master);

#endif
