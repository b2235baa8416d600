/*
 * content - any bytes, cut in any places, through the relay: what comes out undone is what went in, or nothing ends it
 *
 * The first byte says how the input is cut.  A message that is put whole has no bare CR or LF, and no line of it is a dot alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "delivery/content.h"

#define INPUT_MAX 16384

static void
check(int holds)
{
	if (!holds)
		abort();
}

static bool
is_clean(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\n' && (i == 0 || at[i - 1] != '\r'))
			return false;
		if (at[i] == '\r' && (i + 1 == len || at[i + 1] != '\n'))
			return false;
	}
	return true;
}

/* dots undone as a server does; false when a line is a dot alone */
static bool
undo(const char *at, size_t len, char *to, size_t *to_len)
{
	bool begins = true;

	*to_len = 0;
	for (size_t i = 0; i < len; i++) {
		bool is_dot = begins && at[i] == '.';

		begins = at[i] == '\n';
		if (is_dot && (i + 1 == len || at[i + 1] == '\r'))
			return false;
		if (!is_dot)
			to[(*to_len)++] = at[i];
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[INPUT_MAX * 2 + 2], back[INPUT_MAX * 2 + 2];
	const char *at = (const char *)data + 1;
	enum content_outcome outcome = CONTENT_SENT;
	struct stream stream;
	struct content c;
	int ends[2];
	size_t back_len;
	ssize_t n;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && stream_open(&stream, ends[0]) == 0);
	content_start(&c, &stream, false);
	for (size_t have = 0, step = data[0]; outcome == CONTENT_SENT && have < size - 1;) {
		size_t len = step % 17 + 1 < size - 1 - have ? step % 17 + 1 : size - 1 - have;

		outcome = content_put(&c, span_from(at + have, len));
		have += len;
		step = step * 7 + 3;
	}
	if (outcome == CONTENT_SENT)
		outcome = content_finish(&c);
	check(outcome == CONTENT_SENT || outcome == CONTENT_UNCLEAN);
	check((outcome == CONTENT_SENT) == is_clean(at, size - 1));
	if (outcome == CONTENT_SENT) {
		check(stream_flush(&stream) == STREAM_OK);
		n = recv(ends[1], out, sizeof(out), MSG_DONTWAIT);
		n = n < 0 ? 0 : n;
		check(is_clean(out, (size_t)n));
		check(undo(out, (size_t)n, back, &back_len));
		check(back_len >= size - 1 && back_len <= size + 1 &&
		      memcmp(back, at, size - 1) == 0);
		check(n == 0 || out[n - 1] == '\n');
	}
	stream_close(&stream);
	close(ends[1]);
	return 0;
}
