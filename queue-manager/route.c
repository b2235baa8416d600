/*
 * route - asks lookup
 *
 * See route.h, common/protocol/lookup.h.  What the configuration alone settles is not asked (common/config/outside.h).  An answer that expands a recipient is journaled (children, then `expanded`); the children are
 * asked for in their turn, so that there is one way from an address to a place.  What comes from lookup is checked like what comes from
 * anybody: a wrong answer ends the connection, and the questions are asked again of the next lookup.
 */
#include "queue-manager/route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/outside.h"
#include "common/mail/address.h"
#include "common/protocol/lookup.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"
#include "queue-manager/queue.h"

static const struct peer_kind lookup_kind;

/* ---- who waits ---- */

static void
list_add(struct route_list *l, struct message *m)
{
	m->work_next = NULL;
	if (l->last != NULL)
		l->last->work_next = m;
	else
		l->first = m;
	l->last = m;
}

static struct message *
list_take(struct route_list *l)
{
	struct message *m = l->first;
	if (m == NULL)
		return NULL;
	l->first = m->work_next;
	if (l->first == NULL)
		l->last = NULL;
	return m;
}

/* before KEEP only so many are routed as may be parked */
static uint32_t
may_ask(const struct message *m)
{
	uint32_t under_way = m->asks;
	if (!message_may_leave(m))
		under_way += message_in(m, RECIPIENT_READY);
	return under_way < ROUTE_MESSAGE_MAX ? ROUTE_MESSAGE_MAX - under_way : 0;
}

void
route_wanted(struct manager *q, struct message *m)
{
	struct route *r = &q->route;
	if (m->is_working || m->is_gone || may_ask(m) == 0)
		return;
	m->is_working = true;
	m->uses++;
	list_add(m->has_retries ? &r->retries : &r->fresh, m);
	loop_task_wake(q->loop, &r->task);
}

/* ---- questions ---- */

static struct route_ask *
free_ask(struct route *r)
{
	for (size_t i = 0; i < ROUTE_ASKS_MAX; i++)
		if (r->ask[i].request == 0)
			return &r->ask[i];
	return NULL;
}

static void
end_ask(struct manager *q, struct route_ask *a)
{
	free(a->numbers);
	expansion_free(&a->expansion);
	*a = (struct route_ask){0};
	q->route.under_way--;
}

/* those that have no answer are asked for again */
static void
drop_ask(struct manager *q, struct route_ask *a)
{
	struct message *m = message_find(q, a->id);
	for (uint32_t i = 0; m != NULL && i < a->count; i++) {
		if (a->numbers[i] == 0)
			continue;
		m->asks--;
		if (m->recipients[a->numbers[i] - 1].state == RECIPIENT_ASKED)
			message_again(q, m, a->numbers[i]);
	}
	end_ask(q, a);
	if (m != NULL)
		message_settle(q, m);
}

/* a line of the message cannot be read: whatever that means, it is not to be tried in a circle */
static void
unreadable(struct manager *q, struct message *m, int error)
{
	if (m->is_gone)
		return;
	if (error == EBADMSG)
		message_set_aside(q, m, "a line of its journal is not what was written");
	else
		message_due(q, m, message_tick(q) + SCHEDULE_PAUSE_MS / MESSAGE_TICK_MS + 1);
}

/* the sender of a recipient: by which login its mail goes may depend on him */
static int
copy_sender(struct manager *q, struct message *m, uint32_t number, char to[ADDRESS_MAX + 1],
	    size_t *len)
{
	struct span sender;
	*len = 0;
	if (message_sender(q, m, number, &sender) != 0)
		return -1;
	/* a longer one was never taken; if it were, it had no login of its own */
	if (span_copy(sender, to, ADDRESS_MAX + 1) == 0)
		*len = sender.len;
	return 0;
}

static void
send_to(struct manager *q, struct place *p, struct message *m, uint32_t number)
{
	destination_sent(q, m->recipients[number - 1].domain, p);
	queue_add(q, p, m, number);
}

