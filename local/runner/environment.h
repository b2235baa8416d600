/*
 * environment - arguments and environment of a command
 *
 * Called by run.c before the fork.  Nothing is inherited but TZ.  The variables are those of local(8) of Postfix: HOME, USER, LOGNAME, SHELL,
 * PATH, SENDER, RECIPIENT, ORIGINAL_RECIPIENT, LOCAL, EXTENSION, DOMAIN, and MESSAGE_ID and SIZE.  In those that strangers write, each
 * byte that means something to a shell is `_`.
 */
#ifndef LOCAL_RUNNER_ENVIRONMENT_H
#define LOCAL_RUNNER_ENVIRONMENT_H

#include "common/protocol/runner.h"
#include "common/text/arena.h"
#include "local/runner/run.h"

struct environment {
	char **arguments; /* NULL behind the last */
	char **variables;
};

/* environment_make - in the arena; -1: no memory */
int environment_make(const struct run *r, const struct runner_run *ask, struct arena *arena,
		     struct environment *e) __attribute__((warn_unused_result));

#endif
