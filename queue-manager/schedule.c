/*
 * schedule - whose turn it is
 *
 * See schedule.h.  Promises:
 *
 * - Places take turns for agents, one agent a turn; an agent that is free serves its place again at once, until another place waits
 *   for its slot and it has had its turn.
 * - A place has not more agents than its window, which begins small, grows with each job that went well and halves with one that found
 *   the place itself in trouble.  A place that is in trouble with its window at one is dead: those who wait there are
 *   deferred with its last answer, until its back-off is over and one job probes it.
 * - Recipients of an agent that died wait a little and are tried again; a message over which SCHEDULE_DEATHS_MAX agents died in a row
 *   is deferred, so that it cannot kill agents for ever.
 * - No step takes longer than a slice, however long the queues are.
 */
#include "queue-manager/schedule.h"

#include <string.h>

#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/window.h"

#define STEPS_PER_LOOK 8 /* places between two looks at the clock */
#define IDLE_LOOKS 16	 /* idle agents looked at for one to end */

/* ---- limits ---- */

static uint32_t
agents_max(const struct manager *q, enum jobs_kind kind)
{
	const struct config_limits *l = &q->config->limits;
	uint64_t max = SCHEDULE_NOTICE_AGENTS;
	if (kind == JOBS_SMTP)
		max = l->agents;
	else if (kind == JOBS_MAILBOX)
		max = l->mailbox_agents;
	return max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
}

uint32_t
schedule_window_max(const struct manager *q, enum jobs_kind kind)
{
	const struct config_limits *l = &q->config->limits;
	uint64_t max = SCHEDULE_NOTICE_AGENTS;
	if (kind == JOBS_SMTP)
		max = l->concurrency;
	else if (kind == JOBS_MAILBOX)
		max = l->mailbox_concurrency;
	return max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
}

static uint32_t
per_job(const struct manager *q, enum jobs_kind kind)
{
	uint64_t max = kind == JOBS_NOTICE ? QUEUE_NOTICE_MAX
					   : q->config->limits.recipients_per_transaction;
	return max > 0 && max < UINT16_MAX ? (uint32_t)max : UINT16_MAX;
}

/* ---- places that are to be looked at, or wait ---- */

static struct service *
service_of(struct manager *q, const struct place *p)
{
	return &q->schedule.service[p->kind];
}

static void
list_drop(struct place *p)
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
	p->list = NULL;
}

/* to the end of that list, and off the other */
static void
list_add(struct place_list *l, struct place *p)
{
	list_drop(p);
	p->list = l;
	p->list_next = NULL;
	p->list_previous = l->last;
	if (l->last != NULL)
		l->last->list_next = p;
	else
		l->first = p;
	l->last = p;
}

void
schedule_touch(struct manager *q, struct place *p)
{
	struct service *s = service_of(q, p);
	/* one that waits for its first agent keeps its turn: nothing else can be done for it */
	bool stays = p->list == &s->hungry && p->agents == 0 && !p->is_stale && !p->is_dead;
	if (p->list != &s->touched && !stays)
		list_add(&s->touched, p);
	loop_task_wake(q->loop, &s->task);
}

void
schedule_wake(struct manager *q)
{
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++) {
		struct service *s = &q->schedule.service[kind];
		if (s->touched.first != NULL || s->hungry.first != NULL)
			loop_task_wake(q->loop, &s->task);
	}
}

/* something is to be looked at when that time has come */
static void
look_again(struct service *s, int64_t at_ms)
{
	if (s->timer.slot == 0 || s->timer.at_ms > at_ms)
		loop_timer_set(s->q->loop, &s->timer, at_ms);
}

/* ---- idle agents ---- */

static void
idle_add(struct manager *q, struct agent *a)
{
	struct service *s = service_of(q, a->place);
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
	a->since_ms = manager_now_ms(q);
	look_again(s, a->since_ms + SCHEDULE_IDLE_MS);
}