/* settled - is a recipient none of ours, so that the configuration alone says where it goes, and by which login?  It is on its way then. */
static bool
settled(struct manager *q, struct message *m, uint32_t number, const struct journal_entry *e,
	bool has_sender)
{
	struct outside o;

	/* a line of an alias is lookup's, also where its domain is ours no more */
	if (e->line != 0 || !outside_address(q->config, e->text, &o))
		return false;
	/* a table says by which login the mail of this sender goes */
	if (o.is_by_sender && has_sender)
		return false;
	message_set(q, m, number, RECIPIENT_ASKED);
	const struct place_name name = {o.hops, o.block, o.login, SPAN_NONE};
	send_to(q, queue_place_named(q, JOBS_SMTP, &name), m, number);
	return true;
}

/*
 * ask_for - one datagram about as many of its recipients as fit; the message is in use by the caller
 *
 * False: nothing was asked, and nothing settled.
 */
static bool
ask_for(struct manager *q, struct message *m)
{
	static struct wire list;
	struct route *r = &q->route;
	struct route_ask *a = free_ask(r);
	struct journal_entry e;
	bool is_by_sender = config_has_sender_logins(q->config);
	char sender[ADDRESS_MAX + 1];
	size_t sender_len = 0;
	uint32_t most = may_ask(m), count = 0, sent = 0;
	if (most > LOOKUP_QUESTIONS_MAX)
		most = LOOKUP_QUESTIONS_MAX;
	if (most > message_in(m, RECIPIENT_WAITING))
		most = message_in(m, RECIPIENT_WAITING);
	if (a == NULL || most == 0 || m->is_held || m->is_gone)
		return false;
	uint32_t *numbers = malloc(most * sizeof(*numbers));
	if (numbers == NULL)
		fatal(EXIT_OS, ENOMEM, "%u questions", most);
	wire_list_start(&list);
	/* from where the last question ended, and once around: nobody is looked at twice for nothing */
	for (uint32_t steps = 0, i = m->route_from; steps < m->count && count + sent < most;
	     steps++, i++) {
		if (i >= m->count)
			i = 0;
		if (m->recipients[i].state != RECIPIENT_WAITING)
			continue;
		if ((is_by_sender && copy_sender(q, m, i + 1, sender, &sender_len) != 0) ||
		    message_recipient(q, m, i + 1, &e) != 0) {
			unreadable(q, m, errno);
			break;
		}
		if (settled(q, m, i + 1, &e, sender_len > 0)) {
			m->route_from = i + 1;
			sent++;
			continue;
		}
		const struct lookup_question question = {i + 1, e.text, e.direct, e.line,
							 span_from(sender, sender_len)};
		if (wire_list_add(&list, WIRE_LIST_ROOM, &lookup_question_shape, &question) != 0)
			break;
		numbers[count++] = i + 1;
		m->route_from = i + 1;
	}
	if (count == 0 || m->is_gone) {
		free(numbers);
		return sent > 0;
	}
	if (++r->last_request == 0)
		r->last_request = 1;
	*a = (struct route_ask){.request = r->last_request,
				.id = m->id,
				.numbers = numbers,
				.count = count,
				.left = count,
				.since_ms = manager_now_ms(q)};
	for (uint32_t i = 0; i < count; i++)
		message_set(q, m, numbers[i], RECIPIENT_ASKED);
	m->asks += count;
	r->under_way++;
	const struct lookup_questions questions = {wire_list_get(&list)};
	if (r->timer.slot == 0)
		loop_timer_set(q->loop, &r->timer, a->since_ms + ROUTE_ANSWER_MS);
	return peer_send(r->peer, wire_find(lookup_calls, LOOKUP_ROUTES), 0, a->request, &questions,
			 NULL);
}

/* ---- answers ---- */

static struct place *
place_of(struct manager *q, const struct lookup_leaf *l)
{
	if (l->kind == LOOKUP_SMTP)
		return queue_place_named(
			q, JOBS_SMTP,
			&(struct place_name){l->hosts, l->domain, l->user, SPAN_NONE});
	const struct place_name name = {l->user, l->domain, l->home, l->delivery};
	struct place *p = queue_place_named(q,
					    l->kind == LOOKUP_LINE    ? JOBS_LINE
					    : l->kind == LOOKUP_ALIAS ? JOBS_ALIAS
								      : JOBS_MAILBOX,
					    &name);
	p->quota = l->quota;
	return p;
}

