/*
 * base64 - RFC 4648, section 4, as SASL and SCRAM use it
 *
 * Strict: the alphabet, padding where it must be and nowhere else, unused bits zero; no blanks, no line ends.  So each text that
 * is decoded is the one that encoding gives again.
 */
#ifndef COMMON_TEXT_BASE64_H
#define COMMON_TEXT_BASE64_H

#include <stddef.h>

#include "common/text/span.h"

/* bytes of the encoding of `n` bytes, without a NUL */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4)

/* base64_encode - BASE64_SIZE(s.len) characters and a NUL into `to` */
void base64_encode(struct span s, char *to);
/* base64_decode - at most `size` bytes into `to`; how many, or -1: it is no base64, or has more (then `to` holds nothing of use) */
int base64_decode(struct span text, void *to, size_t size) __attribute__((warn_unused_result));

#endif
