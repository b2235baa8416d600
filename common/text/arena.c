/*
 * arena - see arena.h
 */
#include "common/text/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4096

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) char at[];
};

void
arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){.max = max};
}

void *
arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size_t whole = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (whole > a->max - a->used)
		return NULL;
	struct arena_block *b = a->blocks;
	if (b == NULL || b->size - b->used < whole) {
		size_t room = whole > BLOCK_SIZE ? whole : BLOCK_SIZE;
		b = malloc(sizeof(*b) + room);
		if (b == NULL)
			return NULL;
		*b = (struct arena_block){.next = a->blocks, .used = 0, .size = room};
		a->blocks = b;
	}
	void *at = b->at + b->used;
	b->used += whole;
	a->used += whole;
	memset(at, 0, whole);
	return at;
}

struct span
arena_span(struct arena *a, struct span s)
{
	char *at = s.len < SIZE_MAX / 2 ? arena_alloc(a, s.len + 1) : NULL;
	if (at == NULL)
		return (struct span){NULL, 0};
	memcpy(at, s.at, s.len);
	return (struct span){at, s.len};
}

char *
arena_string(struct arena *a, struct span s)
{
	char *at = s.len < SIZE_MAX / 2 ? arena_alloc(a, s.len + 1) : NULL;
	if (at != NULL)
		memcpy(at, s.at, s.len);
	return at;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *kept = NULL;
	while (a->blocks != NULL) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		if (kept == NULL && b->size == BLOCK_SIZE) {
			kept = b;
			kept->next = NULL;
			kept->used = 0;
		} else {
			free(b);
		}
	}
	a->blocks = kept;
	a->used = 0;
}

void
arena_free(struct arena *a)
{
	while (a->blocks != NULL) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		free(b);
	}
	a->used = 0;
}
