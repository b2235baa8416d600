/*
 * queue - places and their batches
 *
 * See queue.h.  Invariants: a READY or TELLING recipient is in exactly one batch of its message; a batch is in a flow of its place
 * and rank or parked, never both; what was never tried comes before what was (new mail does not wait behind retries).
 */
#include "queue-manager/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/fatal.h"
#include "common/text/checksum.h"
#include "queue-manager/manager.h"

#define BUCKETS_FIRST 64
#define BATCHES_LOOKED 16 /* the newest of a message, for one that takes another recipient */

/* ---- lists of places ---- */

void
place_list_drop(struct place *p)
{
	struct place_list *l = p->list;
	if (l == NULL)
		return;
	if (p->list_previous != NULL)
		p->list_previous->list_next = p->list_next;
	else
		l->first = p->list_next;
	if (p->list_next != NULL)
		p->list_next->list_previous = p->list_previous;
	else
		l->last = p->list_previous;
	l->count--;
	if (l->all != NULL)
		--*l->all;
	p->list = NULL;
}

void
place_list_add(struct place_list *l, struct place *p)
{
	place_list_drop(p);
	p->list = l;
	p->list_next = NULL;
	p->list_previous = l->last;
	if (l->last != NULL)
		l->last->list_next = p;
	else
		l->first = p;
	l->last = p;
	l->count++;
	if (l->all != NULL)
		++*l->all;
}

/* ---- places ---- */

static uint32_t
hash_of(enum jobs_kind kind, const struct place_name *n)
{
	uint64_t hash = checksum_of(n->name.at, n->name.len) +
			31 * checksum_of(n->domain.at, n->domain.len) +
			37 * checksum_of(n->home.at, n->home.len) + (uint64_t)kind;
	/* most have none */
	if (n->delivery.len > 0)
		hash += 41 * checksum_of(n->delivery.at, n->delivery.len);
	return (uint32_t)hash;
}

static void
grow(struct places *t)
{
	size_t count = t->bucket_count == 0 ? BUCKETS_FIRST : t->bucket_count * 2;
	struct place **buckets = calloc(count, sizeof(struct place *));
	if (buckets == NULL)
		fatal(EXIT_OS, ENOMEM, "table of %zu places", count);
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct place *p = t->buckets[i];
			t->buckets[i] = p->hash_next;
			p->hash_next = buckets[p->hash & (count - 1)];
			buckets[p->hash & (count - 1)] = p;
		}
	free(t->buckets);
	t->buckets = buckets;
	t->bucket_count = count;
}

/* keep - a part of a key */
static struct span
keep(char **at, struct span part)
{
	struct span kept = span_from(*at, part.len);
	if (part.len > 0)
		memcpy(*at, part.at, part.len);
	*at += part.len;
	return kept;
}

static struct place *
make_place(enum jobs_kind kind, const struct place_name *n)
{
	struct place *p = calloc(1, sizeof(*p));
	char *key = malloc(n->name.len + 1 + n->domain.len + n->home.len + n->delivery.len);
	if (p == NULL || key == NULL)
		fatal(EXIT_OS, ENOMEM, "a place");
	p->kind = kind;
	p->key = key;
	struct span own = keep(&key, n->name);
	*key++ = '\0';
	p->hosts = kind == JOBS_SMTP ? own : SPAN_NONE;
	p->user = jobs_parent_kind(kind) == JOBS_MAILBOX ? own : SPAN_NONE;
	p->domain = keep(&key, n->domain);
	p->home = keep(&key, n->home);
	p->delivery = keep(&key, n->delivery);
	return p;
}

struct place *
queue_place_named(struct manager *q, enum jobs_kind kind, const struct place_name *n)
{
	struct places *t = &q->schedule.places;
	uint32_t hash = hash_of(kind, n);
	if (t->count >= t->bucket_count)
		grow(t);
	struct place **bucket = &t->buckets[hash & (t->bucket_count - 1)];
	for (struct place *p = *bucket; p != NULL; p = p->hash_next)
		if (p->hash == hash && p->kind == kind && !p->is_stale &&
		    span_equal(span_from(p->key, strlen(p->key)), n->name) &&
		    span_equal(p->domain, n->domain) && span_equal(p->home, n->home) &&
		    span_equal(p->delivery, n->delivery))
			return p;
	struct place *p = make_place(kind, n);
	p->hash = hash;
	p->hash_next = *bucket;
	*bucket = p;
	t->count++;
	site_join(q, p);
	return p;
}

