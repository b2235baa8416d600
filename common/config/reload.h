/*
 * reload - master's word to a service that keeps its state: a new configuration, or its own end
 *
 * Used by queue-manager and log.  On the descriptor `master` one byte R comes with a memfd of the new text, which master has
 * checked.  When master is gone the loop is stopped: without it nobody would start the service again.
 */
#ifndef COMMON_CONFIG_RELOAD_H
#define COMMON_CONFIG_RELOAD_H

#include "common/config/config.h"
#include "common/system/loop.h"

struct reload {
	struct loop *loop;
	struct loop_watch watch;
	/* a new configuration, the taker's from now on (config_free) */
	void (*take)(void *owner, struct config *c);
	void *owner;
};

/* `master`: the socket to it; it is watched until reload_end */
void reload_watch(struct reload *r, struct loop *l, int master,
		  void (*take)(void *owner, struct config *c), void *owner);
void reload_end(struct reload *r);

#endif
