/*
 * fields - a header with private fields left out beside one that is filtered line by line: the same content, hops and authors, however the bytes are cut
 *
 * The first byte says how they are cut.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "smtpd/content.h"

#define INPUT_MAX 8192
#define RECEIVED "Received: (removed);\r\n\tnow\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct expected {
	uint64_t hops;
	unsigned from;
	size_t len;
	char text[INPUT_MAX * sizeof(RECEIVED)];
};

static bool
is_named(struct span line, const char *name)
{
	struct span rest = line;
	struct span word = span_cut(&rest, ':');

	if (word.len == line.len)
		return false;
	while (word.len > 0 && (word.at[word.len - 1] == ' ' || word.at[word.len - 1] == '\t'))
		word.len--;
	return span_equal_nocase(word, span_of(name));
}

static void
put(struct expected *e, struct span bytes)
{
	memcpy(e->text + e->len, bytes.at, bytes.len);
	e->len += bytes.len;
}

/* names with very many blanks before the colon are left to the unit test */
static bool
is_long_name(struct span line)
{
	const char *colon = memchr(line.at, ':', line.len);

	return colon != NULL && colon - line.at >= FIELDS_NAME_MAX;
}

static bool
filter_slowly(struct span in, struct expected *e)
{
	static const char *const hidden[] = {
		"Bcc",	       "Resent-Bcc",  "X-Originating-IP", "X-Originating-Client",
		"X-Client-IP", "X-Sender-IP", "X-Forwarded-For",  "User-Agent",
		"X-Mailer",    "X-MimeOLE",   "X-PHP-Script",	  "X-PHP-Originating-Script"};
	bool is_hidden = false, in_header = true;

	memset(e, 0, sizeof(*e));
	while (in.len > 0) {
		const char *end = memmem(in.at, in.len, "\r\n", 2);
		struct span line =
			span_from(in.at, end != NULL ? (size_t)(end - in.at) + 2 : in.len);

		in = span_skip(in, line.len);
		in_header = in_header && !span_equal(line, SPAN("\r\n"));
		if (in_header && line.at[0] != ' ' && line.at[0] != '\t') {
			if (is_long_name(line))
				return false;
			is_hidden = is_named(line, "Received");
			if (is_hidden)
				put(e, SPAN(RECEIVED));
			e->hops += is_hidden;
			e->from += is_named(line, "From");
			for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
				is_hidden = is_hidden || is_named(line, hidden[i]);
		}
		if (!in_header || !is_hidden)
			put(e, line);
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[CONTENT_OUT_MAX], back[sizeof(((struct expected *)0)->text)];
	static struct expected e;
	static struct author from, sender;
	struct content c;
	size_t used;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	size_t step = (size_t)data[0] + 1;
	struct span in = span_from((const char *)data + 1, size - 1);
	if (!filter_slowly(in, &e))
		return 0;
	int fd = memfd_create("fields", MFD_CLOEXEC);
	if (fd < 0 || content_start(&c, fd, out) == -1)
		abort();
	memset(&from, 0, sizeof(from));
	memset(&sender, 0, sizeof(sender));
	c.is_counted = true;
	c.fields.is_private = true;
	c.fields.received = SPAN(RECEIVED);
	c.fields.from = &from;
	c.fields.sender = &sender;
	while (in.len > 0) {
		size_t n = step < in.len ? step : in.len;
		char *piece = malloc(n);
		if (piece == NULL)
			abort();
		memcpy(piece, in.at, n);
		bool done = content_scan(&c, span_from(piece, n), &used);
		assert(!done && used == n);
		free(piece);
		in = span_skip(in, n);
		step = step * 5 % 61 + 1;
	}
	content_finish(&c);
	assert(from.len <= FIELDS_AUTHOR_MAX && sender.len <= FIELDS_AUTHOR_MAX);
	if (!c.has_bare && !c.has_nul) {
		assert(c.size == e.len && c.fields.hops == e.hops && from.count == e.from);
		assert(pread(fd, back, sizeof(back), 0) == (ssize_t)e.len);
		assert(memcmp(back, e.text, e.len) == 0);
		assert(content_checksum(&c) == checksum_of(e.text, e.len));
	}
	content_free(&c);
	close(fd);
	return 0;
}
