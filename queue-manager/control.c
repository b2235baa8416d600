/*
 * control - LIST, SHOW, ACT, STATUS
 *
 * See control.h, select.h.  A request is a small machine: the next message that may be meant, whether one of its recipients is,
 * then what is to be said of it or done to it.  It rests after each slice, and while what was sent is not read; messages may come and go
 * meanwhile.
 */
#include "queue-manager/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/protocol/control.h"
#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/select.h"

#define STEPS_PER_LOOK 32 /* between two looks at the clock */

enum stage { IDLE = 1, WORKING = 2 };

enum phase {
	NEXT,	    /* which message? */
	MATCH,	    /* is one of its recipients meant? */
	MESSAGE,    /* it is: say so, or */
	ACT,	    /* do it */
	RECIPIENTS, /* one after another */
};

struct request {
	uint32_t number;
	enum phase phase;
	enum control_verb verb; /* 0: LIST or SHOW */
	bool with_recipients;
	struct selector selector;
	struct message_cursor cursor;
	size_t id_at;	/* the next of the selector's ids */
	uint64_t id;	/* of the message at hand */
	uint32_t index; /* of the recipient at hand */
	uint64_t count; /* of the messages that were meant */
	bool is_admin;	/* else only what this uid has sent is there for it */
};

static struct request *
state_of(struct peer *p)
{
	return p->state;
}

static const struct wire_shape *
shape(uint16_t type)
{
	return wire_find(control_answers, type);
}

static const char *
refuse(struct peer *p, uint32_t number, const char *text)
{
	const struct control_refused r = {span_of(text)};
	(void)peer_send(p, shape(CONTROL_REFUSED), 0, number, &r, NULL);
	return NULL;
}

static void
finish(struct peer *p)
{
	struct request *r = state_of(p);
	const struct control_done done = {r->count};
	/* what was ordered is written before it is said to be done; a full disk is no reason to say it was not */
	if (r->verb != 0)
		(void)!message_flush_all(p->q);
	message_cursor_end(p->q, &r->cursor);
	select_free(&r->selector);
	p->stage = IDLE;
	(void)peer_send(p, shape(CONTROL_DONE), 0, r->number, &done, NULL);
}

/* ---- one message ---- */

static const char *
recipient_state_name(const struct recipient *r)
{
	switch ((enum recipient_state)r->state) {
	case RECIPIENT_WAITING:
	case RECIPIENT_ASKED:
	case RECIPIENT_READY:
		return "waiting";
	case RECIPIENT_ACTIVE:
		return "active";
	case RECIPIENT_DEFERRED:
		return "deferred";
	case RECIPIENT_DELIVERED:
		return "delivered";
	case RECIPIENT_EXPANDED:
		return "expanded";
	case RECIPIENT_SUCCEEDED:
	case RECIPIENT_FAILED:
	case RECIPIENT_TELLING:
	case RECIPIENT_NOTIFIED:
		return r->is_success ? "delivered" : "failed";
	case RECIPIENT_ORPHAN:
	case RECIPIENT_STATES:
		break;
	}
	return "orphan";
}

static bool
send_message(struct peer *p, struct message *m)
{
	const struct control_message c = {
		.id = m->id,
		.state = span_of(message_class_name((enum message_class)m->class)),
		.size = m->length,
		.arrived_us = (uint64_t)(m->arrived_us > 0 ? m->arrived_us : 0),
		.next_us = (uint64_t)message_next_us(p->q, m),
		.attempts = message_attempts(m),
		.sender = name_text(m->sender),
		.recipients = m->count - m->states[RECIPIENT_ORPHAN],
		.open = message_open_recipients(m)};
	return peer_send(p, shape(CONTROL_MESSAGE), 0, state_of(p)->number, &c, NULL);
}

static void
put_reply(char *to, size_t size, const struct journal_entry *e)
{
	int len = 0;
	if (e->code != 0)
		len = snprintf(to, size, "%" PRIu64 " ", e->code);
	len += snprintf(to + len, size - (size_t)len, "%.*s %.*s", SPAN_ARG(e->status),
			SPAN_ARG(e->reply));
	if (e->host.len > 0 && (size_t)len < size)
		snprintf(to + len, size - (size_t)len, " (%.*s)", SPAN_ARG(e->host));
}

static bool
send_recipient(struct peer *p, struct message *m, uint32_t number)
{
	struct manager *q = p->q;
	const struct recipient *r = &m->recipients[number - 1];
	char address[INTAKE_RECIPIENT_MAX], reply[CONTROL_TEXT_MAX + 1] = "";
	struct journal_entry e;
	enum recipient_state s = r->state;
	if (s == RECIPIENT_ORPHAN || message_recipient(q, m, number, &e) != 0 ||
	    e.text.len > sizeof(address))
		return true;
	memcpy(address, e.text.at, e.text.len);
	struct control_recipient c = {.id = m->id,
				      .number = number,
				      .address = span_from(address, e.text.len),
				      .state = span_of(recipient_state_name(r))};
	if (r->last != 0 && s != RECIPIENT_EXPANDED && message_line(q, m, r->last, &e) == 0) {
		if (e.verb == JOURNAL_EXPANDED)
			c.state = SPAN("expanded");
		else
			put_reply(reply, sizeof(reply), &e);
	}
	c.reply = span_of(reply);
	return peer_send(p, shape(CONTROL_RECIPIENT), 0, state_of(p)->number, &c, NULL);
}

