/*
 * schedule - whose turn it is
 *
 * See schedule.h; a place's turn is serve.c's.  Promises:
 *
 * - What changes at a place, a site or a service is looked at in the same turn of the loop, and nothing else is.
 * - A site that answers again gets what was deferred because of it under a window that grows from one; while it is dead there is one
 *   probe at the end of each back-off.
 * - Recipients of an agent that died wait a little and are tried again; a message over which SCHEDULE_DEATHS_MAX agents died in a row
 *   is deferred, so that it cannot kill agents for ever.
 */
#include "queue-manager/schedule.h"

#include <string.h>

#include "common/system/events.h"
#include "queue-manager/idle.h"
#include "queue-manager/manager.h"
#include "queue-manager/reaction.h"
#include "queue-manager/serve.h"
#include "queue-manager/window.h"

/* ---- limits ---- */

uint32_t
schedule_agents_max(const struct manager *q, enum jobs_kind kind)
{
	const struct config_limits *l = &q->config->limits;
	uint64_t max = SCHEDULE_NOTICE_AGENTS;
	if (kind == JOBS_SMTP)
		max = l->agents;
	else if (kind == JOBS_MAILBOX)
		max = l->mailbox_agents;
	else if (schedule_service_kind(kind) == JOBS_LINE)
		max = l->pipe_agents;
	return max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
}

int64_t
schedule_job_ms(const struct manager *q, enum jobs_kind kind)
{
	const struct config_limits *l = &q->config->limits;
	if (kind == JOBS_MAILBOX)
		return (int64_t)l->mailbox_time;
	if (schedule_service_kind(kind) == JOBS_LINE)
		return (int64_t)(l->pipe_time + l->mailbox_time) + SCHEDULE_LINE_GRACE_MS;
	return SCHEDULE_JOB_MS;
}

/* ---- places that are to be looked at, or wait ---- */

struct service *
schedule_service(struct manager *q, const struct place *p)
{
	return &q->schedule.service[schedule_service_kind(p->kind)];
}

/* which line does it wait in?  false: in none */
static bool
waits_in(const struct service *s, const struct place *p, enum claim_line *line)
{
	for (int l = 0; l < CLAIM_LINES; l++)
		for (int rank = 0; rank < QUEUE_RANKS; rank++) {
			*line = (enum claim_line)l;
			if (claim_waits(&s->claims, p, *line, (enum queue_rank)rank))
				return true;
		}
	return false;
}

bool
schedule_is_hungry(const struct service *s, const struct place *p)
{
	enum claim_line line;
	return waits_in(s, p, &line);
}

bool
schedule_has_hungry(const struct service *s)
{
	for (int rank = 0; rank < QUEUE_RANKS; rank++)
		if (s->claims.waiting[CLAIM_HUNGRY][rank] > 0 ||
		    s->claims.waiting[CLAIM_DOUBTFUL][rank] > 0)
			return true;
	return false;
}

/* it keeps its turn, unless what has come stands in another's name, or before what it waited with */
static void
wait_on(struct service *s, struct place *p, enum claim_line line)
{
	enum queue_rank rank = queue_rank(p);
	if (p->batches == 0)
		return;
	if (!claim_waits(&s->claims, p, line, rank))
		line = CLAIM_HUNGRY; /* new mail has come to one that waits with retries, or goes away from there */
	claim_wait(&s->claims, p, line, rank);
}

void
schedule_touch(struct manager *q, struct place *p)
{
	struct service *s = schedule_service(q, p);
	enum claim_line line;
	bool is_hungry = waits_in(s, p, &line);
	if (is_hungry)
		wait_on(s, p, line);
	/* one that waits for its first agent, or for its site, keeps its turn: nothing else can be done for it */
	bool waits =
		(is_hungry && p->agents == 0) || (p->list == &p->site->waiting && p->idle == NULL);
	if (p->list != &s->touched && (!waits || p->is_stale || p->site->is_dead))
		place_list_add(&s->touched, p);
	loop_task_wake(q->loop, &s->task);
}

void
schedule_wake(struct manager *q)
{
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++) {
		struct service *s = &q->schedule.service[kind];
		if (s->touched.first != NULL || schedule_has_hungry(s))
			loop_task_wake(q->loop, &s->task);
	}
}

/* something is to be looked at when that time has come */
void
schedule_look_again(struct service *s, int64_t at_ms)
{
	if (s->timer.slot == 0 || s->timer.at_ms > at_ms)
		loop_timer_set(s->q->loop, &s->timer, at_ms);
}

