/*
 * budget - see budget.h, B1 to B4
 *
 * Which messages are held is said by their journals and by nothing else; what is held is found by walking over all messages, in slices, when a slot
 * of five minutes has ended: a million of them take a tenth of a second, no list has to be kept, and nothing is walked while nothing is held.
 */
#include "queue-manager/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/protocol/control.h"
#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/queue.h"

#define REASON "over budget: "
#define STEPS_PER_LOOK 32     /* between two looks at the clock */
#define SENDER_UID "uid:"     /* and the number: a user of this host */
#define SENDER_LOGIN "login:" /* before a login that would be taken for something else */
#define SENTENCE_MAX 400

static const int64_t period_slots[CONFIG_BUDGET_PERIODS] = {
	[CONFIG_BUDGET_HOUR] = LEDGER_HOUR_SLOTS,
	[CONFIG_BUDGET_DAY] = LEDGER_DAY_SLOTS,
};

/* ---- whose, and how much ---- */

/* a login may be any word: one must not have the account of a user of this host, nor that of all who are too many */
static bool
is_ambiguous(struct span login)
{
	return span_starts(login, SPAN(SENDER_UID)) || span_starts(login, SPAN(SENDER_LOGIN)) ||
	       span_equal(login, SPAN(LEDGER_OTHERS));
}

/* NULL: it has no budget */
static struct ledger_sender *
sender_of(struct manager *q, const struct message *m)
{
	char name[sizeof(SENDER_LOGIN) + INTAKE_LOGIN_MAX];
	struct span login = message_login(q, m);
	if (m->origin == INTAKE_NOTICE || (message_uid(m) == 0 && login.len == 0))
		return NULL;
	if (message_uid(m) != 0)
		snprintf(name, sizeof(name), SENDER_UID "%u", (unsigned)(message_uid(m) - 1));
	else
		snprintf(name, sizeof(name), "%s%.*s", is_ambiguous(login) ? SENDER_LOGIN : "",
			 SPAN_ARG(login));
	return ledger_sender(&q->budget.ledger, span_of(name));
}

static const struct config_budget *
budget_of(const struct manager *q, const struct ledger_sender *s)
{
	return config_budget_find(q->config, span_of(s->name));
}

static struct ledger_amount
amount_of(const struct message *m)
{
	return (struct ledger_amount){.messages = 1, .recipients = m->count, .bytes = m->length};
}

static uint64_t
of_kind(const struct ledger_amount *a, enum config_budget_kind kind)
{
	switch (kind) {
	case CONFIG_BUDGET_MESSAGES:
		return a->messages;
	case CONFIG_BUDGET_RECIPIENTS:
		return a->recipients;
	case CONFIG_BUDGET_BYTES:
		return a->bytes;
	case CONFIG_BUDGET_KINDS:
		break;
	}
	return 0;
}

/* the first bound that `more` would go beyond, as words appended to `to`; false: none */
static bool
goes_beyond(struct manager *q, struct ledger_sender *s, const struct ledger_amount *more,
	    bool is_empty, struct buffer *to)
{
	const struct config_budget *b = budget_of(q, s);
	for (int period = 0; b != NULL && period < CONFIG_BUDGET_PERIODS; period++) {
		struct ledger_amount used = {0};
		if (!is_empty)
			used = ledger_used(s, period_slots[period], manager_wall_us(q));
		for (int kind = 0; kind < CONFIG_BUDGET_KINDS; kind++) {
			uint64_t limit = b->limit[kind][period];
			if (limit == 0 || of_kind(&used, kind) + of_kind(more, kind) <= limit)
				continue;
			if (to != NULL)
				config_budget_format(b, kind, period, to);
			return true;
		}
	}
	return false;
}

/* not even an empty budget has room for it */
static bool
never_fits(struct manager *q, struct ledger_sender *s, const struct ledger_amount *more)
{
	return goes_beyond(q, s, more, true, NULL);
}

/* ---- counting ---- */

static int64_t
next_slot_ms(const struct manager *q)
{
	int64_t left_us = LEDGER_SLOT_US - manager_wall_us(q) % LEDGER_SLOT_US;
	return manager_now_ms(q) + left_us / 1000 + 1;
}

static void
save(struct loop_timer *t)
{
	struct manager *q = t->owner;
	if (!ledger_save(&q->budget.ledger))
		loop_timer_set(q->loop, t, manager_now_ms(q) + BUDGET_SAVE_AGAIN_MS);
	int64_t slot = manager_wall_us(q) / LEDGER_SLOT_US;
	if (slot != q->budget.tidied_slot)
		ledger_forget_idle(&q->budget.ledger, manager_wall_us(q));
	q->budget.tidied_slot = slot;
}

