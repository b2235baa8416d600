/*
 * etrn - see etrn.h
 */
#include "queue-manager/etrn.h"

#include <string.h>

#include "common/system/events.h"
#include "queue-manager/manager.h"

#define STEPS_PER_LOOK 32 /* messages between two looks at the clock */

/* ---- who has asked just now ---- */

/* the place for it among those who have asked; NULL: it has asked within the interval, or too many others have */
static struct etrn_recent *
recent_place(struct manager *q, struct span domain, bool below)
{
	int64_t since_ms = manager_now_ms(q) - (int64_t)q->config->limits.etrn_interval;
	struct etrn_recent *place = NULL;
	for (size_t i = 0; i < ETRN_RECENT_MAX; i++) {
		struct etrn_recent *r = &q->etrn.recent[i];
		bool is_over = r->domain[0] == '\0' || r->at_ms <= since_ms;
		if (is_over)
			place = r;
		else if (r->is_below == below && span_equal(span_of(r->domain), domain))
			return NULL;
	}
	return place;
}

/* ---- all that is for the domain ---- */

static bool
is_for(const struct etrn *e, struct span domain)
{
	struct span asked = span_of(e->domain);
	if (span_equal(domain, asked))
		return true;
	if (!e->is_below || domain.len <= asked.len || domain.at[domain.len - asked.len - 1] != '.')
		return false;
	return span_equal(span_skip(domain, domain.len - asked.len), asked);
}

static void
retry(struct manager *q, struct message *m)
{
	bool is_changed = false;
	if (!m->is_kept || m->is_held || m->is_gone)
		return;
	for (uint32_t i = 0; i < m->count && message_in(m, RECIPIENT_DEFERRED) > 0; i++) {
		const struct recipient *r = &m->recipients[i];
		if (r->state != RECIPIENT_DEFERRED ||
		    !is_for(&q->etrn, destination_domain(q, r->domain)))
			continue;
		message_again(q, m, i + 1);
		is_changed = true;
	}
	if (is_changed)
		message_settle(q, m);
}

static bool
walk_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct message *m;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	for (unsigned steps = 1; (m = message_cursor_next(q, &q->etrn.cursor)) != NULL; steps++) {
		retry(q, m);
		if (steps % STEPS_PER_LOOK == 0 && clock_monotonic_us() > end_us)
			return true;
	}
	message_cursor_end(q, &q->etrn.cursor);
	q->etrn.is_walking = false;
	return false;
}

/* the pause of its site is over: whoever asks says that it is up */
static void
forgive(struct manager *q, struct place *p)
{
	char text[DESTINATION_NAME_MAX];
	struct span name = destination_place_name(p, text);
	const struct name *domain = names_find(&q->destinations.domains, span_of(q->etrn.domain));
	if (is_for(&q->etrn, name) ||
	    (domain != NULL && span_equal(destination_site_name(q, domain->number), name)))
		schedule_forgive_place(q, p);
}

/* does any mail wait for it?  Below it there may be: that is found by the walk. */
static bool
has_mail(struct manager *q, struct span domain, bool below)
{
	return below || names_find(&q->destinations.domains, domain) != NULL;
}

enum intake_retry_outcome
etrn_ask(struct manager *q, struct span domain, bool below)
{
	struct etrn *e = &q->etrn;
	if (!has_mail(q, domain, below))
		return INTAKE_RETRY_NOTHING;
	struct etrn_recent *r = recent_place(q, domain, below);
	if (r == NULL || e->is_walking || span_copy(domain, e->domain, sizeof(e->domain)) != 0)
		return INTAKE_RETRY_SOON;
	r->at_ms = manager_now_ms(q);
	r->is_below = below;
	memcpy(r->domain, e->domain, sizeof(r->domain));
	e->is_below = below;
	e->is_walking = true;
	EVENT("etrn", event_text("domain", domain), event_number("below", below));
	queue_places_each(q, forgive);
	message_cursor_start(q, &e->cursor);
	loop_task_wake(q->loop, &e->task);
	return INTAKE_RETRY_STARTED;
}

void
etrn_start(struct manager *q)
{
	q->etrn.task = (struct loop_task){.step = walk_some, .owner = q};
}

void
etrn_stop(struct manager *q)
{
	loop_task_clear(q->loop, &q->etrn.task);
	if (q->etrn.is_walking)
		message_cursor_end(q, &q->etrn.cursor);
	q->etrn.is_walking = false;
}
