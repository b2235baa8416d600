/*
 * checksum - see checksum.h; XXH3 of libxxhash, used as a header alone
 */
#include "common/text/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct checksum {
	XXH3_state_t *state;
};

struct checksum *
checksum_new(void)
{
	struct checksum *c = malloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	c->state = XXH3_createState();
	if (c->state == NULL) {
		free(c);
		return NULL;
	}
	checksum_start(c);
	return c;
}

void
checksum_free(struct checksum *c)
{
	if (c == NULL)
		return;
	XXH3_freeState(c->state);
	free(c);
}

void
checksum_start(struct checksum *c)
{
	XXH3_64bits_reset(c->state);
}

void
checksum_add(struct checksum *c, const void *at, size_t len)
{
	XXH3_64bits_update(c->state, at, len);
}

uint64_t
checksum_value(const struct checksum *c)
{
	return XXH3_64bits_digest(c->state);
}

uint64_t
checksum_of(const void *at, size_t len)
{
	return XXH3_64bits(at, len);
}

uint32_t
checksum_word(struct span line, uint64_t seed)
{
	return (uint32_t)XXH3_64bits_withSeed(line.at, line.len, seed);
}
