/*
 * flow - see flow.h
 */
#include "queue-manager/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/fatal.h"
#include "common/text/checksum.h"
#include "queue-manager/queue.h"

#define BUCKETS_FIRST 256
#define NETWORK4_BYTES 3
#define NETWORK6_BYTES 8

uint32_t
flow_key(uint32_t uid, struct span login, struct span client)
{
	unsigned char bytes[sizeof(struct in6_addr) + 1] = {0};
	char text[INET6_ADDRSTRLEN];
	size_t len = sizeof(uid);
	if (uid == 0 && login.len > 0)
		return (uint32_t)checksum_of(login.at, login.len);
	if (uid != 0 || span_copy(client, text, sizeof(text)) != 0)
		memcpy(bytes, &uid, sizeof(uid));
	else if (inet_pton(AF_INET, text, bytes) == 1)
		len = NETWORK4_BYTES;
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		len = NETWORK6_BYTES;
	return (uint32_t)checksum_of(bytes, len);
}

static size_t
bucket_of(const struct flows *t, const struct place *p, uint8_t rank, uint32_t key)
{
	const struct {
		const struct place *place;
		uint64_t rest;
	} all = {p, (uint64_t)key << 8 | rank};
	return checksum_of(&all, sizeof(all)) & (t->bucket_count - 1);
}

static void
grow(struct flows *t)
{
	struct flows wider = {.bucket_count =
				      t->bucket_count == 0 ? BUCKETS_FIRST : t->bucket_count * 2,
			      .count = t->count};
	wider.buckets = calloc(wider.bucket_count, sizeof(struct flow *));
	if (wider.buckets == NULL)
		fatal(EXIT_OS, ENOMEM, "table of %zu flows", wider.bucket_count);
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct flow *f = t->buckets[i];
			size_t at = bucket_of(&wider, f->place, f->rank, f->key);
			t->buckets[i] = f->hash_next;
			f->hash_next = wider.buckets[at];
			wider.buckets[at] = f;
		}
	free(t->buckets);
	*t = wider;
}

/* into the ring before whose turn it is: last */
static void
ring_add(struct place *p, struct flow *f)
{
	struct flow *first = p->turn[f->rank];
	if (first == NULL) {
		f->next = f->previous = f;
		p->turn[f->rank] = f;
		return;
	}
	f->next = first;
	f->previous = first->previous;
	f->previous->next = f;
	first->previous = f;
}

static struct flow *
find_or_make(struct flows *t, struct place *p, uint8_t rank, uint32_t key)
{
	if (t->count >= t->bucket_count)
		grow(t);
	struct flow **bucket = &t->buckets[bucket_of(t, p, rank, key)];
	for (struct flow *f = *bucket; f != NULL; f = f->hash_next)
		if (f->place == p && f->rank == rank && f->key == key)
			return f;
	struct flow *f = malloc(sizeof(*f));
	if (f == NULL)
		fatal(EXIT_OS, ENOMEM, "a flow");
	*f = (struct flow){.place = p,
			   .key = key,
			   .rank = rank,
			   .deficit = FLOW_QUANTUM,
			   .hash_next = *bucket};
	*bucket = f;
	t->count++;
	ring_add(p, f);
	return f;
}

static void
free_flow(struct flows *t, struct flow *f)
{
	struct place *p = f->place;
	struct flow **at = &t->buckets[bucket_of(t, p, f->rank, f->key)];
	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	t->count--;
	if (p->turn[f->rank] == f)
		p->turn[f->rank] = f->next != f ? f->next : NULL;
	f->next->previous = f->previous;
	f->previous->next = f->next;
	free(f);
}

void
flow_add(struct flows *t, struct batch *b, uint32_t key)
{
	struct flow *f = find_or_make(t, b->place, (uint8_t)b->rank, key);
	b->flow = f;
	b->previous = f->tail;
	b->next = NULL;
	if (f->tail != NULL)
		f->tail->next = b;
	else
		f->head = b;
	f->tail = b;
}

void
flow_drop(struct flows *t, struct batch *b)
{
	struct flow *f = b->flow;
	if (b->previous != NULL)
		b->previous->next = b->next;
	else
		f->head = b->next;
	if (b->next != NULL)
		b->next->previous = b->previous;
	else
		f->tail = b->previous;
	b->flow = NULL;
	if (f->head == NULL)
		free_flow(t, f);
}

struct batch *
flow_next(struct place *p, uint8_t rank)
{
	struct flow *f = p->turn[rank];
	if (f == NULL)
		return NULL;
	/* alone: there is nobody to wait for */
	while (f->deficit <= 0 && f->next != f) {
		f->deficit += FLOW_QUANTUM;
		f = f->next;
	}
	p->turn[rank] = f;
	return f->head;
}

void
flow_pay(struct flow *f, uint32_t recipients)
{
	/* alone, it owes nobody what it took before */
	if (f->next == f)
		f->deficit = FLOW_QUANTUM;
	f->deficit -= recipients < INT32_MAX / 2 ? (int32_t)recipients : INT32_MAX / 2;
	if (f->deficit > 0 || f->place->turn[f->rank] != f)
		return;
	/* its turn is over; what it is worth is there again at the next one */
	f->deficit += FLOW_QUANTUM;
	f->place->turn[f->rank] = f->next;
}

void
flows_free(struct flows *t)
{
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct flow *f = t->buckets[i];
			t->buckets[i] = f->hash_next;
			free(f);
		}
	free(t->buckets);
	*t = (struct flows){0};
}
