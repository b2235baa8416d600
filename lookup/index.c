/*
 * index - see index.h; open addressing, half full at most
 */
#include "lookup/index.h"

#include <stdlib.h>

#include "common/text/checksum.h"

#define SLOTS_LEAST 16

int
index_init(struct index *x, size_t count, struct span (*key)(const void *owner, size_t number),
	   const void *owner)
{
	*x = (struct index){.slot_count = SLOTS_LEAST, .key = key, .owner = owner};
	while (x->slot_count < 2 * count)
		x->slot_count *= 2;
	x->slots = calloc(x->slot_count, sizeof(*x->slots));
	return x->slots != NULL ? 0 : -1;
}

void
index_free(struct index *x)
{
	free(x->slots);
	x->slots = NULL;
}

/* the slot where `key` is, or would be */
static uint32_t *
slot_of(const struct index *x, struct span key)
{
	size_t i = checksum_of(key.at, key.len) & (x->slot_count - 1);

	while (x->slots[i] != 0 && !span_equal(x->key(x->owner, x->slots[i] - 1), key))
		i = (i + 1) & (x->slot_count - 1);
	return &x->slots[i];
}

bool
index_add(struct index *x, size_t number)
{
	uint32_t *slot = slot_of(x, x->key(x->owner, number));

	if (*slot != 0)
		return false;
	*slot = (uint32_t)number + 1;
	return true;
}

int64_t
index_find(const struct index *x, struct span key)
{
	return (int64_t)*slot_of(x, key) - 1;
}
