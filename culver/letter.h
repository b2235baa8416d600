/*
 * letter - a message as it comes on standard input: its lines, its end, its header
 *
 * Called by culver/sendmail.c.  Lines may end with LF or CRLF; what is given out ends with CRLF.  The header is read whole first, the
 * content as it comes, so a letter may be longer than memory.
 */
#ifndef CULVER_LETTER_H
#define CULVER_LETTER_H

#include <stdbool.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define LETTER_FIRST \
	(1u << 20) /* bytes that are read before anything is sent; the header lies in them */
#define LETTER_CHUNK 65536

enum letter_place {
	LETTER_LINE_START,
	LETTER_IN_LINE,
	LETTER_AFTER_CR,
	LETTER_AFTER_DOT, /* a dot began the line */
	LETTER_AFTER_DOT_CR,
};

struct letter {
	int fd;
	bool dot_ends; /* a line with a dot alone is the end */
	enum letter_place place;
	bool is_over;
	struct buffer first; /* the begin, with CRLF */
	struct span mailbox; /* of it: the lines `From ` and `>From ` before the header */
	struct span header;  /* of it: the fields */
	struct span
		content; /* of it: what follows, the empty line too; without one it is not there */
	bool lacks_line; /* the content begins at once: an empty line is to be put before it */
};

/* letter_begin - reads the header and more; -1: errno, or 0 when the header is longer than LETTER_FIRST */
int letter_begin(struct letter *l, int fd, bool dot_ends) __attribute__((warn_unused_result));
/* letter_more - the next piece behind `first` into `to`, which is cleared; 0: that was all; -1: errno */
int letter_more(struct letter *l, struct buffer *to) __attribute__((warn_unused_result));
/* letter_field - takes the next field off *rest that others may see: Bcc and Resent-Bcc are passed over; false: that was all */
bool letter_field(struct span *rest, struct span *field);
void letter_free(struct letter *l);

/* letter_convert - for letter_more and the fuzz target: CRLF for LF, and the end */
void letter_convert(struct letter *l, struct span bytes, struct buffer *to);
/* letter_finish - nothing more comes */
void letter_finish(struct letter *l, struct buffer *to);

#endif
