/*
 * claim - see claim.h
 *
 * No step grows with how many places wait.  A walk along a ring passes over a sender only when he holds an agent, or when his places have all gone elsewhere
 * meanwhile (then he leaves it): so it takes no more steps than there are agents, and one more.
 */
#include "queue-manager/claim.h"

#include <errno.h>
#include <stdlib.h>

#include "common/system/fatal.h"

#define BUCKETS_FIRST 64
#define HASH_SPREAD \
	UINT32_C( \
		2654435761) /* of the golden ratio: keys are checksums, but of some only a byte differs */

static struct claim **
bucket_of(const struct claims *t, uint32_t sender)
{
	return &t->buckets[(sender * HASH_SPREAD >> 8) & (t->bucket_count - 1)];
}

static void
grow(struct claims *t)
{
	struct claims wider = *t;

	wider.bucket_count = t->bucket_count == 0 ? BUCKETS_FIRST : t->bucket_count * 2;
	wider.buckets = calloc(wider.bucket_count, sizeof(struct claim *));
	if (wider.buckets == NULL)
		fatal(EXIT_OS, ENOMEM, "table of %zu claims", wider.bucket_count);
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct claim *c = t->buckets[i];
			struct claim **to = bucket_of(&wider, c->sender);
			t->buckets[i] = c->hash_next;
			c->hash_next = *to;
			*to = c;
		}
	free(t->buckets);
	*t = wider;
}

static struct claim *
find(const struct claims *t, uint32_t sender)
{
	struct claim *c = t->bucket_count > 0 ? *bucket_of(t, sender) : NULL;

	while (c != NULL && c->sender != sender)
		c = c->hash_next;
	return c;
}

static struct claim *
find_or_make(struct claims *t, uint32_t sender)
{
	struct claim *c = find(t, sender);

	if (c != NULL)
		return c;
	if (t->count >= t->bucket_count)
		grow(t);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		fatal(EXIT_OS, ENOMEM, "a claim");
	c->sender = sender;
	for (int line = 0; line < CLAIM_LINES; line++)
		for (int rank = 0; rank < QUEUE_RANKS; rank++)
			c->stand[line][rank].places.all = &t->waiting[line][rank];
	struct claim **bucket = bucket_of(t, sender);
	c->hash_next = *bucket;
	*bucket = c;
	t->count++;
	return c;
}

static bool
is_of_use(const struct claim *c)
{
	for (int rank = 0; rank < QUEUE_RANKS; rank++) {
		if (c->held[rank] > 0)
			return true;
		for (int line = 0; line < CLAIM_LINES; line++)
			if (c->stand[line][rank].next != NULL)
				return true;
	}
	return false;
}

/* gone, when nothing is left of it; who has a place in a line is in its ring */
static void
let_go(struct claims *t, struct claim *c)
{
	struct claim **at = bucket_of(t, c->sender);

	if (is_of_use(c))
		return;
	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	t->count--;
	free(c);
}

/* ---- rings ---- */

/* before whose turn it is: last */
static void
ring_add(struct claims *t, struct claim *c, enum claim_line line, enum queue_rank rank)
{
	struct claim *first = t->turn[line][rank];
	struct claim_stand *stand = &c->stand[line][rank];

	if (stand->next != NULL)
		return;
	if (first == NULL) {
		stand->next = stand->previous = c;
		t->turn[line][rank] = c;
		return;
	}
	stand->next = first;
	stand->previous = first->stand[line][rank].previous;
	stand->previous->stand[line][rank].next = c;
	first->stand[line][rank].previous = c;
}

static void
ring_drop(struct claims *t, struct claim *c, enum claim_line line, enum queue_rank rank)
{
	struct claim_stand *stand = &c->stand[line][rank];

	if (t->turn[line][rank] == c)
		t->turn[line][rank] = stand->next != c ? stand->next : NULL;
	stand->next->stand[line][rank].previous = stand->previous;
	stand->previous->stand[line][rank].next = stand->next;
	stand->next = stand->previous = NULL;
}