/* true: it is done; false: there is more to do with it */
static bool
act(struct peer *p, struct message *m)
{
	struct manager *q = p->q;
	switch (state_of(p)->verb) {
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
	}
	message_settle(q, m);
	return true;
}

/* ---- the machine ---- */

/* a local user sees and ends what he has sent himself, and nothing else */
static bool
is_there_for(const struct peer *p, const struct message *m)
{
	const struct request *r = p->state;
	return r->is_admin || (m->uid != 0 && m->uid - 1 == p->who.uid);
}

/* the next message that may be meant; NULL: that was all */
static struct message *
next_message(struct peer *p)
{
	struct request *r = state_of(p);
	if (r->selector.id_count == 0)
		return message_cursor_next(p->q, &r->cursor);
	while (r->id_at < r->selector.id_count) {
		struct message *m = message_find(p->q, r->selector.ids[r->id_at++]);
		if (m != NULL)
			return m;
	}
	return NULL;
}

/* what is said of one that is meant begins here */
static enum phase
meant(struct request *r)
{
	r->count++;
	r->index = 0;
	return r->verb != 0 ? ACT : MESSAGE;
}

/* true: a step was made; false: the request is over */
static bool
step(struct peer *p)
{
	struct manager *q = p->q;
	struct request *r = state_of(p);
	struct journal_entry e;
	struct message *m = r->phase == NEXT ? next_message(p) : message_find(q, r->id);
	if (m == NULL && r->phase == NEXT)
		return false;
	if (m == NULL || m->is_gone) {
		r->phase = NEXT;
		return true;
	}
	switch (r->phase) {
	case NEXT:
		/* nothing is done to what is not ours yet */
		if (!is_there_for(p, m) || (r->verb != 0 && !m->is_kept) ||
		    !select_matches(&r->selector, m))
			return true;
		r->id = m->id;
		r->index = 0;
		r->phase = r->selector.asks_recipients ? MATCH : meant(r);
		return true;
	case MATCH:
		if (r->index >= m->count || !m->is_queued) {
			r->phase = NEXT;
			return true;
		}
		r->index++;
		if (m->recipients[r->index - 1].state != RECIPIENT_ORPHAN &&
		    message_recipient(q, m, r->index, &e) == 0 &&
		    select_recipient(&r->selector, e.text))
			r->phase = meant(r);
		return true;
	case MESSAGE:
		r->phase = r->with_recipients && m->is_queued ? RECIPIENTS : NEXT;
		(void)send_message(p, m);
		return true;
	case RECIPIENTS:
		if (r->index >= m->count) {
			r->phase = NEXT;
			return true;
		}
		r->index++;
		(void)send_recipient(p, m, r->index);
		return true;
	case ACT:
		if (act(p, m))
			r->phase = NEXT;
		return true;
	}
	return false;
}

static bool
work_on(struct peer *p, int64_t end_us)
{
	for (unsigned steps = 1; !p->ended && p->first == NULL; steps++) {
		if (!step(p)) {
			finish(p);
			return false;
		}
		if (!p->ended && steps % STEPS_PER_LOOK == 0 && clock_monotonic_us() > end_us)
			return true;
	}
	return false; /* it is gone, or goes on when what was sent is read */
}

static const struct peer_kind control_kind;

static bool
work_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	struct peer *next;
	bool more = false;
	for (struct peer *p = q->peers; p != NULL; p = next) {
		bool was_in_use = p->in_use;
		p->in_use = true;
		if (p->kind == &control_kind && p->stage == WORKING && work_on(p, end_us))
			more = true;
		p->in_use = was_in_use;
		next = p->next;
		if (p->ended)
			peer_release(p);
		if (clock_monotonic_us() > end_us) {
			more = true;
			break;
		}
	}
	return more;
}

static void
drained(struct peer *p)
{
	if (p->stage == WORKING)
		loop_task_wake(p->q->loop, &p->q->control.task);
}

/* ---- requests ---- */

static void
begin(struct peer *p, uint32_t number, enum control_verb verb, bool with_recipients)
{
	struct request *r = state_of(p);
	r->number = number;
	r->verb = verb;
	r->with_recipients = with_recipients;
	r->phase = NEXT;
	r->id_at = 0;
	r->count = 0;
	message_cursor_start(p->q, &r->cursor);
	p->stage = WORKING;
	p->its_turn = true;
	loop_task_wake(p->q->loop, &p->q->control.task);
}

#define NOT_ALLOWED "only root, the group culver-admin and the user who runs Culver may do this"

static const char *
handle_list(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_list *list = message;
	struct request *r = state_of(p);
	const char *wrong = select_parse(&r->selector, list->selector, true);
	if (wrong != NULL)
		return refuse(p, h->request, wrong);
	begin(p, h->request, (enum control_verb)0, list->recipients != 0);
	return NULL;
}

