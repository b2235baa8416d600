/*
 * buffer - a growing run of bytes with a hard maximum
 *
 * Failure is sticky: after the first byte that did not fit (or could not be allocated) nothing more
 * is added and `failed` stays set, so that a writer checks once, at the end.
 */
#ifndef COMMON_TEXT_BUFFER_H
#define COMMON_TEXT_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/text/span.h"

struct buffer {
	char *at;    /* owned */
	size_t len;  /* bytes in use */
	size_t size; /* bytes allocated */
	size_t max;  /* never more than this */
	bool failed;
};

void buffer_init(struct buffer *b, size_t max);
void buffer_free(struct buffer *b);
/* empty again, `failed` cleared, memory kept */
void buffer_clear(struct buffer *b);
void buffer_add(struct buffer *b, const void *at, size_t len);
void buffer_span(struct buffer *b, struct span s);
void buffer_string(struct buffer *b, const char *text);
void buffer_char(struct buffer *b, char c);
void buffer_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* drops `n` bytes from the front */
void buffer_consume(struct buffer *b, size_t n);
/* room for `n` more bytes at the end, or NULL (and `failed`); the caller adds to `len` what it wrote */
char *buffer_reserve(struct buffer *b, size_t n);

static inline struct span
buffer_get(const struct buffer *b)
{
	return (struct span){b->at != NULL ? b->at : "", b->len};
}

#endif
