/*
 * content - the decoder of DATA beside one that goes byte by byte: the same end, the same content, the same verdicts, however the
 * bytes are cut into pieces
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "smtpd/content.h"

#define INPUT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct expected {
	bool is_done, has_bare, has_nul, has_high;
	size_t used;
	char text[2 * INPUT_MAX];
	size_t len;
};

/* the whole input lies there: the end is what RFC 5321 says, each line is looked at on its own */
static void
decode_slowly(const char *in, size_t size, struct expected *e)
{
	size_t at = 0;
	bool line_start = true;

	memset(e, 0, sizeof(*e));
	while (at < size) {
		if (line_start && size - at >= 3 && memcmp(in + at, ".\r\n", 3) == 0) {
			e->is_done = true;
			e->used = at + 3;
			return;
		}
		if (line_start && in[at] == '.') {
			line_start = false;
			at++;
			continue;
		}
		line_start = false;
		if (in[at] == '\r' && at + 1 < size && in[at + 1] == '\n') {
			memcpy(e->text + e->len, "\r\n", 2);
			e->len += 2;
			at += 2;
			line_start = true;
		} else if (in[at] == '\r' || in[at] == '\n') {
			e->has_bare = true;
			memcpy(e->text + e->len, "\r\n", 2);
			e->len += 2;
			at++;
		} else {
			e->has_nul = e->has_nul || in[at] == '\0';
			e->has_high = e->has_high || (unsigned char)in[at] >= 0x80;
			e->text[e->len++] = in[at++];
		}
	}
	e->used = size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct expected e;
	static char out[CONTENT_OUT_MAX];
	static char back[2 * INPUT_MAX];
	struct content c;
	size_t at = 0, used;
	bool done = false;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	bool may_repair = data[0] & 1;
	size_t step = (size_t)(data[0] >> 1) + 1;
	const char *in = (const char *)data + 1;
	size--;
	decode_slowly(in, size, &e);

	int fd = memfd_create("content", MFD_CLOEXEC);
	if (fd < 0 || content_start(&c, fd, out) == -1)
		abort();
	c.may_repair = may_repair;
	while (!done && at < size) {
		size_t n = step < size - at ? step : size - at;
		char *piece = malloc(n);
		if (piece == NULL)
			abort();
		memcpy(piece, in + at, n);
		done = content_scan(&c, span_from(piece, n), &used);
		free(piece);
		at += used;
		step = step * 5 % 61 + 1;
	}
	content_finish(&c);
	/* without the end the two may still differ by what a last CR or dot will turn out to be */
	assert(done == e.is_done);
	if (done) {
		assert(at == e.used);
		assert(c.has_bare == e.has_bare);
		if (!e.has_bare || may_repair) {
			assert(c.size == e.len);
			assert(c.has_nul == e.has_nul);
			if (!e.has_nul) {
				assert(c.has_high == e.has_high);
				assert(pread(fd, back, sizeof(back), 0) == (ssize_t)e.len);
				assert(memcmp(back, e.text, e.len) == 0);
				assert(content_checksum(&c) == checksum_of(e.text, e.len));
			}
		}
	}
	content_free(&c);
	close(fd);
	return 0;
}
