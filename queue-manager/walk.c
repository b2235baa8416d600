/*
 * walk - a request about many messages, carried out in small steps
 *
 * See request.h.  A step finds the next message that may be meant, looks at one of its recipients, tells one, or does one piece of what was
 * ordered.  It rests after each slice, and while what was sent is not read; messages may come and go meanwhile.  Who asks hears every second
 * how far it is.
 */
#include <stdio.h>

#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/request.h"

#define STEPS_PER_LOOK 32 /* between two looks at the clock */

/* ---- which messages ---- */

bool
request_is_there(struct peer *p, const struct message *m)
{
	return request_of(p)->is_admin || (message_uid(m) != 0 && message_uid(m) - 1 == p->who.uid);
}

/* the next message that may be meant; NULL: that was all */
static struct message *
next_message(struct peer *p)
{
	struct request *r = request_of(p);
	if (r->selector.id_count == 0) {
		r->looked++;
		return message_cursor_next(p->q, &r->cursor);
	}
	while (r->id_at < r->selector.id_count) {
		struct message *m = message_find(p->q, r->selector.ids[r->id_at++]);
		r->looked++;
		if (m != NULL)
			return m;
	}
	return NULL;
}

/* what is said of one that is meant, or done to it, begins here */
static enum request_phase
meant(struct request *r)
{
	r->index = 0;
	switch (r->aim) {
	case REQUEST_LIST:
	case REQUEST_DRY:
		r->count++;
		return REQUEST_MESSAGE;
	case REQUEST_SITES:
		r->count++;
		return REQUEST_COUNT;
	case REQUEST_BUDGETS:
	case REQUEST_ACT:
		break;
	}
	r->child = 0;
	if (r->verb == CONTROL_REDIRECT)
		return REQUEST_REDIRECT; /* counted once somebody is redirected */
	r->count++;
	return REQUEST_DO;
}

static void
find(struct peer *p, struct message *m)
{
	struct request *r = request_of(p);
	bool is_order = r->aim == REQUEST_ACT || r->aim == REQUEST_DRY;
	/* nothing is done to what is not ours yet */
	if (!request_is_there(p, m) || (is_order && !m->is_kept) ||
	    !select_matches(p->q, &r->selector, m))
		return;
	r->id = m->id;
	r->index = 0;
	r->phase = r->selector.asks_recipients ? REQUEST_MATCH : meant(r);
}

/* ---- what is done ---- */

/* true: it is done; false: there is more to do with it */
static bool
act(struct peer *p, struct message *m)
{
	struct manager *q = p->q;
	switch (request_of(p)->verb) {
	case CONTROL_RETRY:
		message_retry(q, m);
		break;
	case CONTROL_HOLD:
		message_hold(q, m, "by the administrator");
		break;
	case CONTROL_RELEASE:
		message_release(q, m);
		break;
	case CONTROL_REMOVE: {
		char by[24];
		snprintf(by, sizeof(by), "uid %u", (unsigned)p->who.uid);
		EVENT("removed", event_id(m->id), event_string("by", by));
		message_remove(q, m);
		return true;
	}
	case CONTROL_BOUNCE:
		m->uses++;
		bool done = message_bounce(q, m);
		m->uses--;
		if (!done)
			return false;
		break;
	case CONTROL_REDIRECT:
		break; /* one recipient after another, by redirect() */
	}
	message_settle(q, m);
	return true;
}

static void
redirect(struct peer *p, struct message *m, uint32_t number)
{
	struct manager *q = p->q;
	struct request *r = request_of(p);
	bool was_none = r->child == 0;
	if (!select_recipient(q, &r->selector, m, number))
		return;
	if (message_redirect(q, m, number, span_from(r->address.text, r->address.len), &r->child) &&
	    was_none)
		r->count++;
	message_settle(q, m);
}

/* ---- the machine ---- */

/* the next recipient of the message at hand; 0: that was the last */
static uint32_t
next_recipient(struct request *r, const struct message *m)
{
	if (r->index >= m->count || !m->is_queued) {
		r->phase = REQUEST_NEXT;
		return 0;
	}
	return ++r->index;
}

