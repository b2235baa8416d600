/*
 * content - the message itself, from the spool to the peer (RFC 5321, section 4.5.2)
 *
 * What the spool holds has CRLF line ends already.  It is looked at once more on its way out: a bare CR or LF is never relayed, since
 * the next server might see the end of a message in it.
 */
#ifndef DELIVERY_CONTENT_H
#define DELIVERY_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/system/stream.h"
#include "common/text/span.h"

#define CONTENT_BLOCK 131072 /* bytes read from the file at a time */
/* RFC 5321, section 4.5.3.2.5: for the peer to take a block */
#define CONTENT_BLOCK_MS INT64_C(180000)

enum content_outcome {
	CONTENT_SENT,	    /* all of it is put, with a last CRLF; the dot is the caller's */
	CONTENT_UNCLEAN,    /* a bare CR or LF: the connection must be dropped without a dot */
	CONTENT_UNREADABLE, /* the file is shorter than it should be, or errno */
	CONTENT_CLOSED,	    /* the peer is gone; perhaps it said why */
	CONTENT_TIMEOUT,
};

/* bytes on their way: what is known of the line that is under way */
struct content {
	struct stream *stream;
	char last;	 /* the byte before */
	bool is_counted; /* BDAT: its size was said, and dots stand as they are */
};

void content_start(struct content *c, struct stream *stream, bool is_counted);
/* content_put - dots doubled, line ends checked */
enum content_outcome content_put(struct content *c, struct span bytes)
	__attribute__((warn_unused_result));
/* content_finish - a CRLF, where the last line had none */
enum content_outcome content_finish(struct content *c) __attribute__((warn_unused_result));

/* a message as it is stored: the lines on top, then `length` bytes of the file `fd` from `at` on */
struct content_source {
	struct span top;
	int fd;
	uint64_t at, length;
};

enum content_outcome content_send(struct stream *stream, const struct content_source *from,
				  bool is_counted) __attribute__((warn_unused_result));
/* content_size - what content_send puts of it when it is counted: a line end is added where the last line has none; -1: it cannot be read */
int content_size(const struct content_source *from, uint64_t *size)
	__attribute__((warn_unused_result));
/* content_header_is_ascii - false also where the header cannot be read, or is longer than a block that is */
bool content_header_is_ascii(const struct content_source *from);

#endif