/* ---- sites ---- */

void
schedule_site_wait(struct site *s, int64_t at_ms)
{
	if (s->timer.slot == 0 || s->timer.at_ms > at_ms)
		loop_timer_set(s->q->loop, &s->timer, at_ms);
}

void
schedule_site_wake(struct manager *q, struct site *s)
{
	struct place *p = s->waiting.first;
	if (p == NULL)
		return;
	struct service *service = schedule_service(q, p);
	place_list_add(&service->touched, p);
	loop_task_wake(q->loop, &service->task);
}

void
schedule_site_dies(struct manager *q, struct site *s, int64_t for_ms)
{
	s->is_dead = true;
	s->is_probing = false;
	s->dead_until_ms = manager_now_ms(q) + for_ms;
	for (struct place *p = s->places; p != NULL; p = p->site_next)
		if (p->batches > 0)
			schedule_touch(q, p);
	schedule_site_wait(s, s->dead_until_ms);
}

/* a few of those that were deferred, as long as there is not enough else to do */
static void
release(struct manager *q, struct site *s)
{
	if (s->is_dead || s->parked.count == 0)
		return;
	if (s->batches < SITE_RELEASE_BELOW * s->window)
		parked_release(q, &s->parked, (size_t)2 * SITE_RELEASE_BELOW * s->window);
	/* should they go another way: the rest does not wait for them */
	schedule_site_wait(s, manager_now_ms(q) + SITE_RELEASE_MS);
}

/* it answers: what was deferred because it did not goes again, as its window allows */
static void
site_lives(struct manager *q, struct site *s)
{
	EVENT("site-back", event_string("site", s->name != NULL ? s->name : ""),
	      event_string("host", s->host), event_number("deferred", (int64_t)s->parked.count));
	schedule_site_wake(q, s);
}

/* its back-off is over, or its rate allows the next message, or more may be released */
void
schedule_site_timer(struct loop_timer *t)
{
	struct site *s = t->owner;
	struct manager *q = s->q;
	int64_t now = manager_now_ms(q);
	loop_timer_clear(q->loop, t);
	if (s->is_dead && s->dead_until_ms > now) {
		schedule_site_wait(s, s->dead_until_ms);
		return;
	}
	if (s->is_dead && s->batches == 0 && !s->is_probing)
		parked_release(q, &s->parked, 1); /* the probe */
	release(q, s);
	schedule_site_wake(q, s);
}