struct place *
queue_place(struct manager *q, enum jobs_kind kind, struct span name, struct span domain)
{
	const struct place_name n = {name, domain, SPAN_NONE, SPAN_NONE};
	return queue_place_named(q, kind, &n);
}

static void
free_place(struct manager *q, struct place *p)
{
	site_leave(q, p);
	free(p->key);
	free(p);
}

static void
drop_place(struct manager *q, struct place *p)
{
	struct places *t = &q->schedule.places;
	struct place **at = &t->buckets[p->hash & (t->bucket_count - 1)];
	place_list_drop(p);
	while (*at != p)
		at = &(*at)->hash_next;
	*at = p->hash_next;
	t->count--;
	free_place(q, p);
}

void
queue_place_let_go(struct manager *q, struct place *p)
{
	struct places *t = &q->schedule.places;
	if (p->batches > 0 || p->parked > 0 || p->agents > 0 || p->wants > 0 || p->list != NULL)
		return;
	/* mailboxes are many, and begin anew cheaply */
	if (p->is_stale || (jobs_parent_kind(p->kind) == JOBS_MAILBOX && !p->site->is_dead)) {
		drop_place(q, p);
		return;
	}
	place_list_add(&t->empty, p);
	if (t->empty.count > SITE_EMPTY_PLACES_MAX)
		drop_place(q, t->empty.first);
}

/* one that was empty is of use again */
static void
take_back(struct places *t, struct place *p)
{
	if (p->list == &t->empty)
		place_list_drop(p);
}

void
queue_places_each(struct manager *q, void (*each)(struct manager *q, struct place *p))
{
	struct places *t = &q->schedule.places;
	for (size_t i = 0; i < t->bucket_count; i++)
		for (struct place *p = t->buckets[i]; p != NULL; p = p->hash_next)
			each(q, p);
}

void
queue_places_free(struct manager *q)
{
	struct places *t = &q->schedule.places;
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct place *p = t->buckets[i];
			t->buckets[i] = p->hash_next;
			place_list_drop(p);
			free_place(q, p);
		}
	free(t->buckets);
	flows_free(&t->flows);
	*t = (struct places){0};
}

/* ---- batches ---- */

static void
link_to_place(struct manager *q, struct batch *b)
{
	struct place *p = b->place;
	flow_add(&q->schedule.places.flows, b, b->message->flow);
	p->batches++;
	p->site->batches++;
	p->ready += b->count;
}

static void
unlink_from_place(struct manager *q, struct batch *b)
{
	struct place *p = b->place;
	flow_drop(&q->schedule.places.flows, b);
	p->batches--;
	p->site->batches--;
	p->ready -= b->count;
}

/* no place knows of it any more */
static void
free_batch(struct batch *b)
{
	struct message *m = b->message;
	if (b->message_previous != NULL)
		b->message_previous->message_next = b->message_next;
	else
		m->batches = b->message_next;
	if (b->message_next != NULL)
		b->message_next->message_previous = b->message_previous;
	free(b);
}

static struct batch *
make_batch(struct manager *q, struct place *p, struct message *m, enum queue_rank rank,
	   uint32_t owner)
{
	struct batch *b = calloc(1, sizeof(*b));
	if (b == NULL)
		fatal(EXIT_OS, ENOMEM, "a batch");
	*b = (struct batch){.message = m,
			    .place = p,
			    .rank = rank,
			    .owner = owner,
			    .is_parked = !message_may_leave(m),
			    .message_next = m->batches};
	if (m->batches != NULL)
		m->batches->message_previous = b;
	m->batches = b;
	take_back(&q->schedule.places, p);
	if (b->is_parked)
		p->parked++;
	else
		link_to_place(q, b);
	return b;
}

/* the batch that the recipient goes to: what was made for the same message and place just now, or a new one */
static struct batch *
batch_for(struct manager *q, struct place *p, struct message *m, enum queue_rank rank,
	  uint32_t owner)
{
	bool is_leaving = message_may_leave(m);
	unsigned looked = 0, most = is_leaving ? BATCHES_LOOKED : QUEUE_PARKED_MAX;
	for (struct batch *b = m->batches; b != NULL && looked < most; b = b->message_next)
		if (b->place == p && b->rank == rank && b->owner == owner && !b->is_delay &&
		    b->is_parked == !is_leaving)
			return b;
		else
			looked++;
	return make_batch(q, p, m, rank, owner);
}

static void
add(struct manager *q, struct place *p, struct message *m, uint32_t number,
    enum recipient_state state)
{
	struct recipient *r = &m->recipients[number - 1];
	struct batch *b = batch_for(q, p, m, r->attempts == 0 ? QUEUE_FRESH : QUEUE_RETRY,
				    message_owner(q, m, number));
	message_set(q, m, number, state);
	r->due = 0;
	if (b->last != 0)
		m->recipients[b->last - 1].due = number;
	else
		b->first = number;
	b->last = number;
	b->count++;
	if (!b->is_parked)
		p->ready++;
}