static void
idle_drop(struct manager *q, struct agent *a)
{
	struct service *s = service_of(q, a->place);
	struct place *p = a->place;
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

/* ---- places in trouble ---- */

static void
place_dies(struct manager *q, struct place *p, int64_t for_ms)
{
	p->is_dead = true;
	p->is_probing = false;
	p->dead_until_ms = manager_now_ms(q) + for_ms;
	schedule_touch(q, p);
	look_again(service_of(q, p), p->dead_until_ms);
}

/* those who wait at a dead or stale place, one batch at a time; false: none is left */
static bool
clear_one(struct manager *q, struct place *p)
{
	uint32_t numbers[64];
	struct message *m;
	bool is_delay;
	size_t count =
		queue_take(q, p, numbers, sizeof(numbers) / sizeof(numbers[0]), &m, &is_delay);
	const struct answer a = {.code = (uint64_t)p->verdict.code,
				 .status = span_of(p->verdict.status),
				 .reply = span_of(p->verdict.text),
				 .host = span_of(p->host)};
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
		if (p->is_stale)
			message_again(q, m, numbers[i]);
		else if (p->verdict.fate == FATE_FAILED)
			message_failed(q, m, numbers[i], &a);
		else
			message_deferred(q, m, numbers[i], &a,
					 (uint32_t)(p->dead_until_ms / MESSAGE_TICK_MS) + 1);
	m->uses--;
	message_settle(q, m);
	return true;
}

/* ---- jobs for agents ---- */

/* its job is over, in whatever way; the message is settled by the caller */
static struct message *
end_job(struct manager *q, struct agent *a)
{
	struct message *m = a->message;
	a->message = NULL;
	a->place->busy--;
	q->schedule.active--;
	m->uses--;
	return m;
}

/* those of its recipients that have no answer: routed anew at once, or at `due` */
static void
give_back(struct manager *q, struct agent *a, uint32_t due)
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

static uint32_t
soon(const struct manager *q)
{
	return message_tick(q) + SCHEDULE_PAUSE_MS / MESSAGE_TICK_MS + 1;
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
	a->message = m;
	a->had_trouble = false;
	a->since_ms = manager_now_ms(q);
	look_again(service_of(q, p), a->since_ms + SCHEDULE_JOB_MS);
	p->busy++;
	q->schedule.active++;
	m->uses++;
	for (uint32_t i = 0; i < a->count && p->kind != JOBS_NOTICE; i++)
		message_set(q, m, a->numbers[i], RECIPIENT_ACTIVE);
	switch (q->schedule.hands->give(q, a)) {
	case SCHEDULE_GIVEN:
		message_settle(q, m);
		break;
	case SCHEDULE_NOT_NOW:
		give_back(q, a, soon(q));
		end_job(q, a);
		idle_add(q, a);
		message_settle(q, m);
		break;
	case SCHEDULE_AGENT_GONE:
		break;
	}
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
send_want(struct manager *q, struct service *s, struct place *p)
{
	struct want *w = free_want(s);
	if (w == NULL)
		return false;
	if (++q->schedule.last_want == 0)
		q->schedule.last_want = 1;
	*w = (struct want){q->schedule.last_want, p, s->parent, manager_now_ms(q)};
	p->wants++;
	s->wants++;
	look_again(s, w->since_ms + SCHEDULE_WANT_MS);
	return q->schedule.hands->want(q, s->parent, w->number, p);
}

static void
drop_want(struct manager *q, struct want *w)
{
	struct place *p = w->place;
	p->wants--;
	service_of(q, p)->wants--;
	w->number = 0;
	schedule_touch(q, p);
}

/* an idle agent whose slot another place may have: nothing waits for it, or it has had its turn */
static struct agent *
idle_to_end(const struct service *s)
{
	struct agent *a = s->idle_first;
	for (int i = 0; a != NULL && i < IDLE_LOOKS; i++, a = a->idle_next)
		if (a->place->batches == 0 || a->jobs >= SCHEDULE_TURN_JOBS)
			return a;
	return NULL;
}

static bool
has_slot(struct manager *q, const struct service *s)
{
	return s->agents + s->wants < agents_max(q, s->kind) || idle_to_end(s) != NULL;
}

enum served {
	SERVED,	       /* comes back when something changes */
	SERVED_MORE,   /* again, after the others */
	SERVED_HUNGRY, /* waits for a slot, a parent, or room on the disk */
};

/* serve_place - one step of what can be done for it now; `its_turn`: it may take a slot */
static enum served
serve_place(struct manager *q, struct service *s, struct place *p, bool its_turn)
{
	if (p->is_stale || (p->is_dead && !p->is_probing && p->dead_until_ms > manager_now_ms(q)))
		return clear_one(q, p) ? SERVED_MORE : SERVED;
	if (p->is_dead && p->verdict.fate == FATE_FAILED)
		p->is_dead = false; /* its time is over: the parent may be asked again */
	if (queue_next(p) == NULL)
		return SERVED;
	if (!disk_may_deliver(q) || q->is_stopping)
		return SERVED_HUNGRY;
	struct agent *a = p->idle;
	if (a != NULL && s->hungry.first != NULL && a->jobs >= SCHEDULE_TURN_JOBS) {
		q->schedule.hands->end(q, a);
		return SERVED_MORE;
	}
	uint32_t allowed = window_allowed(p, schedule_window_max(q, p->kind));
	if (a != NULL) {
		if (p->busy >= allowed)
			return SERVED;
		give_job(q, a);
		return SERVED_MORE;
	}
	if (p->agents + p->wants >= allowed || p->wants >= queue_jobs(p, per_job(q, p->kind)))
		return SERVED;
	if (!its_turn || s->parent == NULL || free_want(s) == NULL || !has_slot(q, s))
		return SERVED_HUNGRY;
	if (s->agents + s->wants >= agents_max(q, p->kind)) {
		q->schedule.hands->end(q, idle_to_end(s));
		if (s->agents + s->wants >= agents_max(q, p->kind))
			return SERVED_HUNGRY;
	}
	return send_want(q, s, p) ? SERVED_MORE : SERVED_HUNGRY;
}

/* the one whose turn it is for a slot; NULL: there is none, or no slot */
static struct place *
next_hungry(struct manager *q, struct service *s)
{
	if (s->hungry.first == NULL || s->parent == NULL || !disk_may_deliver(q) ||
	    q->is_stopping || free_want(s) == NULL || !has_slot(q, s))
		return NULL;
	return s->hungry.first;
}

/* those that were touched, then those who wait; in slices */
static bool
serve_some(struct loop_task *task)
{
	struct service *s = task->owner;
	struct manager *q = s->q;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	for (unsigned steps = 1;; steps++) {
		bool its_turn = s->hungry.first == NULL;
		struct place *p = s->touched.first;
		if (p == NULL) {
			p = next_hungry(q, s);
			its_turn = true;
		}
		if (p == NULL)
			return false;
		if (steps % STEPS_PER_LOOK == 0 && clock_monotonic_us() > end_us)
			return true;
		list_drop(p);
		switch (serve_place(q, s, p, its_turn)) {
		case SERVED:
			if (p->list == NULL)
				queue_place_let_go(q, p);
			break;
		case SERVED_MORE:
			list_add(&s->touched, p);
			break;
		case SERVED_HUNGRY:
			list_add(&s->hungry, p);
			break;
		}
	}
}

/* ---- time passes ---- */

/* agents that hang: the kernel would tell us if they were gone */
static void
end_silent(struct manager *q, struct service *s, int64_t now)
{
	struct peer *next;
	for (struct peer *p = q->peers; p != NULL; p = next) {
		struct agent *a = jobs_agent_of(p);
		next = p->next;
		if (a == NULL || a->message == NULL || service_of(q, a->place) != s)
			continue;
		if (a->since_ms + SCHEDULE_JOB_MS <= now)
			q->schedule.hands->end(q, a);
		else
			look_again(s, a->since_ms + SCHEDULE_JOB_MS);
	}
}

static void
timer_fired(struct loop_timer *t)
{
	struct service *s = t->owner;
	struct manager *q = s->q;
	int64_t now = manager_now_ms(q);
	while (s->idle_first != NULL && s->idle_first->since_ms + SCHEDULE_IDLE_MS <= now)
		q->schedule.hands->end(q, s->idle_first);
	if (s->idle_first != NULL)
		look_again(s, s->idle_first->since_ms + SCHEDULE_IDLE_MS);
	end_silent(q, s, now);
	for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++) {
		struct want *w = &s->want[i];
		if (w->number == 0)
			continue;
		if (w->since_ms + SCHEDULE_WANT_MS <= now)
			q->schedule.hands->end_parent(q, w->parent,
						      "does not answer when an agent is wanted");
		else
			look_again(s, w->since_ms + SCHEDULE_WANT_MS);
	}
	loop_task_wake(q->loop, &s->task);
}

/* ---- parents and agents ---- */

void
schedule_parent(struct manager *q, enum jobs_kind kind, struct peer *parent)
{
	struct service *s = &q->schedule.service[kind];
	s->parent = parent;
	loop_task_wake(q->loop, &s->task);
}

void
schedule_parent_gone(struct manager *q, struct peer *parent)
{
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++) {
		struct service *s = &q->schedule.service[kind];
		if (s->parent == parent)
			s->parent = NULL;
		for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++)
			if (s->want[i].number != 0 && s->want[i].parent == parent)
				drop_want(q, &s->want[i]);
	}
}

