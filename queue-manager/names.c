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
		fatal(EXIT_OS, ENOMEM, "table of %zu senders", count);
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

struct name *
names_take(struct names *n, struct span text)
{
	uint32_t hash = (uint32_t)checksum_of(text.at, text.len);
	if (n->count >= n->bucket_count)
		grow(n);
	struct name **bucket = &n->buckets[hash & (n->bucket_count - 1)];
	for (struct name *name = *bucket; name != NULL; name = name->next)
		if (name->hash == hash && span_equal(name_text(name), text)) {
			name->users++;
			return name;
		}
	struct name *name = malloc(sizeof(*name) + text.len);
	if (name == NULL)
		fatal(EXIT_OS, ENOMEM, "sender of %zu bytes", text.len);
	*name = (struct name){.next = *bucket, .hash = hash, .users = 1, .len = (uint32_t)text.len};
	if (text.len > 0)
		memcpy(name->text, text.at, text.len);
	*bucket = name;
	n->count++;
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
	*n = (struct names){0};
}
