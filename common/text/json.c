/*
 * json - see json.h
 */
#include "common/text/json.h"

#include <stdint.h>

static bool
is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* takes a string with its quotes off *rest; false: there is none, or it does not end */
static bool
take_string(struct span *rest, struct span *inside)
{
	if (rest->len == 0 || rest->at[0] != '"')
		return false;
	size_t i = 1;
	while (i < rest->len && rest->at[i] != '"') {
		if ((unsigned char)rest->at[i] < 0x20)
			return false;
		i += rest->at[i] == '\\' ? 2 : 1;
	}
	if (i >= rest->len)
		return false;
	*inside = span_from(rest->at + 1, i - 1);
	*rest = span_skip(*rest, i + 1);
	return true;
}

static bool
take_number(struct span *rest, struct span *digits)
{
	size_t sign = rest->len > 0 && rest->at[0] == '-' ? 1 : 0, i = sign;
	while (i < rest->len && rest->at[i] >= '0' && rest->at[i] <= '9')
		i++;
	if (i == sign || (i > sign + 1 && rest->at[sign] == '0'))
		return false;
	*digits = span_from(rest->at, i);
	*rest = span_skip(*rest, i);
	return true;
}

enum json_outcome
json_next(struct span *rest, struct json_member *m)
{
	if (rest->len == 0)
		return JSON_MALFORMED;
	char lead = rest->at[0];
	if (lead == '}')
		return rest->len == 1 ? JSON_END : JSON_MALFORMED;
	if (lead != '{' && lead != ',')
		return JSON_MALFORMED;
	*rest = span_skip(*rest, 1);
	if (lead == '{' && span_equal(*rest, SPAN("}")))
		return JSON_END;
	if (!take_string(rest, &m->key) || m->key.len == 0)
		return JSON_MALFORMED;
	for (size_t i = 0; i < m->key.len; i++)
		if (!is_key_char(m->key.at[i]))
			return JSON_MALFORMED;
	if (rest->len == 0 || rest->at[0] != ':')
		return JSON_MALFORMED;
	*rest = span_skip(*rest, 1);
	m->is_string = rest->len > 0 && rest->at[0] == '"';
	bool taken = m->is_string ? take_string(rest, &m->value) : take_number(rest, &m->value);
	if (!taken || rest->len == 0 || (rest->at[0] != ',' && rest->at[0] != '}'))
		return JSON_MALFORMED;
	return JSON_MEMBER;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
take_unit(struct span *rest, uint32_t *unit)
{
	uint32_t value = 0;
	if (rest->len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_value(rest->at[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | (uint32_t)digit;
	}
	*unit = value;
	*rest = span_skip(*rest, 4);
	return 0;
}

static void
add_utf8(struct buffer *to, uint32_t c)
{
	if (c < 0x80) {
		buffer_char(to, (char)c);
	} else if (c < 0x800) {
		buffer_char(to, (char)(0xc0 | c >> 6));
		buffer_char(to, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buffer_char(to, (char)(0xe0 | c >> 12));
		buffer_char(to, (char)(0x80 | (c >> 6 & 0x3f)));
		buffer_char(to, (char)(0x80 | (c & 0x3f)));
	} else {
		buffer_char(to, (char)(0xf0 | c >> 18));
		buffer_char(to, (char)(0x80 | (c >> 12 & 0x3f)));
		buffer_char(to, (char)(0x80 | (c >> 6 & 0x3f)));
		buffer_char(to, (char)(0x80 | (c & 0x3f)));
	}
}

/* what stands behind \u: one unit, or a surrogate pair */
static int
unescape_unit(struct buffer *to, struct span *rest)
{
	uint32_t unit = 0, low = 0;
	if (take_unit(rest, &unit) < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return -1;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		if (!span_starts(*rest, SPAN("\\u")))
			return -1;
		*rest = span_skip(*rest, 2);
		if (take_unit(rest, &low) < 0 || low < 0xdc00 || low > 0xdfff)
			return -1;
		unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(to, unit);
	return 0;
}

int
json_unescape(struct buffer *to, struct span value)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	while (value.len > 0) {
		char c = value.at[0];
		value = span_skip(value, 1);
		if (c != '\\') {
			if (c == '"' || (unsigned char)c < 0x20)
				return -1;
			buffer_char(to, c);
			continue;
		}
		if (value.len == 0)
			return -1;
		c = value.at[0];
		value = span_skip(value, 1);
		const char *found = memchr(letters, c, sizeof(letters) - 1);
		if (c == 'u') {
			if (unescape_unit(to, &value) < 0)
				return -1;
		} else if (found != NULL) {
			buffer_char(to, bytes[found - letters]);
		} else {
			return -1;
		}
	}
	return to->failed ? -1 : 0;
}
