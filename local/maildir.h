/*
 * maildir - a letter into a Maildir, durable or not at all (https://cr.yp.to/proto/maildir.html)
 *
 * Called by agent.c, as the recipient.  States of a letter:
 *   1  tmp/NAME is being written: nobody reads there; a crash leaves it, and whoever reads Maildirs removes what is older than 36 hours
 *   2  tmp/NAME is complete, its pages are on their way to the disk
 *   3  new/NAME by rename, perhaps not durable
 *   4  new/NAME after one fsync of the file, which on ext4, XFS and btrfs also makes its name durable: delivered
 * Trouble before 4 removes the file under either name, so that a retry does not double it.
 *
 * Paths are used as a whole, with the rights of the recipient alone: links in them lead where he may go himself.
 */
#ifndef LOCAL_MAILDIR_H
#define LOCAL_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/mail/reply.h"
#include "local/letter.h"

#define MAILDIR_HOST_MAX 255 /* bytes of the host in a name */

/* the writer: one a process */
struct maildir {
	char host[MAILDIR_HOST_MAX + 1]; /* `/` and `:` replaced */
	bool for_group; /* of root: the group reads, moves and removes letters, but never changes the folders */
	pid_t pid;
	uint64_t sequence;
	uint64_t written; /* bytes of the last letter */
	char *out;	  /* owned: LETTER_PIECE_MAX */
};

/* maildir_init - -1: out of memory */
int maildir_init(struct maildir *m, const char *host, bool for_group)
	__attribute__((warn_unused_result));
void maildir_free(struct maildir *m);

/* maildir_make - the Maildir and what is missing of the folders above it, but for the first `home_len` bytes of the path; -1 and errno */
int maildir_make(const struct maildir *m, const char *path, size_t home_len)
	__attribute__((warn_unused_result));

/*
 * maildir_deliver - delivered, or why not: always temporary
 *
 * Lines end in LF there: each CRLF of head and content becomes one.
 */
void maildir_deliver(struct maildir *m, const char *path, size_t home_len,
		     const struct letter *letter, struct verdict *v);
/* maildir_trouble - what a failed system call means for a recipient; `what` was to be done */
void maildir_trouble(struct verdict *v, const char *path, const char *what, int errno_value);

#endif
