/*
 * message-table - all messages: found by id, walked over, woken when they are due
 *
 * See message.h; called by message.c.  No operation takes longer the more messages there are (but for a logarithm in the heap): the hash
 * table grows by one bucket with each message, and never all at once.
 */
#include "queue-manager/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"

#define BUCKETS_FIRST 1024
#define HEAP_FIRST 1024

/* ---- by id ---- */

static struct message **
bucket_of(struct messages *t, uint64_t id)
{
	uint64_t hash = (id * UINT64_C(0x9E3779B97F4A7C15)) >> 24;
	size_t at = hash & (t->half - 1);
	if (at < t->split)
		at = hash & (2 * t->half - 1);
	return &t->buckets[at];
}

static void
start_buckets(struct messages *t)
{
	t->bucket_size = t->bucket_count = t->half = BUCKETS_FIRST;
	t->buckets = calloc(t->bucket_size, sizeof(struct message *));
	if (t->buckets == NULL)
		fatal(EXIT_OS, ENOMEM, "table of messages");
}

/* linear hashing: the bucket `split` is dealt out to itself and to a new one at the end */
static void
split_bucket(struct messages *t)
{
	if (t->bucket_count == t->bucket_size) {
		size_t size = t->bucket_size * 2;
		struct message **buckets = realloc(t->buckets, size * sizeof(struct message *));
		if (buckets == NULL)
			fatal(EXIT_OS, ENOMEM, "table of %zu messages", size);
		t->buckets = buckets;
		t->bucket_size = size;
	}
	struct message *m = t->buckets[t->split];
	t->buckets[t->split] = NULL;
	t->buckets[t->bucket_count++] = NULL;
	t->split++;
	while (m != NULL) {
		struct message *next = m->hash_next;
		struct message **bucket = bucket_of(t, m->id);
		m->hash_next = *bucket;
		*bucket = m;
		m = next;
	}
	if (t->split == t->half) {
		t->half *= 2;
		t->split = 0;
	}
}

struct message *
message_find(struct manager *q, uint64_t id)
{
	struct messages *t = &q->messages;
	if (t->buckets == NULL)
		return NULL;
	struct message *m = *bucket_of(t, id);
	while (m != NULL && m->id != id)
		m = m->hash_next;
	return m;
}

void
message_table_add(struct manager *q, struct message *m)
{
	struct messages *t = &q->messages;
	if (t->buckets == NULL)
		start_buckets(t);
	if (t->count >= t->bucket_count)
		split_bucket(t);
	struct message **bucket = bucket_of(t, m->id);
	m->hash_next = *bucket;
	*bucket = m;
	m->previous = t->last;
	m->next = NULL;
	if (t->last != NULL)
		t->last->next = m;
	else
		t->first = m;
	t->last = m;
	t->count++;
}

void
message_table_drop(struct manager *q, struct message *m)
{
	struct messages *t = &q->messages;
	for (struct message_cursor *c = t->cursors; c != NULL; c = c->next)
		if (c->at == m)
			c->at = m->next;
	struct message **at = bucket_of(t, m->id);
	while (*at != m)
		at = &(*at)->hash_next;
	*at = m->hash_next;
	if (m->previous != NULL)
		m->previous->next = m->next;
	else
		t->first = m->next;
	if (m->next != NULL)
		m->next->previous = m->previous;
	else
		t->last = m->previous;
	t->count--;
}

/* ---- walking ---- */

void
message_cursor_start(struct manager *q, struct message_cursor *c)
{
	c->at = q->messages.first;
	c->next = q->messages.cursors;
	q->messages.cursors = c;
}

struct message *
message_cursor_next(struct manager *q, struct message_cursor *c)
{
	(void)q;
	struct message *m = c->at;
	if (m != NULL)
		c->at = m->next;
	return m;
}

void
message_cursor_end(struct manager *q, struct message_cursor *c)
{
	struct message_cursor **at = &q->messages.cursors;
	while (*at != NULL && *at != c)
		at = &(*at)->next;
	if (*at != NULL)
		*at = c->next;
	c->at = NULL;
}

