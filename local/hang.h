/*
 * hang - the end of an agent that hangs in a file system of its user: one whose server is stopped answers nobody, and never
 *
 * Called by agents.c as soon as a child touches what is a user's, and by agent.c around each letter.  The kernel ends the process by
 * SIGALRM; one that it cannot end (the request is in the hands of the file system's server) stays, as the user, without a connection to
 * queue-manager, until that server goes on or ends.  queue-manager has a deadline of its own, a little earlier, so that the mail is told
 * to wait by who knows it.
 */
#ifndef LOCAL_HANG_H
#define LOCAL_HANG_H

#include "common/config/config.h"
#include "common/protocol/jobs.h"

#define HANG_GRACE_MS 5000 /* behind the time that queue-manager gives */

/* hang_begin - from now on; again: anew */
void hang_begin(const struct config *c, enum jobs_kind kind);
void hang_end(void);

#endif