static const char *
handle_act(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_act *order = message;
	struct request *r = state_of(p);
	if (!r->is_admin && order->verb != CONTROL_RETRY && order->verb != CONTROL_REMOVE)
		return refuse(p, h->request, NOT_ALLOWED);
	const char *wrong = select_parse(&r->selector, order->selector, false);
	if (wrong != NULL)
		return refuse(p, h->request, wrong);
	if (r->is_admin && order->verb == CONTROL_RETRY)
		schedule_forgive(p->q);
	begin(p, h->request, (enum control_verb)order->verb, false);
	return NULL;
}

static const char *
handle_show(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_show *show = message;
	struct manager *q = p->q;
	struct request *r = state_of(p);
	struct message *m = message_find(q, show->id);
	if (m == NULL || !is_there_for(p, m) || !m->is_queued || m->is_gone)
		return refuse(p, h->request, "no message with this id is queued");
	(void)!message_flush(q, m); /* its file says all that we know, if it can */
	int fd = spool_open(&q->spool, m->id, O_RDONLY);
	if (fd < 0)
		return refuse(p, h->request, "its file cannot be opened");
	const struct control_file file = {JOURNAL_HEADER_SIZE, m->length};
	bool sent = peer_send(p, shape(CONTROL_FILE), 0, h->request, &file, &fd);
	close(fd);
	if (!sent)
		return NULL;
	r->selector = (struct selector){.all = true};
	begin(p, h->request, (enum control_verb)0, true);
	message_cursor_end(q, &r->cursor); /* this one, and no other */
	r->id = m->id;
	r->phase = meant(r);
	return NULL;
}

static const char *
handle_status(struct peer *p, const struct wire_header *h, const void *message)
{
	struct manager *q = p->q;
	struct messages *t = &q->messages;
	(void)message;
	if (!state_of(p)->is_admin)
		return refuse(p, h->request, NOT_ALLOWED);
	uint64_t memory = t->count * (sizeof(struct message) + 2 * sizeof(void *)) +
			  t->recipients * sizeof(struct recipient) +
			  t->senders.count * sizeof(struct name);
	const struct control_state s = {.messages = t->count,
					.recipients = t->recipients,
					.incoming = t->classes[MESSAGE_INCOMING] + q->intake.open,
					.ready = t->classes[MESSAGE_READY],
					.active = t->classes[MESSAGE_ACTIVE],
					.deferred = t->classes[MESSAGE_DEFERRED],
					.held = t->classes[MESSAGE_HELD],
					.replaying = !q->replay.is_done,
					.disk_low = disk_is_low(q),
					.longest_turn_us = (uint64_t)loop_longest_turn_us(q->loop),
					.memory_per_message = t->count > 0 ? memory / t->count : 0};
	p->its_turn = true;
	(void)peer_send(p, shape(CONTROL_STATE), 0, h->request, &s, NULL);
	return NULL;
}

/* ---- come and go ---- */

static bool
may_do_all(const struct peer *p)
{
	const struct start *s = p->q->start;
	if (p->who.uid == 0)
		return true;
	if (s == NULL)
		return p->who.uid == getuid();
	if (p->who.uid == s->admin_uid)
		return true;
	return s->admin_gid != (gid_t)-1 && channel_peer_in_group(p->watch.fd, s->admin_gid);
}

static const char *
opened(struct peer *p)
{
	struct request *r = calloc(1, sizeof(*r));
	unsigned count = 0;
	if (r == NULL)
		return "no memory";
	p->state = r;
	r->is_admin = may_do_all(p);
	for (struct peer *other = p->q->peers; other != NULL; other = other->next)
		if (other->kind == &control_kind && other->who.uid == p->who.uid)
			count++;
	if (count > (r->is_admin ? CONTROL_PEERS_ADMIN_MAX : CONTROL_PEERS_MAX))
		return "has too many connections";
	return NULL;
}

static void
closed(struct peer *p)
{
	struct request *r = state_of(p);
	if (r == NULL)
		return;
	message_cursor_end(p->q, &r->cursor);
	select_free(&r->selector);
	free(r);
	p->state = NULL;
}

static const struct peer_rule rules[] = {
	{CONTROL_LIST, IDLE, handle_list},
	{CONTROL_SHOW, IDLE, handle_show},
	{CONTROL_ACT, IDLE, handle_act},
	{CONTROL_STATUS, IDLE, handle_status},
	{0, 0, NULL},
};

static const struct peer_kind control_kind = {
	.name = "control",
	.calls = control_calls,
	.rules = rules,
	.first_stage = IDLE,
	.opened = opened,
	.closed = closed,
	.drained = drained,
};

void
control_start(struct manager *q, const struct start_listen *socket)
{
	q->control.task = (struct loop_task){.step = work_some, .owner = q};
	peer_listen(q, &q->control.listener, socket, &control_kind);
}

void
control_free(struct manager *q)
{
	loop_task_clear(q->loop, &q->control.task);
}