/* one step with the message at hand */
static void
step_message(struct peer *p, struct message *m)
{
	struct manager *q = p->q;
	struct request *r = request_of(p);
	uint32_t number;
	switch (r->phase) {
	case REQUEST_NEXT:
		find(p, m);
		break;
	case REQUEST_MATCH:
		number = next_recipient(r, m);
		if (number != 0 && select_recipient(q, &r->selector, m, number))
			r->phase = meant(r);
		break;
	case REQUEST_MESSAGE:
		r->phase = r->with_recipients && m->is_queued ? REQUEST_RECIPIENTS : REQUEST_NEXT;
		(void)tell_message(p, m);
		break;
	case REQUEST_RECIPIENTS:
		number = next_recipient(r, m);
		if (number != 0)
			(void)tell_recipient(p, m, number);
		break;
	case REQUEST_DO:
		if (act(p, m))
			r->phase = REQUEST_NEXT;
		break;
	case REQUEST_REDIRECT:
		number = next_recipient(r, m);
		if (number != 0)
			redirect(p, m, number);
		break;
	case REQUEST_COUNT:
		number = next_recipient(r, m);
		if (number != 0 && message_is_undelivered(&m->recipients[number - 1]) &&
		    select_recipient(q, &r->selector, m, number))
			site_list_count(q, &r->sites, m, &m->recipients[number - 1]);
		break;
	case REQUEST_TELL_BUDGETS:
	case REQUEST_TELL_SITES:
		break; /* has no message at hand */
	}
}

/* all messages were seen; true: what was found is still to be told */
static bool
end_messages(struct peer *p)
{
	struct request *r = request_of(p);
	if (r->aim != REQUEST_SITES)
		return false;
	if (r->phase != REQUEST_TELL_SITES && site_list_find_some(p->q, &r->sites))
		return true;
	r->phase = REQUEST_TELL_SITES;
	return site_list_tell(p, &r->sites, r->number, r->is_admin);
}

/* true: a step was made; false: the request is over */
static bool
step(struct peer *p)
{
	struct manager *q = p->q;
	struct request *r = request_of(p);
	if (r->phase == REQUEST_TELL_SITES)
		return end_messages(p);
	if (r->phase == REQUEST_TELL_BUDGETS)
		return budget_tell(p, r->number, &r->id_at, r->is_admin);
	struct message *m = r->phase == REQUEST_NEXT ? next_message(p) : message_find(q, r->id);
	if (m == NULL && r->phase == REQUEST_NEXT)
		return end_messages(p);
	if (m == NULL || m->is_gone) {
		r->phase = REQUEST_NEXT;
		return true;
	}
	m->uses++; /* what is read of it may tell that its file is gone */
	step_message(p, m);
	m->uses--;
	if (m->is_gone)
		message_settle(q, m);
	return true;
}

static void
tell_progress(struct peer *p)
{
	struct request *r = request_of(p);
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms - r->told_ms < CONTROL_PROGRESS_MS)
		return;
	r->told_ms = now_ms;
	uint64_t of = r->selector.id_count > 0 ? r->selector.id_count : p->q->messages.count;
	const struct control_progress c = {.looked = r->looked, .of = of, .count = r->count};
	(void)peer_send(p, wire_find(control_answers, CONTROL_PROGRESS), 0, r->number, &c, NULL);
}

static void
finish(struct peer *p)
{
	struct request *r = request_of(p);
	const struct control_done done = {r->count};
	/* what was ordered is written before it is said to be done; a full disk is no reason to say it was not */
	if (r->aim == REQUEST_ACT)
		(void)!message_flush_all(p->q);
	request_end(p);
	p->stage = REQUEST_IDLE;
	(void)peer_send(p, wire_find(control_answers, CONTROL_DONE), 0, r->number, &done, NULL);
}

bool
request_work(struct peer *p, int64_t end_us)
{
	for (unsigned steps = 1; !p->ended && p->first == NULL; steps++) {
		if (!step(p)) {
			finish(p);
			return false;
		}
		if (!p->ended && steps % STEPS_PER_LOOK == 0 && clock_monotonic_us() > end_us) {
			tell_progress(p);
			return true;
		}
	}
	return false; /* it is gone, or goes on when what was sent is read */
}

/* ---- begin and end ---- */

void
request_begin(struct peer *p, uint32_t number, enum request_aim aim)
{
	struct request *r = request_of(p);
	r->number = number;
	r->aim = aim;
	r->phase = aim == REQUEST_BUDGETS ? REQUEST_TELL_BUDGETS : REQUEST_NEXT;
	r->id_at = 0;
	r->looked = r->count = 0;
	r->told_ms = clock_monotonic_ms();
	message_cursor_start(p->q, &r->cursor);
	p->stage = REQUEST_WORKING;
	p->its_turn = true;
	loop_task_wake(p->q->loop, &p->q->control.task);
}

void
request_begin_at(struct peer *p, uint32_t number, uint64_t id)
{
	struct request *r = request_of(p);
	r->selector = (struct selector){.all = true};
	r->with_recipients = true;
	request_begin(p, number, REQUEST_LIST);
	message_cursor_end(p->q, &r->cursor); /* this one, and no other */
	r->id = id;
	r->phase = meant(r);
}

void
request_end(struct peer *p)
{
	struct request *r = request_of(p);
	message_cursor_end(p->q, &r->cursor);
	select_free(&r->selector);
	site_list_free(p->q, &r->sites);
}
