/*
 * content - see the header
 *
 * Bytes go out in runs as long as they can be: a run ends only at a line that begins with a dot.  A block of
 * the file without such a line is handed to the kernel from where it was read.
 */
#include "delivery/content.h"

#include <errno.h>
#include <unistd.h>

#include "common/mail/header.h"
#include "common/system/clock.h"
#include "common/text/utf8.h"

void
content_start(struct content *c, struct stream *stream, bool is_counted)
{
	c->stream = stream;
	c->is_counted = is_counted;
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
		if (c->last == '\n' && *at == '.' && !c->is_counted) {
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

static char block[CONTENT_BLOCK]; /* one message at a time in a process */

int
content_size(const struct content_source *from, uint64_t *size)
{
	char end[2] = {'\r', '\n'};
	size_t len = from->length < sizeof(end) ? (size_t)from->length : sizeof(end);

	*size = from->top.len + from->length;
	if (read_block(from->fd, end + sizeof(end) - len, len, from->at + from->length - len) == -1)
		return -1;
	/* as content_finish does it: of a line end alone all is said */
	if (*size > 0 && end[1] != '\n')
		*size += 2;
	return 0;
}

bool
content_header_is_ascii(const struct content_source *from)
{
	size_t len = from->length < sizeof(block) ? (size_t)from->length : sizeof(block);
	struct span header;

	if (read_block(from->fd, block, len, from->at) == -1)
		return false;
	header = span_from(block, len);
	header.len = header_end(header);
	if (header.len == len && len < from->length)
		return false;
	return !utf8_is_needed(from->top) && !utf8_is_needed(header);
}

enum content_outcome
content_send(struct stream *stream, const struct content_source *from, bool is_counted)
{
	struct content c;
	enum content_outcome outcome;
	uint64_t at = from->at, length = from->length;

	content_start(&c, stream, is_counted);
	outcome = content_put(&c, from->top);
	while (outcome == CONTENT_SENT && length > 0) {
		size_t len = length < sizeof(block) ? (size_t)length : sizeof(block);

		if (read_block(from->fd, block, len, at) == -1)
			return CONTENT_UNREADABLE;
		outcome = content_put(&c, span_from(block, len));
		at += len;
		length -= len;
	}
	return outcome == CONTENT_SENT ? content_finish(&c) : outcome;
}