static void
count(struct manager *q, struct ledger_sender *s, const struct ledger_amount *used)
{
	struct budget *b = &q->budget;
	if (ledger_add(&b->ledger, s, used, manager_wall_us(q)) && b->save_timer.slot == 0)
		loop_timer_set(q->loop, &b->save_timer, manager_now_ms(q) + BUDGET_SAVE_MS);
}

/* ---- held ---- */

bool
budget_is_reason(struct span reason)
{
	return span_starts(reason, SPAN(REASON));
}

static void
look_later(struct manager *q)
{
	if (q->budget.walk_timer.slot == 0)
		loop_timer_set(q->loop, &q->budget.walk_timer, next_slot_ms(q));
}

static void
hold(struct manager *q, struct message *m, struct ledger_sender *s, const struct buffer *beyond)
{
	char reason[BUDGET_REASON_MAX];
	const struct ledger_amount more = amount_of(m);
	if (beyond->len > 0)
		snprintf(reason, sizeof(reason), REASON "%.*s", SPAN_ARG(buffer_get(beyond)));
	else
		snprintf(reason, sizeof(reason), REASON "what was sent before is held");
	message_hold(q, m, reason);
	m->is_over_budget = true;
	s->held++;
	q->budget.held++;
	if (!never_fits(q, s, &more))
		s->is_waiting = true;
	/* B1: the session brings this line to the disk with the others; a full disk keeps it in memory */
	(void)!message_flush(q, m);
	look_later(q);
}

void
budget_came(struct manager *q, struct message *m)
{
	struct ledger_sender *s = sender_of(q, m);
	const struct ledger_amount more = amount_of(m);
	struct buffer beyond;
	if (s == NULL)
		return;
	buffer_init(&beyond, BUDGET_REASON_MAX);
	if (goes_beyond(q, s, &more, false, &beyond) || s->is_waiting)
		hold(q, m, s, &beyond);
	else
		count(q, s, &more);
	buffer_free(&beyond);
}

void
budget_found(struct manager *q, struct message *m)
{
	struct ledger_sender *s = sender_of(q, m);
	struct budget *b = &q->budget;
	if (s == NULL) {
		m->is_over_budget = false;
		return;
	}
	s->held++;
	b->held++;
	s->is_waiting = s->is_told = true;
	/* there may be room by now */
	if (b->walk_timer.slot == 0)
		loop_timer_set(q->loop, &b->walk_timer, manager_now_ms(q) + BUDGET_SAVE_MS);
}

void
budget_gone(struct manager *q, struct message *m)
{
	struct ledger_sender *s = sender_of(q, m);
	m->is_over_budget = false;
	if (s == NULL || s->held == 0)
		return;
	q->budget.held--;
	if (--s->held == 0)
		s->is_waiting = s->is_told = false;
}

void
budget_released(struct manager *q, struct message *m)
{
	struct ledger_sender *s = sender_of(q, m);
	const struct ledger_amount used = amount_of(m);
	budget_gone(q, m);
	if (s != NULL)
		count(q, s, &used);
}

/* ---- when there is room ---- */

static void
look_at(struct manager *q, struct message *m)
{
	struct ledger_sender *s = sender_of(q, m);
	const struct ledger_amount more = amount_of(m);
	if (s == NULL || s->is_full || never_fits(q, s, &more))
		return;
	if (goes_beyond(q, s, &more, false, NULL)) {
		s->is_full = true;
		return;
	}
	message_release(q, m);
	message_settle(q, m);
}

static void
begin_walk(struct manager *q)
{
	struct budget *b = &q->budget;
	for (size_t i = 0; i < b->ledger.count; i++)
		b->ledger.senders[i]->is_full = false;
	message_cursor_start(q, &b->cursor);
	b->is_walking = true;
}

static void
end_walk(struct manager *q)
{
	struct budget *b = &q->budget;
	message_cursor_end(q, &b->cursor);
	b->is_walking = false;
	for (size_t i = 0; i < b->ledger.count; i++)
		b->ledger.senders[i]->is_waiting = b->ledger.senders[i]->is_full;
	if (b->held > 0)
		look_later(q);
}

static bool
walk_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct budget *b = &q->budget;
	struct message *m;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	if (q->is_stopping)
		return false;
	if (!b->is_walking)
		begin_walk(q);
	for (unsigned steps = 1; (m = message_cursor_next(q, &b->cursor)) != NULL; steps++) {
		if (m->is_over_budget && !m->is_gone)
			look_at(q, m);
		if (steps % STEPS_PER_LOOK == 0 && clock_monotonic_us() > end_us)
			return true;
	}
	end_walk(q);
	return false;
}