struct want *
schedule_want_find(struct manager *q, uint32_t number)
{
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES && number != 0; kind++)
		for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++)
			if (q->schedule.service[kind].want[i].number == number)
				return &q->schedule.service[kind].want[i];
	return NULL;
}

void
schedule_agent(struct manager *q, struct want *w, struct agent *a)
{
	struct place *p = w->place;
	a->place = p;
	p->agents++;
	service_of(q, p)->agents++;
	idle_add(q, a);
	drop_want(q, w);
}

void
schedule_cannot(struct manager *q, struct want *w, const struct verdict *v)
{
	struct place *p = w->place;
	p->verdict = *v;
	p->host[0] = '\0';
	window_back_off(p, &q->config->outbound);
	place_dies(q, p, v->fate == FATE_FAILED ? SCHEDULE_REFUSED_MS : p->back_off_ms);
	drop_want(q, w);
}

void
schedule_answered(struct manager *q, struct agent *a, const struct answer *answer, bool trouble)
{
	a->since_ms = manager_now_ms(q);
	if (!trouble || a->had_trouble)
		return;
	a->had_trouble = true;
	if (window_trouble(a->place, &q->config->outbound, answer))
		place_dies(q, a->place, a->place->back_off_ms);
}

void
schedule_agent_free(struct manager *q, struct agent *a)
{
	struct message *m = end_job(q, a);
	a->jobs++;
	if (!a->had_trouble)
		window_well(a->place, schedule_window_max(q, a->place->kind), manager_now_ms(q));
	idle_add(q, a);
	schedule_touch(q, a->place);
	message_settle(q, m);
	if (a->is_of_old || q->is_stopping)
		q->schedule.hands->end(q, a);
}

