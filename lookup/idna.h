/*
 * idna - the names of domains as DNS and the configuration spell them
 *
 * Called by routes.c.  An address of RFC 6531 may name its domain in UTF-8 (U-labels); tables, blocks and DNS know the same domain by its
 * A-labels (RFC 5890, section 2.3.2.1; mapped as UTS #46 says, not transitional).
 */
#ifndef LOOKUP_IDNA_H
#define LOOKUP_IDNA_H

#include <stddef.h>

#include "common/text/span.h"

/* idna_is_needed - has it bytes above 127? */
bool idna_is_needed(struct span domain);
/*
 * idna_ascii - the A-labels of `domain` in `to` (`size` bytes, at least ADDRESS_DOMAIN_MAX + 1), lower case; their length, or -1: no name of a
 * domain can be spelled so.
 */
int idna_ascii(struct span domain, char *to, size_t size) __attribute__((warn_unused_result));

#endif
