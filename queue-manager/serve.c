/*
 * serve - see serve.h
 *
 * Promises:
 *
 * - Places take turns for agents, one agent a turn; an agent that is free serves its place again at once, until another place waits
 *   for its slot, or for its site, and it has had its turn.
 * - Places where new mail waits come before those with retries, which have one turn in a few; a share of the agents is for new mail alone.
 * - A site has not more agents than its window and its limits, whichever of its places they are for; what it may get in a time is
 *   spread evenly.
 * - Those who wait at a site that is dead are deferred with its last answer, until its back-off is over and one job probes it.
 * - No step takes longer than a slice, however long the queues are.
 */
#include "queue-manager/serve.h"

#include <stdio.h>

#include "queue-manager/idle.h"
#include "queue-manager/manager.h"
#include "queue-manager/window.h"

#define STEPS_PER_LOOK 8 /* places between two looks at the clock */
#define HOUR_MS INT64_C(3600000)
#define CLEAR_AT_ONCE 64 /* recipients of a dead place in one step */

static uint32_t
per_job(const struct manager *q, enum jobs_kind kind)
{
	uint64_t max = kind == JOBS_NOTICE ? QUEUE_NOTICE_MAX
					   : q->config->limits.recipients_per_transaction;
	return max > 0 && max < UINT16_MAX ? (uint32_t)max : UINT16_MAX;
}

uint32_t
serve_soon(const struct manager *q)
{
	return message_tick(q) + SCHEDULE_PAUSE_MS / MESSAGE_TICK_MS + 1;
}

/* ---- what waits at a dead site, or at a place of a former configuration ---- */

/* the site has been dead for days, and this has come since: its sender is better told now than in five days */
static void
refuse(struct manager *q, struct message *m, uint32_t number, const struct site *s)
{
	char text[REPLY_TEXT_MAX + 1];
	snprintf(text, sizeof(text),
		 "no host of it has taken mail for %u hours; the last answer was: %s",
		 (unsigned)((manager_now_ms(q) - s->dead_since_ms) / HOUR_MS), s->verdict.text);
	const struct answer a = {.code = (uint64_t)s->verdict.code,
				 .status = SPAN("5.4.1"),
				 .reply = span_of(text),
				 .host = span_of(s->host)};
	message_failed(q, m, number, &a);
}

static void
clear_recipient(struct manager *q, struct place *p, struct message *m, uint32_t number)
{
	struct site *s = p->site;
	const struct answer a = {.code = (uint64_t)s->verdict.code,
				 .status = span_of(s->verdict.status),
				 .reply = span_of(s->verdict.text),
				 .host = span_of(s->host)};
	if (p->is_stale) {
		message_again(q, m, number);
		return;
	}
	if (s->verdict.fate == FATE_FAILED) {
		message_failed(q, m, number, &a);
		return;
	}
	if (m->recipients[number - 1].attempts == 0 && site_is_given_up(q, s)) {
		refuse(q, m, number, s);
		return;
	}
	message_deferred(q, m, number, &a, (uint32_t)(s->dead_until_ms / MESSAGE_TICK_MS) + 1);
	parked_add(q, &s->parked, m, number);
}

