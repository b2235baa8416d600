/*
 * checksum - XXH3, 64 bits: against torn pages and bad disks, not against an adversary
 */
#ifndef COMMON_TEXT_CHECKSUM_H
#define COMMON_TEXT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

struct checksum; /* of bytes that come piece by piece */

/* checksum_new - NULL when memory is out */
struct checksum *checksum_new(void);
void checksum_free(struct checksum *c);
void checksum_start(struct checksum *c);
void checksum_add(struct checksum *c, const void *at, size_t len);
uint64_t checksum_value(const struct checksum *c);

/* of bytes that are all there */
uint64_t checksum_of(const void *at, size_t len);
/* the check word of one journal line: the low 32 bits, seeded with the id of its message */
uint32_t checksum_word(struct span line, uint64_t seed);

#endif
