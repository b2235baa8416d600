/*
 * parked - see parked.h
 *
 * An id whose message is gone, or whose recipients went by their own time, stays in the ring until its turn comes, or until the ring would
 * grow: then what is of no use any more is thrown out first.  So the ring is at most twice as long as what is parked.
 */
#include "queue-manager/parked.h"

#include <errno.h>
#include <stdlib.h>

#include "common/system/fatal.h"
#include "queue-manager/manager.h"

#define ROOM_FIRST 16

static uint64_t
at(const struct parked *p, size_t n)
{
	return p->ids[(p->first + n) % p->room];
}

/* it goes on without us; what is deferred of it later may be parked anew */
static void
forget(struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		m->recipients[i].is_parked = false;
}

/* into a ring of that many, without those of no use */
static void
make_room(struct manager *q, struct parked *p)
{
	size_t room = p->room == 0 ? ROOM_FIRST : p->room * 2, count = 0;
	uint64_t *ids = malloc(room * sizeof(*ids));
	if (ids == NULL)
		fatal(EXIT_OS, ENOMEM, "%zu messages for a dead site", room);
	for (size_t i = 0; i < p->count; i++) {
		struct message *m = message_find(q, at(p, i));
		if (m == NULL)
			continue;
		if (message_in(m, RECIPIENT_DEFERRED) > 0)
			ids[count++] = m->id;
		else
			forget(m);
	}
	free(p->ids);
	*p = (struct parked){.ids = ids, .count = count, .room = room};
}

static void
push(struct manager *q, struct parked *p, uint64_t id)
{
	if (p->count == p->room)
		make_room(q, p);
	p->ids[(p->first + p->count++) % p->room] = id;
}

void
parked_add(struct manager *q, struct parked *p, struct message *m, uint32_t number)
{
	struct recipient *r = &m->recipients[number - 1];
	if (m->is_gone || r->state != RECIPIENT_DEFERRED || r->is_parked)
		return;
	r->is_parked = true;
	/* one message has often many recipients for one place, deferred one after another */
	if (p->count == 0 || at(p, p->count - 1) != m->id)
		push(q, p, m->id);
}

static bool
release(struct manager *q, struct message *m)
{
	bool any = false;
	if (m->is_held || m->is_gone)
		return false;
	for (uint32_t i = 0; i < m->count && message_in(m, RECIPIENT_DEFERRED) > 0; i++) {
		struct recipient *r = &m->recipients[i];
		if (!r->is_parked || r->state != RECIPIENT_DEFERRED)
			continue;
		r->is_parked = false;
		message_again(q, m, i + 1);
		any = true;
	}
	if (any)
		message_settle(q, m);
	return any;
}

size_t
parked_release(struct manager *q, struct parked *p, size_t max)
{
	size_t released = 0;
	while (p->count > 0 && released < max) {
		struct message *m = message_find(q, at(p, 0));
		p->first = (p->first + 1) % p->room;
		p->count--;
		if (m != NULL && release(q, m))
			released++;
	}
	if (p->count == 0)
		parked_free(p);
	return released;
}

void
parked_move(struct manager *q, struct parked *from, struct parked *to)
{
	for (size_t i = 0; i < from->count; i++)
		push(q, to, at(from, i));
	parked_free(from);
}

void
parked_free(struct parked *p)
{
	free(p->ids);
	*p = (struct parked){0};
}