/* one leaf, and the recipient itself: it goes there */
static const char *
leaf_is_itself(struct manager *q, struct message *m, const struct lookup_leaf *l)
{
	uint32_t number = (uint32_t)l->number;
	const struct answer a = {
		.code = l->code, .status = l->status, .reply = l->text, .host = SPAN_NONE};
	switch ((enum lookup_leaf_kind)l->kind) {
	case LOOKUP_MAILBOX:
	case LOOKUP_LINE:
	case LOOKUP_ALIAS:
	case LOOKUP_SMTP:
		if ((l->kind == LOOKUP_SMTP ? l->hosts.len : l->user.len) == 0)
			return "answered with a place without a name";
		if (m->is_held)
			message_again(q, m, number);
		else
			send_to(q, place_of(q, l), m, number);
		return NULL;
	case LOOKUP_REFUSE:
		message_failed(q, m, number, &a);
		return NULL;
	case LOOKUP_DEFER:
		message_deferred(q, m, number, &a, 0);
		return NULL;
	case LOOKUP_DISCARD:
		message_delivered(q, m, number, &a);
		return NULL;
	case LOOKUP_HOLD:
		message_again(q, m, number);
		message_hold(q, m, "its route says so");
		return NULL;
	}
	return "answered with a leaf of no kind";
}

/* one of the leaves into which a recipient was expanded */
static void
leaf_of_expansion(struct manager *q, struct message *m, struct route_ask *a,
		  const struct lookup_leaf *l)
{
	const struct jobs_child child = {l->address, l->direct, l->line, l->owner};
	if (a->expansion.parent == 0)
		expansion_start(&a->expansion, (uint32_t)l->number);
	expansion_add(q, m, &a->expansion, &child);
	if (a->seen == a->leaves)
		expansion_end(q, m, &a->expansion);
}

static bool
is_the_question(struct manager *q, struct message *m, const struct lookup_leaf *l)
{
	struct journal_entry e;
	if (message_recipient(q, m, (uint32_t)l->number, &e) != 0)
		return true; /* nothing is expanded on no ground */
	return lookup_is_same(e.text, e.direct, e.line, l);
}

static const char *
take_leaf(struct manager *q, struct route_ask *a, struct message *m, const struct lookup_leaf *l)
{
	uint32_t at = 0;
	if (a->number != 0) {
		if (l->number != a->number || l->leaves != a->leaves)
			return "mixed the leaves of two questions";
	} else {
		a->number = (uint32_t)l->number;
		a->leaves = (uint32_t)l->leaves;
		a->seen = 0;
		a->expansion.parent = 0;
	}
	while (at < a->count && a->numbers[at] != a->number)
		at++;
	if (a->number == 0 || at == a->count)
		return "answered what was not asked";
	a->seen++;
	const char *wrong = NULL;
	if (m != NULL && !m->is_gone && m->recipients[a->number - 1].state == RECIPIENT_ASKED) {
		if (a->leaves == 1 && is_the_question(q, m, l))
			wrong = leaf_is_itself(q, m, l);
		else
			leaf_of_expansion(q, m, a, l);
	}
	if (wrong == NULL && a->seen == a->leaves) {
		a->numbers[at] = 0;
		a->left--;
		a->number = 0;
		if (m != NULL)
			m->asks--;
	}
	return wrong;
}

static const char *
handle_leaves(struct peer *p, const struct wire_header *h, const void *message)
{
	struct manager *q = p->q;
	const struct lookup_leaves *answer = message;
	struct route_ask *a = NULL;
	struct lookup_leaf leaf;
	const char *wrong = NULL;
	for (size_t i = 0; i < ROUTE_ASKS_MAX; i++)
		if (h->request != 0 && q->route.ask[i].request == h->request)
			a = &q->route.ask[i];
	if (a == NULL)
		return "answered a question that was not asked";
	struct message *m = message_find(q, a->id);
	if (m != NULL)
		m->uses++;
	struct wire_list list = answer->leaves;
	while (wrong == NULL && wire_list_next(&list, &lookup_leaf_shape, &leaf))
		wrong = take_leaf(q, a, m, &leaf);
	bool is_last = (h->flags & WIRE_MORE) == 0;
	if (wrong == NULL && is_last && a->left > 0)
		wrong = "did not answer all that was asked";
	if (wrong == NULL && is_last)
		end_ask(q, a);
	if (m != NULL) {
		m->uses--;
		message_settle(q, m);
	}
	p->its_turn = q->route.under_way == 0; /* nothing more can come */
	if (wrong == NULL) {
		q->route.again_ms = ROUTE_AGAIN_MIN_MS;
		loop_task_wake(q->loop, &q->route.task);
	}
	return wrong;
}

