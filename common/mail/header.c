/*
 * header - see the header.  RFC 5322, section 2.2; obsolete blanks before the colon are read (section 4.5.8)
 */
#include "common/mail/header.h"

/* the length of the line at the front, its line end too */
static size_t
line_length(struct span text)
{
	const char *end = memchr(text.at, '\n', text.len);

	return end == NULL ? text.len : (size_t)(end - text.at) + 1;
}

static bool
is_empty_line(struct span text)
{
	return (text.len >= 1 && text.at[0] == '\n') ||
	       (text.len >= 2 && text.at[0] == '\r' && text.at[1] == '\n');
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* the name at the front of a line (ftext: printable but the colon), and where its value begins; false: no field */
static bool
field_name(struct span line, struct span *name, size_t *value_at)
{
	size_t n = 0;
	size_t colon;

	while (n < line.len && line.at[n] > 0x20 && line.at[n] < 0x7f && line.at[n] != ':')
		n++;
	for (colon = n; colon < line.len && is_blank(line.at[colon]); colon++)
		;
	if (n == 0 || colon == line.len || line.at[colon] != ':')
		return false;
	*name = span_from(line.at, n);
	*value_at = colon + 1;
	return true;
}

static struct span
trim_lines(struct span s)
{
	while (s.len > 0 && (is_blank(s.at[0]) || s.at[0] == '\r' || s.at[0] == '\n'))
		s = span_skip(s, 1);
	while (s.len > 0 &&
	       (is_blank(s.at[s.len - 1]) || s.at[s.len - 1] == '\r' || s.at[s.len - 1] == '\n'))
		s.len--;
	return s;
}

bool
header_field(struct span *rest, struct span *name, struct span *value, struct span *whole)
{
	struct span text = *rest;
	size_t len, value_at;

	if (text.len == 0 || is_empty_line(text))
		return false;
	len = line_length(text);
	if (!field_name(span_from(text.at, len), name, &value_at))
		return false;
	while (len < text.len && is_blank(text.at[len]))
		len += line_length(span_skip(text, len));
	*value = trim_lines(span_from(text.at + value_at, len - value_at));
	if (whole != NULL)
		*whole = span_from(text.at, len);
	*rest = span_skip(text, len);
	return true;
}

bool
header_find(struct span header, const char *name, struct span *value)
{
	struct span wanted = span_of(name);
	struct span found, v;

	while (header_field(&header, &found, &v, NULL)) {
		if (span_equal_nocase(found, wanted)) {
			*value = v;
			return true;
		}
	}
	return false;
}

size_t
header_end(struct span text)
{
	size_t at = 0;

	while (at < text.len) {
		struct span rest = span_skip(text, at);

		if (is_empty_line(rest))
			return at + line_length(rest);
		at += line_length(rest);
	}
	return text.len;
}
