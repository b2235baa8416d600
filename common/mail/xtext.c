/*
 * xtext - see xtext.h; read by smtpd/envelope.c from strangers, written by delivery/transaction.c and bounce/notice.c
 */
#include "common/mail/xtext.h"

#include <stdint.h>

#include "common/text/number.h"
#include "common/text/utf8.h"

#define HEX_MAX 6 /* digits of a character */

static bool
is_printable(uint64_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* xchar of RFC 3461: printable without blank, + and = */
static bool
is_xchar(char c)
{
	return c > 0x20 && c <= 0x7e && c != '+' && c != '=';
}

int
xtext_decode(struct span text, struct buffer *to)
{
	size_t begin = to->len;

	for (size_t i = 0; i < text.len; i++) {
		uint64_t byte = (unsigned char)text.at[i];
		if (byte == '+') {
			if (text.len - i < 3 ||
			    number_parse_hex(span_from(text.at + i + 1, 2), &byte) < 0 ||
			    !is_printable(byte))
				goto wrong;
			i += 2;
		} else if (!is_xchar(text.at[i])) {
			goto wrong;
		}
		buffer_char(to, (char)byte);
	}
	if (text.len > 0 && !to->failed)
		return 0;
wrong:
	to->len = begin;
	return -1;
}

void
xtext_encode(struct span value, struct buffer *to)
{
	for (size_t i = 0; i < value.len; i++) {
		if (is_xchar(value.at[i]))
			buffer_char(to, value.at[i]);
		else
			buffer_format(to, "+%02X", (unsigned)(unsigned char)value.at[i]);
	}
}

/* ---- addresses of type utf-8 ---- */

/* QCHAR of RFC 6533 */
static bool
is_qchar(uint32_t point)
{
	return point < 0x80 && is_xchar((char)point) && point != '\\';
}

/* \x{HEX} at the front of *rest: HEXPOINT has no leading zeros, and stands for nothing that could stand plain */
static int
take_hex_point(struct span *rest, uint32_t *point)
{
	struct span digits;
	uint64_t value;

	if (!span_starts(*rest, SPAN("\\x{")) || !span_has(*rest, '}'))
		return -1;
	*rest = span_skip(*rest, 3);
	digits = span_cut(rest, '}');
	if (digits.len < 2 || digits.len > HEX_MAX || digits.at[0] == '0' ||
	    number_parse_hex(digits, &value) < 0 || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return -1;
	/* the RFC would let control characters pass: no address has them */
	if (value <= 0x7f && (is_qchar((uint32_t)value) || !is_printable(value)))
		return -1;
	*point = (uint32_t)value;
	return 0;
}

static int
decode_utf8(struct span text, bool may_utf8, struct buffer *to)
{
	char bytes[4];
	uint32_t point;

	while (text.len > 0) {
		if (text.at[0] == '\\') {
			if (take_hex_point(&text, &point) < 0)
				return -1;
		} else if (utf8_next(&text, &point) < 0 ||
			   (point < 0x80 ? !is_qchar(point) : !may_utf8)) {
			return -1;
		}
		buffer_add(to, bytes, utf8_put(point, bytes));
	}
	return 0;
}

static void
encode_utf8(struct span text, bool may_utf8, struct buffer *to)
{
	char bytes[4];
	uint32_t point;

	while (text.len > 0) {
		if (utf8_next(&text, &point) < 0) {
			point = 0xfffd;
			text = span_skip(text, 1);
		}
		if (point < 0x80 ? is_qchar(point) : may_utf8)
			buffer_add(to, bytes, utf8_put(point, bytes));
		else
			buffer_format(to, "\\x{%02X}", (unsigned)point);
	}
}

void
xtext_utf8_encode(struct span address, struct buffer *to)
{
	encode_utf8(address, false, to);
}

/* ---- ORCPT ---- */

/* letters, digits and hyphens: what the registered address types are made of */
static bool
is_type(struct span type)
{
	if (type.len == 0 || type.len > XTEXT_TYPE_MAX)
		return false;
	for (size_t i = 0; i < type.len; i++) {
		char c = ascii_lower(type.at[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

int
xtext_orcpt_decode(struct span value, bool may_utf8, struct buffer *to)
{
	size_t begin = to->len;
	struct span text = value;
	struct span type = span_cut(&text, ';');
	int wrong;

	if (text.len == 0 || !is_type(type))
		return -1;
	for (size_t i = 0; i < type.len; i++)
		buffer_char(to, ascii_lower(type.at[i]));
	buffer_char(to, ';');
	if (span_equal_nocase(type, SPAN("utf-8")))
		wrong = decode_utf8(text, may_utf8, to);
	else
		wrong = xtext_decode(text, to);
	if (wrong == 0 && !to->failed)
		return 0;
	to->len = begin;
	return -1;
}

void
xtext_orcpt_encode(struct span orcpt, bool may_utf8, struct buffer *to)
{
	struct span address = orcpt;
	struct span type = span_cut(&address, ';');

	buffer_span(to, type);
	buffer_char(to, ';');
	if (span_equal(type, SPAN("utf-8")))
		encode_utf8(address, may_utf8, to);
	else
		xtext_encode(address, to);
}