/* ---- the connection ---- */

static void
lookup_closed(struct peer *p)
{
	struct manager *q = p->q;
	struct route *r = &q->route;
	r->peer = NULL;
	for (size_t i = 0; i < ROUTE_ASKS_MAX; i++)
		if (r->ask[i].request != 0)
			drop_ask(q, &r->ask[i]);
	loop_timer_set(q->loop, &r->timer, manager_now_ms(q) + r->again_ms);
	r->again_ms = r->again_ms * 2 < ROUTE_AGAIN_MAX_MS ? r->again_ms * 2 : ROUTE_AGAIN_MAX_MS;
}

static const struct peer_rule lookup_rules[] = {
	{LOOKUP_LEAVES, 1, handle_leaves},
	{0, 0, NULL},
};

static const struct peer_kind lookup_kind = {
	.name = "lookup",
	.calls = lookup_answers,
	.rules = lookup_rules,
	.first_stage = 1,
	.closed = lookup_closed,
};

static bool
is_connected(struct manager *q)
{
	struct route *r = &q->route;
	struct channel_peer who = {0};
	if (r->peer != NULL)
		return true;
	if (r->timer.slot != 0 || r->path[0] == '\0')
		return false;
	int fd = channel_connect(r->path, 0);
	if (fd >= 0)
		r->peer = peer_open(q, fd, &lookup_kind, &who);
	if (r->peer != NULL)
		return true;
	loop_timer_set(q->loop, &r->timer, manager_now_ms(q) + r->again_ms);
	r->again_ms = r->again_ms * 2 < ROUTE_AGAIN_MAX_MS ? r->again_ms * 2 : ROUTE_AGAIN_MAX_MS;
	return false;
}

/* no answer for too long; or time to connect again */
static void
timer_fired(struct loop_timer *t)
{
	struct manager *q = t->owner;
	struct route *r = &q->route;
	int64_t now = manager_now_ms(q), next = INT64_MAX;
	for (size_t i = 0; r->peer != NULL && i < ROUTE_ASKS_MAX; i++) {
		if (r->ask[i].request == 0)
			continue;
		if (r->ask[i].since_ms + ROUTE_ANSWER_MS <= now) {
			peer_end(r->peer, "does not answer");
			return;
		}
		if (r->ask[i].since_ms + ROUTE_ANSWER_MS < next)
			next = r->ask[i].since_ms + ROUTE_ANSWER_MS;
	}
	if (next != INT64_MAX)
		loop_timer_set(q->loop, t, next);
	loop_task_wake(q->loop, &r->task);
}

static bool
route_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct route *r = &q->route;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	while (r->fresh.first != NULL || r->retries.first != NULL) {
		if (!disk_may_deliver(q) || q->is_stopping || !is_connected(q) ||
		    free_ask(r) == NULL)
			return false; /* woken by an answer, the timer, or disk.c */
		if (clock_monotonic_us() > end_us)
			return true;
		struct message *m = list_take(r->fresh.first != NULL ? &r->fresh : &r->retries);
		m->is_working = false;
		bool asked = ask_for(q, m);
		m->uses--;
		/* the rest of a long list comes after the others */
		if (asked || m->is_gone || m->is_held)
			message_settle(q, m);
	}
	return false;
}

void
route_start(struct manager *q, const char *path)
{
	struct route *r = &q->route;
	*r = (struct route){.again_ms = ROUTE_AGAIN_MIN_MS,
			    .task = {.step = route_some, .owner = q},
			    .timer = {.fire = timer_fired, .owner = q}};
	snprintf(r->path, sizeof(r->path), "%s", path != NULL ? path : "");
}

void
route_free(struct manager *q)
{
	struct route *r = &q->route;
	if (r->peer != NULL)
		peer_end(r->peer, NULL);
	loop_task_clear(q->loop, &r->task);
	loop_timer_clear(q->loop, &r->timer);
}
