/*
 * number - the one strict parser of numbers
 *
 * The whole field must be digits: no sign, no blanks, no prefix, nothing left over, and the value must
 * lie within min..max.  0 when it does; else -1, and *value is untouched.
 */
#ifndef COMMON_TEXT_NUMBER_H
#define COMMON_TEXT_NUMBER_H

#include <stdint.h>

#include "common/text/span.h"

int number_parse(struct span s, uint64_t min, uint64_t max, uint64_t *value)
	__attribute__((warn_unused_result));
/* upper-case hexadecimal digits, 1 to 16 of them */
int number_parse_hex(struct span s, uint64_t *value) __attribute__((warn_unused_result));
/* bytes: digits, then nothing or one of K M G T (powers of 1024) */
int number_parse_size(struct span s, uint64_t min, uint64_t max, uint64_t *bytes)
	__attribute__((warn_unused_result));
/* milliseconds: digits, then ms, s, m, h, d or w; several may follow one another: 1h30m */
int number_parse_duration(struct span s, uint64_t min, uint64_t max, uint64_t *ms)
	__attribute__((warn_unused_result));

#endif
