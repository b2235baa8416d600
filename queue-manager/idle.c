/*
 * idle - see idle.h
 */
#include "queue-manager/idle.h"

#include "queue-manager/manager.h"

#define IDLE_LOOKS 16 /* agents looked at for one to end */

void
idle_add(struct manager *q, struct agent *a)
{
	struct service *s = schedule_service(q, a->place);
	struct place *p = a->place;
	a->place_previous = NULL;
	a->place_next = p->idle;
	if (p->idle != NULL)
		p->idle->place_previous = a;
	p->idle = a;
	a->idle_next = NULL;
	a->idle_previous = s->idle_last;
	if (s->idle_last != NULL)
		s->idle_last->idle_next = a;
	else
		s->idle_first = a;
	s->idle_last = a;
	site_idle_add(p->site, a);
	a->since_ms = manager_now_ms(q);
	schedule_look_again(s, a->since_ms + SCHEDULE_IDLE_MS);
}

void
idle_drop(struct manager *q, struct agent *a)
{
	struct service *s = schedule_service(q, a->place);
	struct place *p = a->place;
	site_idle_drop(p->site, a);
	if (a->place_previous != NULL)
		a->place_previous->place_next = a->place_next;
	else
		p->idle = a->place_next;
	if (a->place_next != NULL)
		a->place_next->place_previous = a->place_previous;
	if (a->idle_previous != NULL)
		a->idle_previous->idle_next = a->idle_next;
	else
		s->idle_first = a->idle_next;
	if (a->idle_next != NULL)
		a->idle_next->idle_previous = a->idle_previous;
	else
		s->idle_last = a->idle_previous;
}

bool
idle_had_turn(const struct agent *a)
{
	return a->jobs >= SCHEDULE_TURN_JOBS || a->recipients >= SCHEDULE_TURN_RECIPIENTS ||
	       a->busy_ms >= SCHEDULE_TURN_MS;
}

static bool
may_end(const struct agent *a)
{
	return a->place->batches == 0 || idle_had_turn(a);
}

struct agent *
idle_to_end(const struct service *s)
{
	struct agent *a = s->idle_first;
	for (int i = 0; a != NULL && i < IDLE_LOOKS; i++, a = a->idle_next)
		if (may_end(a))
			return a;
	return NULL;
}

struct agent *
idle_of_site_to_end(const struct site *s, const struct place *asking)
{
	struct agent *a = s->idle;
	for (int i = 0; a != NULL && i < IDLE_LOOKS; i++, a = a->site_next)
		if (a->place != asking && may_end(a))
			return a;
	return NULL;
}
