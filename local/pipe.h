/*
 * pipe - a letter into a command, which runner runs
 *
 * Called by recipient.c.  The agent, confined and unable to execute anything, writes the letter into a pipe and waits for what runner says
 * of the command.  A command that does not read all of it is no fault: what it says at its end counts.
 */
#ifndef LOCAL_PIPE_H
#define LOCAL_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mail/reply.h"
#include "common/protocol/runner.h"
#include "local/letter.h"

#define PIPE_CONNECT_MS 5000
#define PIPE_GRACE_MS 60000 /* for runner's answer, behind the time that a command has */

/* pipe_bind - connects to runner at `path` for that user, before the caller becomes him; -1 and errno */
int pipe_bind(const char *path, const struct runner_bind *bind) __attribute__((warn_unused_result));

/* what is run; `channel` is what pipe_bind gave */
struct pipe_job {
	int channel;
	struct runner_run ask;
	uint64_t time_ms; /* that the command has */
};

/* pipe_deliver - `room` has LETTER_PIECE_MAX bytes; false: the channel is of no use any more */
bool pipe_deliver(const struct pipe_job *job, const struct letter *letter, char *room,
		  struct verdict *v) __attribute__((warn_unused_result));
/* pipe_verdict - what the end of a command means (sysexits.h; the statuses are Postfix's) */
void pipe_verdict(const struct runner_result *result, struct verdict *v);

#endif
