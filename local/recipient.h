/*
 * recipient - one recipient of a job: where his letter goes, and that it goes there
 *
 * Called by agent.c, as the user.  A letter ends in a mailbox, a file or a command; or the recipient stands for others, which
 * queue-manager journals before any of them is delivered to, so that a retry doubles nothing.
 */
#ifndef LOCAL_RECIPIENT_H
#define LOCAL_RECIPIENT_H

#include <limits.h>
#include <stdbool.h>

#include "common/mail/reply.h"
#include "common/text/arena.h"
#include "common/text/buffer.h"
#include "local/agent.h"
#include "local/job.h"
#include "local/maildir.h"

#define RECIPIENT_INCLUDES_MAX 10 /* files within files */

/* what an agent works with */
struct hands {
	const struct agent_place *place;
	struct maildir maildir;
	struct arena arena; /* of one job */
	struct buffer head; /* header lines on top */
	char *room;	    /* MBOX_ROOM bytes; NULL: not needed yet */
	bool must_leave;    /* runner is gone: a new agent finds the new one */
};

struct recipient_outcome {
	struct jobs_child *children; /* NULL: the verdict counts */
	size_t count;
	struct verdict verdict;
	char path[PATH_MAX]; /* where the letter went; empty: to no file */
};

void recipient_deliver(struct hands *h, const struct job *job, const struct jobs_recipient *r,
		       struct recipient_outcome *o);

#endif
