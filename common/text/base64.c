/*
 * base64 - see base64.h
 */
#include "common/text/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct span s, char *to)
{
	const unsigned char *at = (const unsigned char *)s.at;
	size_t n = 0;

	for (size_t i = 0; i < s.len; i += 3) {
		size_t have = s.len - i < 3 ? s.len - i : 3;
		uint32_t bits = (uint32_t)at[i] << 16;

		if (have > 1)
			bits |= (uint32_t)at[i + 1] << 8;
		if (have > 2)
			bits |= at[i + 2];
		to[n++] = alphabet[bits >> 18];
		to[n++] = alphabet[bits >> 12 & 63];
		to[n++] = '=';
		to[n++] = '=';
		if (have > 1)
			to[n - 2] = alphabet[bits >> 6 & 63];
		if (have > 2)
			to[n - 1] = alphabet[bits & 63];
	}
	to[n] = '\0';
}

/* 0 to 63; -1: not of the alphabet.  No table: an index that is a secret's byte would show in the cache. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int
base64_decode(struct span text, void *to, size_t size)
{
	unsigned char *out = to;
	size_t n = 0, padding = 0;

	if (text.len % 4 != 0)
		return -1;
	while (padding < 2 && padding < text.len && text.at[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len; i += 4) {
		bool is_last = i + 4 == text.len;
		size_t digits = is_last ? 4 - padding : 4;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k < digits ? value_of(text.at[i + k]) : 0;
			if (value < 0)
				return -1;
			bits = bits << 6 | (uint32_t)value;
		}
		/* bits that no byte takes */
		if ((digits == 2 && (bits & 0xffff) != 0) || (digits == 3 && (bits & 0xff) != 0))
			return -1;
		for (size_t k = 0; k + 1 < digits; k++) {
			if (n == size)
				return -1;
			out[n++] = (unsigned char)(bits >> (16 - 8 * k));
		}
	}
	return (int)n;
}