void
queue_add(struct manager *q, struct place *p, struct message *m, uint32_t number)
{
	add(q, p, m, number, RECIPIENT_READY);
	if (message_may_leave(m))
		schedule_touch(q, p);
}

void
queue_notice(struct manager *q, struct message *m)
{
	struct place *p = queue_place(q, JOBS_NOTICE, SPAN_NONE, SPAN_NONE);
	uint32_t count = 0;
	for (uint32_t i = 0; i < m->count && count < QUEUE_NOTICE_MAX; i++) {
		uint8_t s = m->recipients[i].state;
		if (s != RECIPIENT_FAILED && s != RECIPIENT_SUCCEEDED)
			continue;
		add(q, p, m, i + 1, RECIPIENT_TELLING);
		count++;
	}
	schedule_touch(q, p);
}

void
queue_delay(struct manager *q, struct message *m)
{
	struct place *p = queue_place(q, JOBS_NOTICE, SPAN_NONE, SPAN_NONE);
	make_batch(q, p, m, QUEUE_RETRY, 0)->is_delay = true;
	m->is_telling_delay = true;
	schedule_touch(q, p);
}

void
queue_keep(struct manager *q, struct message *m)
{
	struct batch *last = m->batches;
	while (last != NULL && last->message_next != NULL)
		last = last->message_next;
	/* the oldest is the last one of the message's list, since each new one is put in front */
	for (struct batch *b = last; b != NULL; b = b->message_previous) {
		if (!b->is_parked)
			continue;
		b->is_parked = false;
		b->place->parked--;
		link_to_place(q, b);
		schedule_touch(q, b->place);
	}
}

static uint32_t
take_first(struct batch *b)
{
	uint32_t number = b->first;
	b->first = b->message->recipients[number - 1].due;
	if (b->first == 0)
		b->last = 0;
	b->count--;
	if (!b->is_parked)
		b->place->ready--;
	return number;
}

void
queue_withdraw(struct manager *q, struct message *m)
{
	for (struct batch *b = m->batches, *next; b != NULL; b = next) {
		struct place *p = b->place;
		next = b->message_next;
		while (b->count > 0) {
			uint32_t number = take_first(b);
			if (m->recipients[number - 1].state == RECIPIENT_TELLING)
				message_untold(q, m, number);
			else
				message_set(q, m, number, RECIPIENT_WAITING);
		}
		if (b->is_delay)
			message_delay_untold(m);
		if (b->is_parked)
			p->parked--;
		else
			unlink_from_place(q, b);
		free_batch(b);
		schedule_touch(q, p);
	}
}

enum queue_rank
queue_rank(const struct place *p)
{
	return p->turn[QUEUE_FRESH] != NULL ? QUEUE_FRESH : QUEUE_RETRY;
}

struct batch *
queue_next(struct place *p)
{
	struct batch *b = flow_next(p, QUEUE_FRESH);
	return b != NULL ? b : flow_next(p, QUEUE_RETRY);
}

size_t
queue_take(struct manager *q, struct place *p, uint32_t *numbers, size_t max, struct message **m,
	   bool *is_delay)
{
	struct batch *b;
	size_t count = 0;
	*is_delay = false;
	while ((b = queue_next(p)) != NULL && b->is_delay) {
		*m = b->message;
		count = message_delayed(q, *m, numbers, max);
		unlink_from_place(q, b);
		free_batch(b);
		*is_delay = true;
		if (count > 0)
			return count;
		(*m)->is_telling_delay = false; /* nobody is delayed any more */
	}
	*is_delay = false;
	if (b == NULL)
		return 0;
	*m = b->message;
	while (b->count > 0 && count < max)
		numbers[count++] = take_first(b);
	flow_pay(b->flow, (uint32_t)count);
	if (b->count == 0) {
		unlink_from_place(q, b);
		free_batch(b);
	} else if (b->next != NULL) {
		/* the rest of a long list comes after the others of its sender: it delays none of his letters */
		unlink_from_place(q, b);
		link_to_place(q, b);
	}
	return count;
}

uint32_t
queue_jobs(const struct place *p, uint32_t per_job)
{
	/* a batch is a job at least; how many are longer than one need not be known exactly */
	uint32_t by_count = p->ready / (per_job > 0 ? per_job : 1);
	return by_count > p->batches ? by_count : p->batches;
}
