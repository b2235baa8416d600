/*
 * escape - see escape.h
 */
#include "common/text/escape.h"

#include <stdint.h>

static bool
is_plain(unsigned char c)
{
	return c >= 0x21 && c <= 0x7e && c != '"' && c != '\\';
}

static bool
is_quotable(unsigned char c)
{
	return c == ' ' || is_plain(c);
}

void
escape_word(struct buffer *to, struct span s)
{
	size_t plain = 0;
	while (plain < s.len && is_plain((unsigned char)s.at[plain]))
		plain++;
	if (plain == s.len && s.len > 0) {
		buffer_span(to, s);
		return;
	}
	buffer_char(to, '"');
	for (size_t i = 0; i < s.len;) {
		size_t run = i;
		while (run < s.len && is_quotable((unsigned char)s.at[run]))
			run++;
		buffer_add(to, s.at + i, run - i);
		i = run;
		if (i == s.len)
			break;
		unsigned char c = (unsigned char)s.at[i++];
		if (c == '"' || c == '\\') {
			buffer_char(to, '\\');
			buffer_char(to, (char)c);
		} else {
			static const char hex[] = "0123456789abcdef";
			char coded[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
			buffer_add(to, coded, sizeof(coded));
		}
	}
	buffer_char(to, '"');
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* the byte that an escape stands for; *i stands behind the backslash and is moved over it; -1: none that we write */
static int
escaped_byte(struct span s, size_t *i)
{
	if (*i >= s.len)
		return -1;
	char c = s.at[(*i)++];
	if (c == '"' || c == '\\')
		return c;
	if (c != 'x' || s.len - *i < 2)
		return -1;
	int high = hex_value(s.at[*i]), low = hex_value(s.at[*i + 1]);
	*i += 2;
	if (high < 0 || low < 0)
		return -1;
	int byte = high << 4 | low;
	return byte == '"' || byte == '\\' || is_quotable((unsigned char)byte) ? -1 : byte;
}

static int
unescape_quoted(struct span s, size_t *used, struct buffer *to)
{
	size_t i = 1; /* behind the quote */
	while (i < s.len && s.at[i] != '"') {
		size_t run = i;
		while (run < s.len && is_quotable((unsigned char)s.at[run]))
			run++;
		buffer_add(to, s.at + i, run - i);
		i = run;
		if (i >= s.len)
			return -1;
		if (s.at[i] == '\\') {
			i++;
			int byte = escaped_byte(s, &i);
			if (byte < 0)
				return -1;
			buffer_char(to, (char)byte);
		} else if (s.at[i] != '"') {
			return -1;
		}
	}
	if (i >= s.len)
		return -1;
	*used = i + 1;
	return 0;
}

int
unescape_word(struct span *rest, struct buffer *to)
{
	size_t used = 0;
	if (rest->len == 0)
		return -1;
	if (rest->at[0] == '"') {
		if (unescape_quoted(*rest, &used, to) < 0)
			return -1;
	} else {
		while (used < rest->len && is_plain((unsigned char)rest->at[used]))
			used++;
		if (used == 0)
			return -1;
		buffer_add(to, rest->at, used);
	}
	if (to->failed || (used < rest->len && rest->at[used] != ' '))
		return -1;
	*rest = span_skip(*rest, used + 1);
	return 0;
}

/* how many bytes at the front are one UTF-8 character (RFC 3629); 0: they are none */
static size_t
utf8_length(struct span s)
{
	const unsigned char *c = (const unsigned char *)s.at;
	size_t len = c[0] < 0x80   ? 1
		     : c[0] < 0xc2 ? 0
		     : c[0] < 0xe0 ? 2
		     : c[0] < 0xf0 ? 3
		     : c[0] < 0xf5 ? 4
				   : 0;
	if (len == 0 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return len;
}

void
escape_json(struct buffer *to, struct span s)
{
	while (s.len > 0) {
		unsigned char c = (unsigned char)s.at[0];
		size_t len = utf8_length(s);
		if (c == '"' || c == '\\') {
			buffer_char(to, '\\');
			buffer_char(to, (char)c);
		} else if (c < 0x20 || c == 0x7f) {
			buffer_format(to, "\\u%04x", c);
		} else if (len == 0) {
			buffer_string(to, "\\ufffd");
			len = 1;
		} else {
			buffer_add(to, s.at, len);
		}
		s = span_skip(s, len);
	}
}
