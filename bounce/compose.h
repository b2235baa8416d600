/*
 * compose - the notice as a message: multipart/report (RFC 6522) with its three parts
 *
 * The null reverse-path is the envelope's (agent.c); here is what the message says of itself: Auto-Submitted (RFC 3834), so that no program
 * answers it, and X-Culver-Notice, so that no notice is ever written about a double bounce.
 */
#ifndef BOUNCE_COMPOSE_H
#define BOUNCE_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "bounce/notice.h"
#include "common/text/buffer.h"

#define COMPOSE_WHOLE_MAX \
	51200 /* a message of up to 50 KB comes back whole, of a larger one only its head */
#define COMPOSE_HEADER_MAX 51200 /* and of that no more than this */
#define COMPOSE_TEXT_MAX (1u << 20)

/* what of the failed message is sent back: CRLF line ends, ends with one */
struct compose_original {
	struct buffer text;
	bool whole;
};

/* the message in three runs of bytes; the middle one is notice->status */
struct composed {
	struct buffer head;
	struct buffer tail;
	bool eight_bit;
};

/*
 * compose_original - cuts and cleans `bytes`, the first COMPOSE_WHOLE_MAX bytes or fewer of a message of `size` bytes
 *
 * `may_be_whole`: else only the head comes back (RFC 3461, section 4.3).  -1 when memory is out; else the caller frees o->text.
 */
int compose_original(struct compose_original *o, struct span bytes, uint64_t size,
		     bool may_be_whole) __attribute__((warn_unused_result));
/* compose_is_double - was the failed message a double bounce of ours? */
bool compose_is_double(const struct compose_original *o);
/* -1 when it found no room; else compose_free */
int compose(struct composed *c, const struct notice *n, const struct compose_original *o)
	__attribute__((warn_unused_result));
void compose_free(struct composed *c);

#endif
