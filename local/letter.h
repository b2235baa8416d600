/*
 * letter - a message as the last hop writes it: header lines on top, then the content, each line with LF
 *
 * Called by maildir.c, mbox.c and pipe.c, which take it piece by piece.
 */
#ifndef LOCAL_LETTER_H
#define LOCAL_LETTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/text/span.h"

#define LETTER_BLOCK 262144   /* bytes of content at a time */
#define LETTER_HEAD_MAX 65536 /* bytes of header lines on top */
#define LETTER_PIECE_MAX (LETTER_HEAD_MAX + LETTER_BLOCK + 2)

/* what is delivered: header lines on top (CRLF or LF), then the content with CRLF as LF, a bare CR or LF as it is */
struct letter {
	struct span head; /* at most LETTER_HEAD_MAX */
	int content;	  /* the spool's file, read-only */
	uint64_t content_at, content_length;
	struct span
		first; /* of the content, already read; perhaps in `block`, which is reused then */
	char *block;   /* LETTER_BLOCK bytes */
};

struct letter_reader {
	const struct letter *letter;
	uint64_t offset;
	bool is_begun, is_done;
	bool held; /* the last byte was a CR, and waits for what follows */
};

void letter_start(struct letter_reader *r, const struct letter *l);
/*
 * letter_next - the next piece into `to` (LETTER_PIECE_MAX bytes): its length, 0 at the end
 *
 * -1: the spool's file cannot be read (errno), or is too short (errno 0).
 */
ssize_t letter_next(struct letter_reader *r, char *to);

/* letter_write - all of it; -1 and errno */
int letter_write(int fd, const char *at, size_t len) __attribute__((warn_unused_result));

#endif
