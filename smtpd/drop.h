/*
 * drop - the letters that were left while the system was stopped
 *
 * Called by smtpd/listener.c, in `submit` alone, in a process of its own.  master has shut the directory before we start: what is in it now is all.
 */
#ifndef SMTPD_DROP_H
#define SMTPD_DROP_H

#include "smtpd/session.h"

#define DROP_AGAIN_MS 5000 /* between two looks, while something waits */
#define DROP_PATIENCE_S \
	600 /* a file that is held and does not grow any more is its writer's no longer */
#define DROP_UIDS_MAX \
	4096 /* users whose files are counted in one look; those of more wait for the next */

struct drop_start {
	int directory;
	struct session_start
		session; /* of each; client, uid, descriptor and name of the sender are set here */
	const char *program, *log;
	uint64_t last_us; /* session ids begin above it */
};

/*
 * drop_feed - looks at every file once; true: something is left, look again after DROP_AGAIN_MS
 *
 * Promises: a whole letter is handed in before its file goes; what is no letter is removed, and said in an event; a file that is still written
 * waits.  Never two processes at once (flock(2) of the directory).
 */
bool drop_feed(struct drop_start *d) __attribute__((warn_unused_result));

#endif
