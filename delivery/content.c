/*
 * content - see the header
 *
 * Bytes go out in runs as long as they can be: a run ends only at a line that begins with a dot.  A block of
 * the file without such a line is handed to the kernel from where it was read.
 */
#include "delivery/content.h"

#include <errno.h>
#include <unistd.h>

#include "common/system/clock.h"

void
content_start(struct content *c, struct stream *stream)
{
	c->stream = stream;
	c->last = '\n';
}

static enum content_outcome
put(struct content *c, const char *at, const char *end)
{
	c->stream->deadline_ms = clock_monotonic_ms() + CONTENT_BLOCK_MS;
	switch (stream_put(c->stream, span_from(at, (size_t)(end - at)))) {
	case STREAM_OK:
		return CONTENT_SENT;
	case STREAM_TIMEOUT:
		return CONTENT_TIMEOUT;
	case STREAM_LONG:
	case STREAM_BARE:
	case STREAM_INTERRUPTED:
	case STREAM_CLOSED:
	case STREAM_ERROR:
		break;
	}
	return CONTENT_CLOSED;
}

/* a piece of one line, perhaps with its LF, `before` being the byte before it: is every CR followed by LF, and LF led by CR? */
static bool
is_clean(char before, const char *at, const char *end)
{
	const char *cr;

	if (before == '\r' && *at != '\n')
		return false;
	cr = memchr(at, '\r', (size_t)(end - at));
	if (cr != NULL && cr + 1 != end && !(cr + 2 == end && cr[1] == '\n'))
		return false;
	if (end[-1] != '\n')
		return true;
	return end - at > 1 ? end[-2] == '\r' : before == '\r';
}

enum content_outcome
content_put(struct content *c, struct span bytes)
{
	static const char dot[] = ".";
	const char *end = bytes.at + bytes.len;
	const char *run = bytes.at;
	const char *stop;

	for (const char *at = bytes.at; at < end; at = stop) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));

		stop = lf != NULL ? lf + 1 : end;
		if (!is_clean(c->last, at, stop))
			return CONTENT_UNCLEAN;
		if (c->last == '\n' && *at == '.') {
			enum content_outcome outcome = put(c, run, at);

			/* the dot goes out twice: here, and as the first byte of the next run */
			if (outcome == CONTENT_SENT)
				outcome = put(c, dot, dot + 1);
			if (outcome != CONTENT_SENT)
				return outcome;
			run = at;
		}
		c->last = stop[-1];
	}
	return put(c, run, end);
}

enum content_outcome
content_finish(struct content *c)
{
	static const char line_end[] = "\r\n";

	if (c->last == '\r')
		return CONTENT_UNCLEAN;
	if (c->last == '\n')
		return CONTENT_SENT;
	c->last = '\n';
	return put(c, line_end, line_end + 2);
}

/* fills the block as far as it goes; -1 and errno (0: the end of the file) */
static int
read_block(int fd, char *block, size_t len, uint64_t at)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, block + have, len - have, (off_t)(at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? 0 : errno;
			return -1;
		}
		have += (size_t)n;
	}
	return 0;
}

enum content_outcome
content_send(struct stream *stream, struct span top, int fd, uint64_t at, uint64_t length)
{
	static char block[CONTENT_BLOCK];
	struct content c;
	enum content_outcome outcome;

	content_start(&c, stream);
	outcome = content_put(&c, top);
	while (outcome == CONTENT_SENT && length > 0) {
		size_t len = length < sizeof(block) ? (size_t)length : sizeof(block);

		if (read_block(fd, block, len, at) == -1)
			return CONTENT_UNREADABLE;
		outcome = content_put(&c, span_from(block, len));
		at += len;
		length -= len;
	}
	return outcome == CONTENT_SENT ? content_finish(&c) : outcome;
}
