/*
 * utf8 - is it UTF-8, and does it need to be (RFC 3629)
 */
#ifndef COMMON_TEXT_UTF8_H
#define COMMON_TEXT_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text/span.h"

/* no overlong form, no surrogate, nothing above U+10FFFF; ASCII is UTF-8 */
bool utf8_is_valid(struct span s);
/* utf8_next - takes the first character off *rest; -1: it is none, or there is no more */
int utf8_next(struct span *rest, uint32_t *point) __attribute__((warn_unused_result));
/* the bytes of a character up to U+10FFFF, into `to`; how many */
size_t utf8_put(uint32_t point, char to[4]);
/* a byte above 127 */
bool utf8_is_needed(struct span s);

#endif
