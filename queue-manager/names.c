/*
 * names - one copy of each text that many messages share
 *
 * See names.h.  A chained hash table that doubles; with as many buckets as texts a look takes one step or two.
 */
#include "queue-manager/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/fatal.h"
#include "common/text/checksum.h"

#define BUCKETS_FIRST 64

static void
grow(struct names *n)
{
	size_t count = n->bucket_count == 0 ? BUCKETS_FIRST : n->bucket_count * 2;
	struct name **buckets = calloc(count, sizeof(struct name *));
	if (buckets == NULL)
		fatal(EXIT_OS, ENOMEM, "table of %zu names", count);
	for (size_t i = 0; i < n->bucket_count; i++)
		while (n->buckets[i] != NULL) {
			struct name *name = n->buckets[i];
			n->buckets[i] = name->next;
			name->next = buckets[name->hash & (count - 1)];
			buckets[name->hash & (count - 1)] = name;
		}
	free(n->buckets);
	n->buckets = buckets;
	n->bucket_count = count;
}

static uint32_t
hash_of(struct span text)
{
	return (uint32_t)checksum_of(text.at, text.len);
}

static struct name *
find(const struct names *n, uint32_t hash, struct span text)
{
	if (n->bucket_count == 0)
		return NULL;
	struct name *name = n->buckets[hash & (n->bucket_count - 1)];
	while (name != NULL && (name->hash != hash || !span_equal(name_text(name), text)))
		name = name->next;
	return name;
}

struct name *
names_find(const struct names *n, struct span text)
{
	return find(n, hash_of(text), text);
}

static void
give_number(struct names *n, struct name *name)
{
	if (n->spare_count == 0 && n->last == n->room) {
		uint32_t room = n->room == 0 ? BUCKETS_FIRST : n->room * 2;
		struct name **by_number = realloc(n->by_number, room * sizeof(struct name *));
		uint32_t *spare = realloc(n->spare, room * sizeof(*spare));
		if (by_number == NULL || spare == NULL)
			fatal(EXIT_OS, ENOMEM, "numbers of %u names", room);
		n->by_number = by_number;
		n->spare = spare;
		n->room = room;
	}
	name->number = n->spare_count > 0 ? n->spare[--n->spare_count] : ++n->last;
	n->by_number[name->number - 1] = name;
}

struct name *
names_take(struct names *n, struct span text)
{
	uint32_t hash = hash_of(text);
	struct name *name = find(n, hash, text);
	if (name != NULL) {
		name->users++;
		return name;
	}
	if (n->count >= n->bucket_count)
		grow(n);
	struct name **bucket = &n->buckets[hash & (n->bucket_count - 1)];
	name = malloc(sizeof(*name) + text.len);
	if (name == NULL)
		fatal(EXIT_OS, ENOMEM, "name of %zu bytes", text.len);
	*name = (struct name){.next = *bucket, .hash = hash, .users = 1, .len = (uint32_t)text.len};
	if (text.len > 0)
		memcpy(name->text, text.at, text.len);
	*bucket = name;
	n->count++;
	give_number(n, name);
	return name;
}

void
names_let(struct names *n, struct name *name)
{
	if (name == NULL || --name->users > 0)
		return;
	struct name **at = &n->buckets[name->hash & (n->bucket_count - 1)];
	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	n->count--;
	n->spare[n->spare_count++] = name->number;
	n->by_number[name->number - 1] = NULL;
	free(name);
}

void
names_free(struct names *n)
{
	for (size_t i = 0; i < n->bucket_count; i++)
		while (n->buckets[i] != NULL) {
			struct name *name = n->buckets[i];
			n->buckets[i] = name->next;
			free(name);
		}
	free(n->buckets);
	free(n->by_number);
	free(n->spare);
	*n = (struct names){0};
}