/* one batch at a time; false: none is left */
static bool
clear_one(struct manager *q, struct place *p)
{
	uint32_t numbers[CLEAR_AT_ONCE];
	struct message *m;
	bool is_delay;
	size_t count = queue_take(q, p, numbers, CLEAR_AT_ONCE, &m, &is_delay);
	if (count == 0)
		return false;
	m->uses++;
	if (p->kind == JOBS_NOTICE) {
		if (is_delay)
			message_delay_untold(m);
		if (!p->is_stale)
			message_not_notified(q, m, numbers, is_delay ? 0 : count);
		else
			for (size_t i = 0; i < count && !is_delay; i++)
				message_untold(q, m, numbers[i]);
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		clear_recipient(q, p, m, numbers[i]);
	m->uses--;
	message_settle(q, m);
	return true;
}

/* ---- jobs for agents ---- */

struct message *
serve_end_job(struct manager *q, struct agent *a)
{
	struct message *m = a->message;
	a->message = NULL;
	site_count_busy(a->place, -1);
	q->schedule.active--;
	m->uses--;
	return m;
}

void
serve_give_back(struct manager *q, struct agent *a, uint32_t due)
{
	struct message *m = a->message;
	bool is_notice = a->place->kind == JOBS_NOTICE;
	for (uint32_t i = 0; i < a->count && !m->is_gone; i++) {
		if (a->numbers[i] == 0)
			continue;
		if (a->is_delay)
			break;
		if (is_notice)
			message_untold(q, m, a->numbers[i]);
		else if (due == 0)
			message_again(q, m, a->numbers[i]);
		else
			message_later(q, m, a->numbers[i], due);
	}
	if (a->is_delay)
		message_delay_untold(m);
	if (is_notice)
		m->notice_due = due;
}

static void
give_job(struct manager *q, struct agent *a)
{
	struct place *p = a->place;
	struct message *m;
	uint32_t max = per_job(q, p->kind);
	idle_drop(q, a);
	a->count = (uint32_t)queue_take(q, p, a->numbers, max < a->room ? max : a->room, &m,
					&a->is_delay);
	if (a->count == 0) {
		idle_add(q, a);
		return;
	}
	a->left = a->count;
	a->recipients += a->count;
	a->message = m;
	a->had_trouble = false;
	a->since_ms = a->begun_ms = manager_now_ms(q);
	schedule_look_again(schedule_service(q, p), a->since_ms + schedule_job_ms(q, p->kind));
	site_count_busy(p, 1);
	site_rate_take(p->site, a->since_ms * 1000);
	q->schedule.active++;
	m->uses++;
	for (uint32_t i = 0; i < a->count && p->kind != JOBS_NOTICE; i++)
		message_set(q, m, a->numbers[i], RECIPIENT_ACTIVE);
	switch (q->schedule.hands->give(q, a)) {
	case SCHEDULE_GIVEN:
		message_settle(q, m);
		break;
	case SCHEDULE_NOT_NOW:
		serve_give_back(q, a, serve_soon(q));
		serve_end_job(q, a);
		idle_add(q, a);
		message_settle(q, m);
		break;
	case SCHEDULE_AGENT_GONE:
		break;
	}
}

/* a site that hangs, or may: not known to be quick; a mailbox that has, and is probed */
static bool
is_doubtful(const struct place *p)
{
	return p->kind == JOBS_SMTP ? !p->site->is_quick
				    : p->kind == JOBS_MAILBOX && p->site->is_dead;
}

static struct want *
free_want(struct service *s)
{
	for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++)
		if (s->want[i].number == 0)
			return &s->want[i];
	return NULL;
}

static bool
send_want(struct manager *q, struct service *s, struct place *p, enum queue_rank rank)
{
	struct want *w = free_want(s);
	if (w == NULL)
		return false;
	if (++q->schedule.last_want == 0)
		q->schedule.last_want = 1;
	*w = (struct want){.number = q->schedule.last_want,
			   .sender = claim_sender(&s->claims, p, rank),
			   .rank = rank,
			   .is_doubtful = is_doubtful(p),
			   .place = p,
			   .parent = s->parent,
			   .since_ms = manager_now_ms(q)};
	claim_turn(&s->claims, w->sender, rank);
	if (w->is_doubtful)
		claim_take(&s->claims, w->sender, rank);
	site_count_wants(p, 1);
	s->wants++;
	schedule_look_again(s, w->since_ms + SCHEDULE_WANT_MS);
	return q->schedule.hands->want(q, s->parent, w->number, p);
}

/* agents more that sites which may hang can have in that rank */
static uint32_t
left_for_doubtful(struct manager *q, const struct service *s, enum queue_rank rank)
{
	uint32_t max = schedule_agents_max(q, s->kind);
	uint32_t kept = max / SCHEDULE_QUICK_SHARE;
	if (rank == QUEUE_FRESH)
		kept = (kept + 1) / 2;
	return s->claims.held < max - kept ? max - kept - s->claims.held : 0;
}

/* may that place have one of them, or any of all? */
static bool
may_take(struct manager *q, const struct service *s, const struct place *p, enum queue_rank rank)
{
	const struct claims *t = &s->claims;
	return !is_doubtful(p) ||
	       claim_may(t, claim_sender(t, p, rank), rank, left_for_doubtful(q, s, rank));
}