static void
drop_want(struct manager *q, struct want *w)
{
	struct place *p = w->place;
	site_count_wants(p, -1);
	schedule_service(q, p)->wants--;
	if (w->is_doubtful)
		claim_give_back(&schedule_service(q, p)->claims, w->sender, w->rank);
	w->number = 0;
	schedule_touch(q, p);
	schedule_site_wake(q, p->site);
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
		if (a == NULL || a->message == NULL || schedule_service(q, a->place) != s)
			continue;
		int64_t until_ms = a->since_ms + schedule_job_ms(q, a->place->kind);
		if (until_ms > now) {
			schedule_look_again(s, until_ms);
			continue;
		}
		a->is_hanging = jobs_parent_kind(a->place->kind) == JOBS_MAILBOX;
		q->schedule.hands->end(q, a);
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
		schedule_look_again(s, s->idle_first->since_ms + SCHEDULE_IDLE_MS);
	end_silent(q, s, now);
	for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++) {
		struct want *w = &s->want[i];
		if (w->number == 0)
			continue;
		if (w->since_ms + SCHEDULE_WANT_MS <= now)
			q->schedule.hands->end_parent(q, w->parent,
						      "does not answer when an agent is wanted");
		else
			schedule_look_again(s, w->since_ms + SCHEDULE_WANT_MS);
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

static void
set_doubtful(struct manager *q, struct agent *a, bool is_doubtful)
{
	struct claims *t = &schedule_service(q, a->place)->claims;
	if (is_doubtful && !a->is_doubtful)
		claim_take(t, a->sender, a->rank);
	else if (!is_doubtful && a->is_doubtful)
		claim_give_back(t, a->sender, a->rank);
	a->is_doubtful = is_doubtful;
}

void
schedule_agent(struct manager *q, struct want *w, struct agent *a)
{
	struct place *p = w->place;
	a->place = p;
	site_count_agents(p, 1);
	schedule_service(q, p)->agents++;
	a->sender = w->sender;
	a->rank = w->rank;
	set_doubtful(q, a, w->is_doubtful);
	idle_add(q, a);
	drop_want(q, w);
}

void
schedule_cannot(struct manager *q, struct want *w, const struct verdict *v)
{
	struct site *s = w->place->site;
	s->verdict = *v;
	s->host[0] = '\0';
	s->meaning = REPLY_ORDINARY;
	window_back_off(s, &q->config->outbound);
	schedule_site_dies(q, s, v->fate == FATE_FAILED ? SCHEDULE_REFUSED_MS : s->back_off_ms);
	drop_want(q, w);
}

void
schedule_agent_free(struct manager *q, struct agent *a)
{
	struct message *m = serve_end_job(q, a);
	struct place *p = a->place;
	struct site *s = p->site;
	int64_t took_ms = manager_now_ms(q) - a->begun_ms;
	s->is_quick = !a->had_trouble && took_ms <= SCHEDULE_QUICK_MS;
	a->busy_ms += took_ms;
	set_doubtful(q, a, p->kind == JOBS_SMTP && !s->is_quick);
	a->jobs++;
	idle_add(q, a);
	if (!a->had_trouble && window_well(s, manager_now_ms(q))) {
		site_lives(q, s);
	} else if (a->had_trouble && s->is_dead && s->is_probing) {
		/* a probe that says neither is no sign of life */
		window_back_off(s, &q->config->outbound);
		schedule_site_dies(q, s, s->back_off_ms);
	}
	if (s->is_dead)
		schedule_site_wait(s, s->dead_until_ms);
	schedule_touch(q, p);
	schedule_site_wake(q, s);
	message_settle(q, m);
	release(q, s);
	if (a->is_of_old || q->is_stopping || s->agents > window_size(s))
		q->schedule.hands->end(q, a);
}

/*
 * job_hangs - the file system of a user does not answer: his mail waits, and his place takes no more than a probe
 *
 * Whatever the window was: each agent more would only hang beside the first, and take a slot from others for as long.
 */
static void
job_hangs(struct manager *q, struct agent *a)
{
	const struct place *p = a->place;
	const struct answer hangs = {.status = SPAN("4.2.0"),
				     .reply = SPAN("nothing was heard of the mailbox in time: "
						   "the file system it is on may hang"),
				     .host = p->user,
				     .meaning = REPLY_CONNECTING};
	EVENT("mailbox-hangs", event_id(a->message->id), event_text("user", p->user),
	      event_text("domain", p->domain),
	      event_number("after_ms", schedule_job_ms(q, p->kind)));
	p->site->window = 1;
	for (uint32_t i = 0; i < a->count && !a->message->is_gone; i++)
		if (a->numbers[i] != 0)
			reaction_to(q, a, a->numbers[i], FATE_DEFERRED, &hangs);
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
		serve_give_back(q, a, serve_soon(q));
		return;
	}
	m->deaths = 0;
	if (a->place->kind == JOBS_NOTICE) {
		serve_give_back(q, a, 0);
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
	struct service *s = schedule_service(q, p);
	if (a->message != NULL) {
		if (refused)
			serve_give_back(q, a, 0);
		else if (a->is_hanging)
			job_hangs(q, a);
		else
			job_died(q, a);
		struct message *m = serve_end_job(q, a);
		if (p->site->is_dead && p->site->is_probing) {
			/* the next one probes */
			p->site->is_probing = false;
			schedule_site_wait(p->site, manager_now_ms(q) + SCHEDULE_PAUSE_MS);
		}
		message_settle(q, m);
	} else {
		idle_drop(q, a);
	}
	if (a->is_connected)
		site_count_connected(p, -1);
	site_count_agents(p, -1);
	set_doubtful(q, a, false);
	s->agents--;
	schedule_touch(q, p);
	schedule_site_wake(q, p->site);
}

/* ---- all of them ---- */

static void
make_stale(struct manager *q, struct place *p)
{
	p->is_stale = true;
	site_reload(q, p->site);
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
	struct site *s = p->site;
	if (s->is_dead && !s->is_probing) {
		s->dead_until_ms = manager_now_ms(q);
		schedule_site_wait(s, s->dead_until_ms);
	}
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
	sites_free(q);
	for (int kind = JOBS_SMTP; kind < SCHEDULE_SERVICES; kind++)
		claims_free(&q->schedule.service[kind].claims);
}
