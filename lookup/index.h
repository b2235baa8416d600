/*
 * index - from a key to the number of its entry: for the modules that read their entries whole
 */
#ifndef LOOKUP_INDEX_H
#define LOOKUP_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

struct index {
	uint32_t *slots; /* number + 1 of the entry, 0: free; a power of two of them */
	size_t slot_count;
	struct span (*key)(const void *owner, size_t number);
	const void *owner;
};

/* index_init - for `count` entries; -1: out of memory */
int index_init(struct index *x, size_t count, struct span (*key)(const void *owner, size_t number),
	       const void *owner) __attribute__((warn_unused_result));
void index_free(struct index *x);
/* index_add - false: an entry of that key is there already, and stays */
bool index_add(struct index *x, size_t number);
/* index_find - the number; -1: there is none */
int64_t index_find(const struct index *x, struct span key);

#endif