/* agents that there may be when one for that rank comes */
static uint32_t
slots_of(struct manager *q, const struct service *s, enum queue_rank rank)
{
	uint32_t max = schedule_agents_max(q, s->kind);
	return rank == QUEUE_FRESH ? max : max - max / SCHEDULE_FRESH_SHARE;
}

/* one is free, or will be when an idle agent ends */
static bool
has_slot(struct manager *q, const struct service *s, enum queue_rank rank)
{
	uint32_t used = s->agents + s->wants, slots = slots_of(q, s, rank);
	if (used < slots)
		return true;
	return (rank == QUEUE_FRESH || used == slots) && idle_to_end(s) != NULL;
}

/* an agent that came for new mail has none any more, and what it would go on with has its share */
static bool
is_in_share_of_fresh(struct manager *q, const struct service *s, const struct place *p)
{
	return queue_rank(p) == QUEUE_RETRY && s->agents + s->wants > slots_of(q, s, QUEUE_RETRY);
}

/* ---- a place's turn ---- */

enum served {
	SERVED,		/* comes back when something changes */
	SERVED_MORE,	/* again, after the others */
	SERVED_WAITING, /* waits for its site */
	SERVED_HUNGRY,	/* waits for a slot, a parent, or room on the disk */
};

static bool
is_asleep(const struct site *s, int64_t now_ms)
{
	return s->is_dead && !s->is_probing && s->dead_until_ms > now_ms;
}

static enum served
waits_for_window(struct site *s, uint32_t allowed)
{
	s->bound = s->is_dead		       ? SITE_BY_TROUBLE
		   : allowed >= s->concurrency ? SITE_BY_CONCURRENCY
					       : SITE_BY_WINDOW;
	return SERVED_WAITING;
}

/* its agent that is idle: the next job, or the end of it */
static enum served
use_agent(struct manager *q, struct service *service, struct place *p, uint32_t allowed)
{
	struct site *s = p->site;
	struct agent *a = p->idle;
	bool others_wait = schedule_has_hungry(service) || s->waiting.first != NULL;
	bool is_over = idle_had_turn(a) || is_in_share_of_fresh(q, service, p);
	if (a->jobs >= s->messages_per_connection || (others_wait && is_over) ||
	    s->agents > allowed) {
		q->schedule.hands->end(q, a);
		return SERVED_MORE;
	}
	if (s->busy >= allowed)
		return waits_for_window(s, allowed);
	s->bound = SITE_UNBOUND;
	give_job(q, a);
	return SERVED_MORE;
}

/* an agent more */
static enum served
want_agent(struct manager *q, struct service *service, struct place *p, uint32_t allowed,
	   bool its_turn)
{
	struct site *s = p->site;
	if (p->wants >= queue_jobs(p, per_job(q, p->kind)))
		return SERVED;
	if (s->agents + s->wants >= allowed) {
		struct agent *other = idle_of_site_to_end(s, p);
		if (other == NULL)
			return waits_for_window(s, allowed);
		q->schedule.hands->end(q, other);
		return SERVED_MORE;
	}
	s->bound = SITE_BY_AGENTS;
	enum queue_rank rank = queue_rank(p);
	if (!its_turn || service->parent == NULL || free_want(service) == NULL ||
	    !may_take(q, service, p, rank) || !has_slot(q, service, rank))
		return SERVED_HUNGRY;
	if (service->agents + service->wants >= slots_of(q, service, rank)) {
		q->schedule.hands->end(q, idle_to_end(service));
		if (service->agents + service->wants >= slots_of(q, service, rank))
			return SERVED_HUNGRY;
	}
	s->bound = SITE_UNBOUND;
	service->fresh_turns = rank == QUEUE_FRESH ? service->fresh_turns + 1 : 0;
	return send_want(q, service, p, rank) ? SERVED_MORE : SERVED_HUNGRY;
}