/* an agent ended in the midst of a job */
static void
job_died(struct manager *q, struct agent *a)
{
	const struct answer died = {
		.status = SPAN("4.3.0"),
		.reply = SPAN("those who were to deliver it ended before they had"),
		.host = SPAN_NONE};
	struct message *m = a->message;
	if (++m->deaths < SCHEDULE_DEATHS_MAX) {
		give_back(q, a, soon(q));
		return;
	}
	m->deaths = 0;
	if (a->place->kind == JOBS_NOTICE) {
		give_back(q, a, 0);
		message_not_notified(q, m, NULL, 0);
		return;
	}
	for (uint32_t i = 0; i < a->count && !m->is_gone; i++)
		if (a->numbers[i] != 0)
			message_deferred(q, m, a->numbers[i], &died, 0);
}

void
schedule_agent_gone(struct manager *q, struct agent *a, bool refused)
{
	struct place *p = a->place;
	struct service *s = service_of(q, p);
	if (a->message != NULL) {
		if (refused)
			give_back(q, a, 0);
		else
			job_died(q, a);
		struct message *m = end_job(q, a);
		if (p->is_dead && p->is_probing)
			p->is_probing = false; /* the next one probes */
		message_settle(q, m);
	} else {
		idle_drop(q, a);
	}
	p->agents--;
	s->agents--;
	schedule_touch(q, p);
}

/* ---- all of them ---- */

static void
make_stale(struct manager *q, struct place *p)
{
	p->is_stale = true;
	schedule_touch(q, p);
}

void
schedule_reload(struct manager *q)
{
	queue_places_each(q, make_stale);
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++)
		while (q->schedule.service[kind].idle_first != NULL)
			q->schedule.hands->end(q, q->schedule.service[kind].idle_first);
	for (struct peer *p = q->peers; p != NULL; p = p->next) {
		struct agent *a = jobs_agent_of(p);
		if (a != NULL)
			a->is_of_old = true;
	}
}

void
schedule_forgive_place(struct manager *q, struct place *p)
{
	if (p->is_dead && !p->is_probing)
		p->dead_until_ms = manager_now_ms(q);
	schedule_touch(q, p);
}

void
schedule_forgive(struct manager *q)
{
	queue_places_each(q, schedule_forgive_place);
}

void
schedule_start(struct manager *q, const struct schedule_hands *hands)
{
	q->schedule.hands = hands;
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++) {
		struct service *s = &q->schedule.service[kind];
		s->kind = (enum jobs_kind)kind;
		s->q = q;
		s->task = (struct loop_task){.step = serve_some, .owner = s};
		s->timer = (struct loop_timer){.fire = timer_fired, .owner = s};
	}
}

void
schedule_free(struct manager *q)
{
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++) {
		loop_task_clear(q->loop, &q->schedule.service[kind].task);
		loop_timer_clear(q->loop, &q->schedule.service[kind].timer);
	}
	queue_places_free(q);
}