/* ---- who is due ---- */

static void
heap_put(struct messages *t, size_t slot, struct message *m)
{
	t->heap[slot] = m;
	m->due_slot = (uint32_t)slot;
}

static void
heap_up(struct messages *t, size_t slot)
{
	struct message *m = t->heap[slot];
	for (; slot > 1 && t->heap[slot / 2]->due > m->due; slot /= 2)
		heap_put(t, slot, t->heap[slot / 2]);
	heap_put(t, slot, m);
}

static void
heap_down(struct messages *t, size_t slot)
{
	struct message *m = t->heap[slot];
	for (;;) {
		size_t child = slot * 2;
		if (child > t->heap_len)
			break;
		if (child < t->heap_len && t->heap[child + 1]->due < t->heap[child]->due)
			child++;
		if (t->heap[child]->due >= m->due)
			break;
		heap_put(t, slot, t->heap[child]);
		slot = child;
	}
	heap_put(t, slot, m);
}

/* the timer stands at the earliest, or before it: one that fires for nothing sets itself anew */
static void
set_timer(struct manager *q)
{
	struct messages *t = &q->messages;
	if (t->heap_len == 0)
		return;
	int64_t at_ms = (int64_t)t->heap[1]->due * MESSAGE_TICK_MS;
	if (t->due_timer.slot == 0 || t->due_timer.at_ms > at_ms)
		loop_timer_set(q->loop, &t->due_timer, at_ms);
}

void
message_due(struct manager *q, struct message *m, uint32_t due)
{
	struct messages *t = &q->messages;
	if (m->due_slot != 0 && m->due <= due)
		return;
	m->due = due;
	if (m->due_slot == 0) {
		if (t->heap_len + 2 > t->heap_size) {
			size_t size = t->heap_size == 0 ? HEAP_FIRST : t->heap_size * 2;
			struct message **heap = realloc(t->heap, size * sizeof(struct message *));
			if (heap == NULL)
				fatal(EXIT_OS, ENOMEM, "heap of %zu messages", size);
			t->heap = heap;
			t->heap_size = size;
		}
		heap_put(t, ++t->heap_len, m);
	}
	heap_up(t, m->due_slot);
	set_timer(q);
}

void
message_due_clear(struct manager *q, struct message *m)
{
	struct messages *t = &q->messages;
	size_t slot = m->due_slot;
	if (slot == 0)
		return;
	m->due_slot = 0;
	struct message *last = t->heap[t->heap_len--];
	if (last == m)
		return;
	heap_put(t, slot, last);
	heap_up(t, slot);
	heap_down(t, last->due_slot);
}

static bool
wake_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct messages *t = &q->messages;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	while (t->heap_len > 0 && t->heap[1]->due <= message_tick(q)) {
		if (clock_monotonic_us() > end_us)
			return true;
		struct message *m = t->heap[1];
		message_due_clear(q, m);
		message_wake(q, m);
	}
	set_timer(q);
	return false;
}

static void
due_timer_fired(struct loop_timer *timer)
{
	struct manager *q = timer->owner;
	loop_task_wake(q->loop, &q->messages.due_task);
}

/* ---- begin and end ---- */

void
messages_start(struct manager *q)
{
	q->messages.due_timer = (struct loop_timer){.fire = due_timer_fired, .owner = q};
	q->messages.due_task = (struct loop_task){.step = wake_some, .owner = q};
	message_files_start(q);
}

void
messages_free(struct manager *q)
{
	struct messages *t = &q->messages;
	while (t->first != NULL) {
		t->first->uses = 0;
		message_forget(q, t->first);
	}
	message_files_free(q);
	loop_timer_clear(q->loop, &t->due_timer);
	loop_task_clear(q->loop, &t->due_task);
	names_free(&t->senders);
	destinations_free(q);
	free(t->buckets);
	free(t->heap);
	*t = (struct messages){0};
}