/* serve_place - one step of what can be done for it now; `its_turn`: it may take a slot */
static enum served
serve_place(struct manager *q, struct service *service, struct place *p, bool its_turn)
{
	struct site *s = p->site;
	int64_t now_ms = manager_now_ms(q);
	if (p->is_stale || is_asleep(s, now_ms))
		return clear_one(q, p) ? SERVED_MORE : SERVED;
	if (s->is_dead && s->verdict.fate == FATE_FAILED)
		s->is_dead = s->is_probing =
			false; /* its time is over: the parent may be asked again */
	if (queue_next(p) == NULL)
		return SERVED;
	if (!disk_may_deliver(q) || q->is_stopping)
		return SERVED_HUNGRY;
	int64_t wait_us = site_rate_wait_us(s, now_ms * 1000);
	if (wait_us > 0) {
		s->bound = SITE_BY_RATE;
		schedule_site_wait(s, now_ms + wait_us / 1000 + 1);
		return SERVED_WAITING;
	}
	uint32_t allowed = window_allowed(s, now_ms);
	return p->idle != NULL ? use_agent(q, service, p, allowed)
			       : want_agent(q, service, p, allowed, its_turn);
}

/* the next of that rank for which there is a slot; NULL: none.  Those who may have none for now step aside. */
static struct place *
next_of_rank(struct manager *q, struct service *s, enum queue_rank rank)
{
	struct claims *t = &s->claims;
	struct place *p;
	if (!has_slot(q, s, rank))
		return NULL;
	/* those that stepped aside have waited longest; below their share they come first */
	if ((p = claim_first_that_may(t, rank, left_for_doubtful(q, s, rank))) != NULL)
		return p;
	while ((p = claim_first(t, CLAIM_HUNGRY, rank)) != NULL && !may_take(q, s, p, rank))
		claim_wait(t, p, CLAIM_DOUBTFUL, rank);
	return p;
}

/* the one with retries that has waited while new mail went; NULL: new mail comes first */
static struct place *
retry_to_serve(struct manager *q, struct service *s)
{
	return s->fresh_turns >= SCHEDULE_FRESH_TURNS ? next_of_rank(q, s, QUEUE_RETRY) : NULL;
}

/* the one whose turn it is for a slot; NULL: there is none, or no slot */
static struct place *
next_hungry(struct manager *q, struct service *s)
{
	struct place *p;
	if (s->parent == NULL || !disk_may_deliver(q) || q->is_stopping || free_want(s) == NULL)
		return NULL;
	if ((p = retry_to_serve(q, s)) == NULL && (p = next_of_rank(q, s, QUEUE_FRESH)) == NULL)
		p = next_of_rank(q, s, QUEUE_RETRY);
	return p;
}

static bool
has_hungry(struct manager *q, struct service *s, enum queue_rank rank)
{
	return s->claims.waiting[CLAIM_HUNGRY][rank] > 0 ||
	       claim_first_that_may(&s->claims, rank, left_for_doubtful(q, s, rank)) != NULL;
}

/* nobody waits who would come before it */
static bool
comes_first(struct manager *q, struct service *s, const struct place *p)
{
	if (has_hungry(q, s, QUEUE_FRESH))
		return false;
	return queue_rank(p) == QUEUE_FRESH ? retry_to_serve(q, s) == NULL
					    : !has_hungry(q, s, QUEUE_RETRY);
}

/* while a place of the site gets what it asks for, another that waits may, too */
static void
wake_another(struct manager *q, const struct place *p)
{
	struct site *s = p->site;
	if (s->waiting.first != NULL && s->agents + s->wants < window_size(s))
		schedule_site_wake(q, s);
}

bool
serve_some(struct loop_task *task)
{
	struct service *s = task->owner;
	struct manager *q = s->q;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	for (unsigned steps = 1;; steps++) {
		struct place *p = s->touched.first;
		bool its_turn = p != NULL && comes_first(q, s, p);
		if (p == NULL) {
			p = next_hungry(q, s);
			its_turn = true;
		}
		if (p == NULL)
			return false;
		if (steps % STEPS_PER_LOOK == 0 && clock_monotonic_us() > end_us)
			return true;
		place_list_drop(p);
		switch (serve_place(q, s, p, its_turn)) {
		case SERVED:
			wake_another(q, p);
			if (p->list == NULL)
				queue_place_let_go(q, p);
			break;
		case SERVED_MORE:
			place_list_add(&s->touched, p);
			wake_another(q, p);
			break;
		case SERVED_WAITING:
			place_list_add(&p->site->waiting, p);
			break;
		case SERVED_HUNGRY:
			claim_wait(&s->claims, p, CLAIM_HUNGRY, queue_rank(p));
			break;
		}
	}
}
