/*
 * names - one copy of each text that many messages share: senders
 *
 * Counted: the last one who lets go frees it.  Called by message.
 */
#ifndef QUEUE_MANAGER_NAMES_H
#define QUEUE_MANAGER_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

struct name {
	struct name *next;
	uint32_t hash;
	uint32_t users;
	uint32_t len;
	char text[];
};

struct names {
	struct name **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
};

/* fatal() when memory is out: master starts us again, and nothing is lost by it */
struct name *names_take(struct names *n, struct span text);
void names_let(struct names *n, struct name *name);
void names_free(struct names *n);

static inline struct span
name_text(const struct name *name)
{
	return (struct span){name->text, name->len};
}

#endif
