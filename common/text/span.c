/*
 * span - see span.h
 */
#include "common/text/span.h"

bool
span_equal(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

bool
span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && span_starts_nocase(a, b);
}

bool
span_starts(struct span s, struct span with)
{
	return s.len >= with.len && memcmp(s.at, with.at, with.len) == 0;
}

bool
span_starts_nocase(struct span s, struct span with)
{
	if (s.len < with.len)
		return false;
	for (size_t i = 0; i < with.len; i++)
		if (ascii_lower(s.at[i]) != ascii_lower(with.at[i]))
			return false;
	return true;
}

bool
span_ends(struct span s, struct span with)
{
	return s.len >= with.len && memcmp(s.at + s.len - with.len, with.at, with.len) == 0;
}

bool
span_has(struct span s, char c)
{
	return s.len > 0 && memchr(s.at, c, s.len) != NULL;
}

struct span
span_cut(struct span *rest, char c)
{
	const char *found = rest->len > 0 ? memchr(rest->at, c, rest->len) : NULL;
	if (found == NULL) {
		struct span all = *rest;
		*rest = span_skip(*rest, rest->len);
		return all;
	}
	struct span before = {rest->at, (size_t)(found - rest->at)};
	*rest = span_skip(*rest, before.len + 1);
	return before;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span
span_word(struct span *rest)
{
	while (rest->len > 0 && is_blank(rest->at[0]))
		*rest = span_skip(*rest, 1);
	struct span word = {rest->at, 0};
	while (word.len < rest->len && !is_blank(rest->at[word.len]))
		word.len++;
	*rest = span_skip(*rest, word.len);
	return word;
}

struct span
span_trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0]))
		s = span_skip(s, 1);
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

struct span
span_skip(struct span s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return (struct span){s.at + n, s.len - n};
}

int
span_copy(struct span s, char *to, size_t size)
{
	if (size == 0)
		return -1;
	to[0] = '\0';
	if (s.len >= size || span_has(s, '\0'))
		return -1;
	memcpy(to, s.at, s.len);
	to[s.len] = '\0';
	return 0;
}
