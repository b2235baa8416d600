/*
 * mbox - a letter at the end of a file of letters, durable or not there at all
 *
 * Called by recipient.c, as the recipient.  Locked by FILE.lock, where its folder lets him make that, and then by fcntl(2).  A line of the
 * letter that begins with `From ` gets a `>` (mbox(5)).  What could not be written whole and synced is cut off again, so a retry doubles
 * nothing; a crash in between leaves at most the torn end of a letter that is delivered again.
 *
 * A file that is a link, has a second name, is executable, or is no file is not written to.
 */
#ifndef LOCAL_MBOX_H
#define LOCAL_MBOX_H

#include <stdint.h>

#include "common/mail/reply.h"
#include "common/text/buffer.h"
#include "common/text/span.h"
#include "local/letter.h"

#define MBOX_LOCK_MS 30000     /* for whoever has it to be done */
#define MBOX_LOCK_STALE_S 1800 /* a dot-lock that old was left behind */
#define MBOX_LOOK_MS 250

/* mbox_from_line - the line that begins a letter; `at_us` wall clock */
void mbox_from_line(struct buffer *to, struct span sender, int64_t at_us);
/* mbox_deliver - `room` has MBOX_ROOM bytes; the head of the letter begins with the From line */
#define MBOX_ROOM (3 * (size_t)LETTER_PIECE_MAX)
/* `owner` (uid_t)-1: whoever it belongs to, if he lets us write */
void mbox_deliver(const char *path, uid_t owner, const struct letter *letter, char *room,
		  struct verdict *v);

/* the marks of quoting, over the pieces of a letter */
struct mbox_quote {
	size_t matched; /* bytes of `From ` at the begin of the line at hand, held back */
	bool in_line;	/* it is no such line */
	bool is_begun;	/* the first line is the From line itself */
	char last;
};

/* mbox_quote - a piece into `to` (twice its length and 8 bytes); how many bytes that is */
size_t mbox_quote(struct mbox_quote *q, struct span piece, char *to);
/* what is still held back at the end, and the line ends that close the letter; at most 8 bytes */
size_t mbox_quote_end(struct mbox_quote *q, char *to);

#endif
