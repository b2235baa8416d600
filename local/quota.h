/*
 * quota - the quota of a Maildir that has one (Maildir++: the file `maildirsize`)
 *
 * Called by recipient.c around maildir_deliver, as the recipient.  Who wants a quota makes the file (maildirmake -q of Courier or maildrop,
 * Dovecot's quota = maildir), or the table of users says `quota=`, and it is made; without either there is none.  Its first line is the quota, bytes `S` and letters `C`; each further one is a
 * change: bytes and letters, perhaps negative.  Whoever finds it full counts anew, unless it has just been counted.
 */
#ifndef LOCAL_QUOTA_H
#define LOCAL_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define QUOTA_FILE "maildirsize"
#define QUOTA_FILE_MAX 5120 /* bytes; a longer one is counted anew, as Maildir++ says */
#define QUOTA_FRESH_S 900   /* a file of one count that is younger is believed */

struct quota {
	uint64_t bytes_max, letters_max; /* 0: no such bound */
	int64_t bytes, letters;		 /* that are there */
	size_t changes;			 /* lines behind the first */
};

/* quota_parse - the text of the file; false: it is none, so there is no quota */
bool quota_parse(struct span text, struct quota *q);
/* quota_takes - may a letter of that size come in addition? */
bool quota_takes(const struct quota *q, uint64_t size);
/*
 * quota_may - the same, of a Maildir as it is; also true where there is no quota, or it cannot be looked at
 *
 * `bytes_max`: what the table of users says of it, which is then written into its file; 0: nothing, the file alone counts.
 */
bool quota_may(const char *maildir, uint64_t bytes_max, uint64_t size);
/* quota_add - a letter has come */
void quota_add(const char *maildir, uint64_t size);

#endif
