/*
 * feed - one letter of the drop directory, spoken to a session of its own like any sendmail(1) would
 *
 * Called by smtpd/drop.c, in the process that feeds.  One way in: the session does all that it does for a local user who is connected.
 */
#ifndef SMTPD_FEED_H
#define SMTPD_FEED_H

#include <stdint.h>

#include "common/protocol/drop.h"
#include "smtpd/session.h"

#define FEED_ONCE_MAX 96 /* leaves room for what smtpd/accept.c adds */

struct feed {
	const struct session_start *start; /* of each session, but for client, uid and descriptor */
	const char *program, *log;	   /* for the events of the sessions */
	uint64_t *last_us;		   /* of the youngest session's id */
	int directory;			   /* not the session's to keep */
	int fd;				   /* the file */
	uid_t uid;			   /* whose it is */
	const char *file;		   /* its name, for events */
	const char *once;		   /* its key, FEED_ONCE_MAX bytes at most */
	struct drop_head head;
	uint64_t content_at, length;
};

enum feed_outcome {
	FEED_TAKEN, /* the system has it, or its sender the reasons why not: the file may go */
	FEED_LATER, /* nothing is ours yet */
};

/*
 * feed_letter - the letter, then a notice about those recipients who were refused for good
 *
 * sendmail(1) has told its caller that all is well: so whom submit refuses for good comes back to the sender as a letter, with the content.
 */
enum feed_outcome feed_letter(const struct feed *f) __attribute__((warn_unused_result));

#endif
