/*
 * span - bytes that belong to somebody else
 *
 * A span never owns what it points to and is never NUL-terminated.  Everything that comes from
 * outside is a span until it has been checked and copied.
 */
#ifndef COMMON_TEXT_SPAN_H
#define COMMON_TEXT_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
#define SPAN_NONE ((struct span){"", 0})
/* for a "%.*s" of printf */
#define SPAN_ARG(s) (int)(s).len, (s).at

static inline struct span
span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

static inline struct span
span_from(const char *at, size_t len)
{
	return (struct span){at, len};
}

bool span_equal(struct span a, struct span b);
/* ASCII letters only, whatever the locale */
bool span_equal_nocase(struct span a, struct span b);
bool span_starts(struct span s, struct span with);
bool span_starts_nocase(struct span s, struct span with);
bool span_ends(struct span s, struct span with);
bool span_has(struct span s, char c);

/*
 * span_cut - what stands before the first `c`; *rest becomes what stands behind it
 *
 * Without a `c` all of *rest is returned, and *rest becomes empty.
 */
struct span span_cut(struct span *rest, char c);
/* the next word of *rest, words being parted by blanks and tabs; empty at the end */
struct span span_word(struct span *rest);
/* without blanks and tabs at both ends */
struct span span_trim(struct span s);
/* `n` bytes from the front are dropped (all, if there are fewer) */
struct span span_skip(struct span s, size_t n);

/* span_copy - into a C string of `size` bytes; -1 (and an empty string) if it is too long or holds a NUL */
int span_copy(struct span s, char *to, size_t size) __attribute__((warn_unused_result));

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

#endif
