/*
 * utf8 - see utf8.h; called for addresses (RFC 6531), for DSN parameters and notices (RFC 6533)
 */
#include "common/text/utf8.h"

#define POINT_MAX 0x10ffff

int
utf8_next(struct span *rest, uint32_t *point)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	unsigned char first;
	size_t more;
	uint32_t p;

	if (rest->len == 0)
		return -1;
	first = (unsigned char)rest->at[0];
	if (first < 0x80) {
		*point = first;
		*rest = span_skip(*rest, 1);
		return 0;
	}
	more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	if (first < 0xc2 || first > 0xf4 || rest->len <= more)
		return -1;
	p = first & (0x3fu >> more);
	for (size_t k = 1; k <= more; k++) {
		unsigned char next = (unsigned char)rest->at[k];
		if ((next & 0xc0) != 0x80)
			return -1;
		p = p << 6 | (next & 0x3fu);
	}
	if (p < least[more] || p > POINT_MAX || (p >= 0xd800 && p <= 0xdfff))
		return -1;
	*point = p;
	*rest = span_skip(*rest, more + 1);
	return 0;
}

bool
utf8_is_valid(struct span s)
{
	uint32_t point;

	while (s.len > 0)
		if (utf8_next(&s, &point) < 0)
			return false;
	return true;
}

size_t
utf8_put(uint32_t point, char to[4])
{
	static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
	size_t more;

	if (point < 0x80) {
		to[0] = (char)point;
		return 1;
	}
	more = point >= 0x10000 ? 3 : point >= 0x800 ? 2 : 1;
	for (size_t k = more; k > 0; k--, point >>= 6)
		to[k] = (char)(0x80 | (point & 0x3f));
	to[0] = (char)(leads[more] | point);
	return more + 1;
}

bool
utf8_is_needed(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] >= 0x80)
			return true;
	return false;
}