/* ---- what is asked ---- */

static bool
may(uint32_t held, uint32_t left)
{
	return left > 0 && held / CLAIM_MOST <= left;
}

static uint32_t
held_by(const struct claims *t, uint32_t sender, enum queue_rank rank)
{
	const struct claim *c = find(t, sender);

	return c != NULL ? c->held[rank] : 0;
}

uint32_t
claim_sender(const struct claims *t, const struct place *p, enum queue_rank rank)
{
	const struct flow *next = p->turn[rank] != NULL ? p->turn[rank] : p->turn[queue_rank(p)];
	const struct flow *newest = next != NULL ? next->previous : NULL;

	if (next == NULL)
		return 0;
	return held_by(t, newest->key, rank) < held_by(t, next->key, rank) ? newest->key
									   : next->key;
}

bool
claim_may(const struct claims *t, uint32_t sender, enum queue_rank rank, uint32_t left)
{
	return may(held_by(t, sender, rank), left);
}

void
claim_wait(struct claims *t, struct place *p, enum claim_line line, enum queue_rank rank)
{
	struct claim *c = find_or_make(t, claim_sender(t, p, rank));

	if (p->list == &c->stand[line][rank].places)
		return;
	place_list_add(&c->stand[line][rank].places, p);
	ring_add(t, c, line, rank);
}

bool
claim_waits(const struct claims *t, const struct place *p, enum claim_line line,
	    enum queue_rank rank)
{
	return p->list != NULL && p->list->all == &t->waiting[line][rank];
}

/* from whose turn it is on, the first sender with a place there who may have one more, of `left` (claim_may); NULL: every one may */
static struct claim *
first_in_ring(struct claims *t, enum claim_line line, enum queue_rank rank, const uint32_t *left)
{
	struct claim *c = t->turn[line][rank];
	bool is_round = false;

	while (c != NULL && !is_round && t->waiting[line][rank] > 0) {
		struct claim *next = c->stand[line][rank].next;

		is_round = next == t->turn[line][rank];
		if (c->stand[line][rank].places.first == NULL) {
			ring_drop(t, c, line, rank);
			let_go(t, c);
		} else if (left == NULL || may(c->held[rank], *left)) {
			return c;
		}
		c = next;
	}
	return NULL;
}

struct place *
claim_first(struct claims *t, enum claim_line line, enum queue_rank rank)
{
	struct claim *c = first_in_ring(t, line, rank, NULL);

	return c != NULL ? c->stand[line][rank].places.first : NULL;
}

struct place *
claim_first_that_may(struct claims *t, enum queue_rank rank, uint32_t left)
{
	struct claim *c = left > 0 ? first_in_ring(t, CLAIM_DOUBTFUL, rank, &left) : NULL;

	return c != NULL ? c->stand[CLAIM_DOUBTFUL][rank].places.first : NULL;
}

void
claim_turn(struct claims *t, uint32_t sender, enum queue_rank rank)
{
	struct claim *c = find(t, sender);

	for (int line = 0; c != NULL && line < CLAIM_LINES; line++)
		if (t->turn[line][rank] == c)
			t->turn[line][rank] = c->stand[line][rank].next;
}

void
claim_take(struct claims *t, uint32_t sender, enum queue_rank rank)
{
	find_or_make(t, sender)->held[rank]++;
	t->held++;
}

void
claim_give_back(struct claims *t, uint32_t sender, enum queue_rank rank)
{
	struct claim *c = find(t, sender);

	c->held[rank]--;
	t->held--;
	let_go(t, c);
}

void
claims_free(struct claims *t)
{
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct claim *c = t->buckets[i];
			t->buckets[i] = c->hash_next;
			free(c);
		}
	free(t->buckets);
	*t = (struct claims){0};
}
