/*
 * human - see culver/human.h
 */
#include "culver/human.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void
human_size(uint64_t bytes, char text[HUMAN_MAX])
{
	static const char units[] = " KMGTPE";
	uint64_t tenths = bytes * 10;
	size_t unit = 0;
	if (bytes < 1024) {
		snprintf(text, HUMAN_MAX, "%" PRIu64, bytes);
		return;
	}
	if (bytes > UINT64_MAX / 10) {
		bytes /= 1024;
		tenths = bytes * 10;
		unit = 1;
	}
	while (tenths >= 10240) {
		tenths = (tenths + 512) / 1024;
		unit++;
	}
	if (tenths < 100)
		snprintf(text, HUMAN_MAX, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
			 units[unit]);
	else
		snprintf(text, HUMAN_MAX, "%" PRIu64 "%c", (tenths + 5) / 10, units[unit]);
}

void
human_age(int64_t ms, char text[HUMAN_MAX])
{
	int64_t s = ms < 0 ? 0 : ms / 1000, m = s / 60, h = m / 60, d = h / 24;
	if (d > 0 && h % 24 != 0 && d < 10)
		snprintf(text, HUMAN_MAX, "%" PRId64 "d%" PRId64 "h", d, h % 24);
	else if (d > 0)
		snprintf(text, HUMAN_MAX, "%" PRId64 "d", d);
	else if (h > 0 && m % 60 != 0)
		snprintf(text, HUMAN_MAX, "%" PRId64 "h%" PRId64 "m", h, m % 60);
	else if (h > 0)
		snprintf(text, HUMAN_MAX, "%" PRId64 "h", h);
	else if (m > 0)
		snprintf(text, HUMAN_MAX, "%" PRId64 "m", m);
	else
		snprintf(text, HUMAN_MAX, "%" PRId64 "s", s);
}

void
human_step(int64_t us, char text[HUMAN_MAX])
{
	int64_t ms = us < 0 ? 0 : us / 1000, s = ms / 1000, m = s / 60, h = m / 60;
	if (s < 10)
		snprintf(text, HUMAN_MAX, "+%" PRId64 ".%03" PRId64 "s", s, ms % 1000);
	else if (m == 0)
		snprintf(text, HUMAN_MAX, "+%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
	else if (h == 0)
		snprintf(text, HUMAN_MAX, "+%" PRId64 "m%02" PRId64 "s", m, s % 60);
	else if (h < 24)
		snprintf(text, HUMAN_MAX, "+%" PRId64 "h%02" PRId64 "m", h, m % 60);
	else
		snprintf(text, HUMAN_MAX, "+%" PRId64 "d%" PRId64 "h", h / 24, h % 24);
}

static void
put_byte(struct buffer *to, char c)
{
	if (c == '\\')
		buffer_string(to, "\\\\");
	else if (c >= 0x20 && c < 0x7f)
		buffer_char(to, c);
	else
		buffer_format(to, "\\x%02x", (unsigned char)c);
}

void
human_text(struct buffer *to, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		put_byte(to, s.at[i]);
}

void
human_lines(struct buffer *to, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '\n' || s.at[i] == '\t')
			buffer_char(to, s.at[i]);
		else if (s.at[i] != '\r' || i + 1 == s.len || s.at[i + 1] != '\n')
			put_byte(to, s.at[i]);
	}
}

void
human_path(struct buffer *to, struct span address)
{
	buffer_char(to, '<');
	human_text(to, address);
	buffer_char(to, '>');
}

int
human_print(struct buffer *b)
{
	bool whole = !b->failed;
	size_t written = fwrite(buffer_get(b).at, 1, b->len, stdout);
	if (written == b->len && whole) {
		buffer_clear(b);
		return 0;
	}
	fprintf(stderr, "culver: cannot write: %s\n", whole ? strerror(errno) : "memory is out");
	return -1;
}
