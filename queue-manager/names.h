/*
 * names - one copy of each text that many messages share: senders, domains, sites
 *
 * Counted: the last one who lets go frees it.  Each has a number from 1 on, dense and used again: who has many of them keeps that instead of
 * a pointer.  Called by message and destination.
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
	uint32_t number; /* from 1 on */
	char text[];
};

struct names {
	struct name **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	struct name **by_number;
	uint32_t room, last; /* numbers: allocated, given so far */
	uint32_t *spare;     /* given back, used first; `room` of them fit */
	uint32_t spare_count;
};

/* fatal() when memory is out: master starts us again, and nothing is lost by it */
struct name *names_take(struct names *n, struct span text);
/* the one that is there already; NULL: none */
struct name *names_find(const struct names *n, struct span text);
void names_let(struct names *n, struct name *name);
void names_free(struct names *n);

/* the one with that number, which somebody holds */
static inline struct name *
names_at(const struct names *n, uint32_t number)
{
	return n->by_number[number - 1];
}

static inline struct span
name_text(const struct name *name)
{
	return (struct span){name->text, name->len};
}

#endif
