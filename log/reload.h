/*
 * reload - master's word to log: a new configuration, or its end
 *
 * Called by main.  On the descriptor `master` one byte R comes with a memfd of the new text.  What only a new process can do (another store, a
 * file in another directory, syslog) is done by ending well: master starts the next one, and what comes meanwhile waits in the socket.
 */
#ifndef LOG_RELOAD_H
#define LOG_RELOAD_H

#include "common/config/config.h"
#include "common/system/loop.h"
#include "log/output.h"

struct reload {
	struct loop *loop;
	struct loop_watch watch;
	struct output *output;
	const struct config *config; /* the one in force */
	struct config *owned;	     /* the same, when it came by a reload */
};

void reload_watch(struct reload *r, struct loop *l, int master, struct output *o,
		  const struct config *c);
void reload_free(struct reload *r);

#endif