static void
walk(struct loop_timer *t)
{
	struct manager *q = t->owner;
	if (q->budget.held > 0)
		loop_task_wake(q->loop, &q->budget.task);
}

void
budget_configured(struct manager *q)
{
	walk(&q->budget.walk_timer);
}

/* ---- who is told ---- */

void
budget_settle(struct manager *q, struct message *m)
{
	struct ledger_sender *s = sender_of(q, m);
	if (s == NULL || s->is_told)
		return;
	s->is_told = true;
	EVENT("over-budget", event_string("sender", s->name), event_id(m->id));
	if (m->sender->len > 0 && !m->is_telling_delay)
		queue_delay(q, m);
}

void
budget_failure(struct manager *q, struct message *m, struct jobs_failure *f)
{
	static char sentence[SENTENCE_MAX];
	struct ledger_sender *s = sender_of(q, m);
	const struct config_budget *b = s != NULL ? budget_of(q, s) : NULL;
	const struct ledger_amount more = amount_of(m);
	struct buffer text;
	buffer_init(&text, SENTENCE_MAX);
	buffer_string(&text, "held, since more was sent than may be at a time");
	for (int period = 0; b != NULL && period < CONFIG_BUDGET_PERIODS; period++)
		for (int kind = 0; kind < CONFIG_BUDGET_KINDS; kind++) {
			if (b->limit[kind][period] == 0)
				continue;
			buffer_string(&text, ", ");
			config_budget_format(b, kind, period, &text);
		}
	if (s != NULL && never_fits(q, s, &more))
		buffer_string(&text, "; it waits for the postmaster");
	snprintf(sentence, sizeof(sentence), "%.*s", SPAN_ARG(buffer_get(&text)));
	buffer_free(&text);
	f->status = SPAN(JOBS_STATUS_BUDGET);
	f->reply = span_of(sentence);
	f->action = JOBS_ACTION_DELAYED;
	f->at_us = (uint64_t)manager_wall_us(q);
}

/* a login is no user of this host, whatever its name: what it has used is for administrators alone */
static bool
is_his(const struct peer *p, const struct ledger_sender *s)
{
	char name[32];
	snprintf(name, sizeof(name), SENDER_UID "%u", (unsigned)p->who.uid);
	return strcmp(s->name, name) == 0;
}

bool
budget_tell(struct peer *p, uint32_t request, size_t *at, bool is_admin)
{
	struct manager *q = p->q;
	const struct ledger *l = &q->budget.ledger;
	if (*at >= l->count)
		return false;
	struct ledger_sender *s = l->senders[(*at)++];
	if (!is_admin && !is_his(p, s))
		return true;
	const struct config_budget *b = budget_of(q, s);
	struct ledger_amount hour =
		ledger_used(s, period_slots[CONFIG_BUDGET_HOUR], manager_wall_us(q));
	struct ledger_amount day =
		ledger_used(s, period_slots[CONFIG_BUDGET_DAY], manager_wall_us(q));
	struct control_use use = {.sender = span_of(s->name),
				  .messages = {hour.messages, day.messages},
				  .recipients = {hour.recipients, day.recipients},
				  .bytes = {hour.bytes, day.bytes},
				  .held = s->held};
	if (b != NULL) {
		memcpy(use.messages_max, b->limit[CONFIG_BUDGET_MESSAGES],
		       sizeof(use.messages_max));
		memcpy(use.recipients_max, b->limit[CONFIG_BUDGET_RECIPIENTS],
		       sizeof(use.recipients_max));
		memcpy(use.bytes_max, b->limit[CONFIG_BUDGET_BYTES], sizeof(use.bytes_max));
	}
	(void)peer_send(p, wire_find(control_answers, CONTROL_USE), 0, request, &use, NULL);
	return true;
}

/* ---- begin and end ---- */

void
budget_start(struct manager *q)
{
	struct budget *b = &q->budget;
	*b = (struct budget){.save_timer = {.fire = save, .owner = q},
			     .walk_timer = {.fire = walk, .owner = q},
			     .task = {.step = walk_some, .owner = q}};
	ledger_start(&b->ledger, q->spool.dir, manager_wall_us(q));
}

void
budget_end(struct manager *q)
{
	struct budget *b = &q->budget;
	if (b->is_walking)
		message_cursor_end(q, &b->cursor);
	loop_timer_clear(q->loop, &b->save_timer);
	loop_timer_clear(q->loop, &b->walk_timer);
	loop_task_clear(q->loop, &b->task);
	(void)ledger_save(&b->ledger);
	ledger_free(&b->ledger);
}
