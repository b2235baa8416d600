/*
 * stream - a byte stream with a peer of the network: reading, writing, deadlines, counts
 *
 * For sessions and agents: they block here and nowhere else.  Input is buffered (STREAM_IN_MAX), output gathered until a
 * flush, or until nothing more can be read without waiting (RFC 2920, section 3.2: answers are sent in one go).  What lies
 * below can be exchanged for a layer (TLS: common/tls/layer.h), and nobody above sees the difference.
 */
#ifndef COMMON_SYSTEM_STREAM_H
#define COMMON_SYSTEM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/text/span.h"

#define STREAM_IN_MAX 65536
#define STREAM_OUT_MAX 65536

enum stream_outcome {
	STREAM_OK,
	STREAM_LONG, /* stream_line: longer than allowed; all of it has been read away */
	STREAM_BARE, /* stream_line: ended by LF without CR, or holding a CR or NUL; it was read away */
	STREAM_CLOSED,	/* the peer is gone, or reset the connection */
	STREAM_TIMEOUT, /* the deadline has passed */
	STREAM_INTERRUPTED, /* a signal came while waiting for input: look at what it asked for, and call again */
	STREAM_ERROR, /* errno */
};

/*
 * A layer between the stream and its descriptor, non-blocking as that is: -1 with EAGAIN when the peer is to be waited for, with
 * *wants being POLLIN or POLLOUT, whichever way the bytes go; 0 from `read` is the end.
 */
struct stream_layer {
	ssize_t (*read)(void *owner, char *to, size_t size, short *wants);
	ssize_t (*write)(void *owner, const char *at, size_t len, short *wants);
	bool (*has_input)(void *owner); /* a byte for the reader; never waits */
	void (*finish)(void *owner);	/* tells the peer that no more comes, without waiting */
	void (*end)(void *owner);	/* lets go of it */
};

struct stream {
	int fd;
	const struct stream_layer *layer; /* NULL: none */
	void *owner;			  /* the layer's */
	int64_t deadline_ms; /* monotonic; set by the caller before each wait that has a limit of its own */
	uint64_t received; /* bytes, since the start */
	uint64_t sent;
	bool is_lent;	 /* `in` and `out` are the caller's */
	bool is_drained; /* the last receive took all that was there */
	char *in;
	size_t in_at, in_len;
	char *out;
	size_t out_len;
};

/* stream_open - takes the descriptor (made non-blocking); -1 when memory is out */
int stream_open(struct stream *s, int fd) __attribute__((warn_unused_result));
/* stream_open_in - the same, for a descriptor that is non-blocking already, with the caller's buffers of STREAM_IN_MAX and STREAM_OUT_MAX */
void stream_open_in(struct stream *s, int fd, char *in, char *out);
void stream_close(struct stream *s);

/*
 * stream_line - the next line, without its CRLF; valid until the next call
 *
 * Flushes what was put before it waits.  `max` counts the CRLF (at most STREAM_IN_MAX).
 */
enum stream_outcome stream_line(struct stream *s, size_t max, struct span *line)
	__attribute__((warn_unused_result));
/* stream_chunk - at least one byte of input, as much as is buffered; flushes and waits when there is none.  It stays until stream_take. */
enum stream_outcome stream_chunk(struct stream *s, struct span *chunk)
	__attribute__((warn_unused_result));
void stream_take(struct stream *s, size_t n);
/* stream_has_input - bytes that are buffered or that the kernel has: has the peer spoken already?  Never waits. */
bool stream_has_input(struct stream *s);

/* stream_wait - until the descriptor can be read (POLLIN) or written (POLLOUT), for whoever makes a layer */
enum stream_outcome stream_wait(struct stream *s, short events) __attribute__((warn_unused_result));
/* stream_discard_input - all that has come so far is dropped, unread; its bytes */
uint64_t stream_discard_input(struct stream *s);

/* stream_put - gathers; sends when the buffer is full (that may wait for the peer, until the deadline) */
enum stream_outcome stream_put(struct stream *s, struct span bytes)
	__attribute__((warn_unused_result));
enum stream_outcome stream_printf(struct stream *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));
enum stream_outcome stream_flush(struct stream *s) __attribute__((warn_unused_result));
/* stream_forget - what has been sent is wiped from our memory too: it was a secret */
void stream_forget(struct stream *s);
/* stream_finish - the same, and nothing more will be put */
enum stream_outcome stream_finish(struct stream *s) __attribute__((warn_unused_result));

#endif
