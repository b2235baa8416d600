/*
 * buffer - see buffer.h
 */
#include "common/text/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

void
buffer_init(struct buffer *b, size_t max)
{
	*b = (struct buffer){.max = max};
}

void
buffer_free(struct buffer *b)
{
	free(b->at);
	*b = (struct buffer){.max = b->max};
}

void
buffer_clear(struct buffer *b)
{
	b->len = 0;
	b->failed = false;
}

/* room for `n` more bytes; the size doubles, up to the maximum */
static bool
grow(struct buffer *b, size_t n)
{
	if (b->failed)
		return false;
	if (n <= b->size - b->len)
		return true;
	if (n > b->max - b->len) {
		b->failed = true;
		return false;
	}
	size_t size = b->size < FIRST_SIZE ? FIRST_SIZE : b->size;
	while (size < b->len + n)
		size *= 2;
	if (size > b->max)
		size = b->max;
	char *at = realloc(b->at, size);
	if (at == NULL) {
		b->failed = true;
		return false;
	}
	b->at = at;
	b->size = size;
	return true;
}

void
buffer_add(struct buffer *b, const void *at, size_t len)
{
	if (len == 0 || !grow(b, len))
		return;
	memcpy(b->at + b->len, at, len);
	b->len += len;
}

void
buffer_span(struct buffer *b, struct span s)
{
	buffer_add(b, s.at, s.len);
}

void
buffer_string(struct buffer *b, const char *text)
{
	buffer_add(b, text, strlen(text));
}

void
buffer_char(struct buffer *b, char c)
{
	buffer_add(b, &c, 1);
}

void
buffer_format(struct buffer *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	size_t room = b->size - b->len;
	int n = vsnprintf(b->at != NULL ? b->at + b->len : NULL, room, format, args);
	va_end(args);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n < room && !b->failed) {
		b->len += (size_t)n;
	} else if (grow(b, (size_t)n + 1)) { /* one more: vsnprintf ends with a NUL */
		vsnprintf(b->at + b->len, (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void
buffer_consume(struct buffer *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->at, b->at + n, b->len - n);
	b->len -= n;
}

char *
buffer_reserve(struct buffer *b, size_t n)
{
	return grow(b, n) ? b->at + b->len : NULL;
}
