/*
 * arena - memory of one transaction, freed whole
 *
 * Allocations are aligned for any type and zeroed.  NULL when the maximum is reached or memory is out:
 * the caller answers as for a full system, it never falls through.
 */
#ifndef COMMON_TEXT_ARENA_H
#define COMMON_TEXT_ARENA_H

#include <stddef.h>

#include "common/text/span.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used; /* bytes given out, all blocks */
	size_t max;
};

void arena_init(struct arena *a, size_t max);
void *arena_alloc(struct arena *a, size_t size);
/* a copy with a NUL behind it (not counted in len); at == NULL when there is no memory */
struct span arena_span(struct arena *a, struct span s);
char *arena_string(struct arena *a, struct span s);
/* everything given out is gone; one block is kept for the next transaction */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
