/*
 * message - recipients and their states; every change of one
 *
 * See message.h.  What a recipient may become, and who says so:
 *
 *     WAITING -> ASKED (route) -> READY (queue) -> ACTIVE (jobs) -> DELIVERED | DEFERRED | FAILED
 *     ASKED -> EXPANDED, its children WAITING          DEFERRED -> WAITING (due)
 *     FAILED -> TELLING (queue, jobs) -> NOTIFIED, or FAILED again
 *     DELIVERED or EXPANDED, where the sender asked to be told: SUCCEEDED -> TELLING -> NOTIFIED (RFC 3461)
 *
 * Of a delay he is told while the recipient goes its way through these states (message_delayed).
 *
 * Invariants (tests/unit/queue-manager/message.c):
 *
 * M1  `states` counts the recipients of each state; `unanswered` those that have had no answer and still may have one.
 * M2  A message has its file until each recipient is DELIVERED, EXPANDED, NOTIFIED or ORPHAN, or the administrator removes it.
 * M3  A failed or succeeded recipient is told of once no other waits for its first answer; then all of them together.
 * M4  Nothing of a held message is routed, given to an agent, or told of.  Nothing is told of before KEEP, and nothing given to an
 *     agent, but what early.c has released.
 * M5  A line says what memory says, or memory is behind no line: each change appends before it sets.
 */
#include "queue-manager/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/reply.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"
#include "queue-manager/queue.h"
#include "queue-manager/retry.h"

#define WAKE_AHEAD_MS \
	30000 /* those due so soon go with those that are due: one transaction instead of two */
#define LAST_TRY_MS 1000 /* the last attempt is made so long before the end, at least */
#define NOT_KNOWN "?"

/* ---- making and ending one ---- */

struct message *
message_new(struct manager *q, uint64_t id, uint64_t length, struct span sender)
{
	struct message *m = calloc(1, sizeof(*m));
	if (m == NULL)
		fatal(EXIT_OS, ENOMEM, "a message");
	m->id = id;
	m->length = length;
	m->sender = names_take(&q->messages.senders, sender);
	m->class = MESSAGE_INCOMING;
	q->messages.classes[MESSAGE_INCOMING]++;
	message_table_add(q, m);
	return m;
}

void
message_from(struct manager *q, struct message *m, uint64_t uid, struct span login,
	     struct span client)
{
	m->is_login = uid == 0 && login.len > 0;
	m->whose = m->is_login ? names_take(&q->messages.senders, login)->number : (uint32_t)uid;
	m->flow = flow_key((uint32_t)uid, message_login(q, m), client);
}

struct span
message_login(const struct manager *q, const struct message *m)
{
	return m->is_login ? name_text(names_at(&q->messages.senders, m->whose)) : SPAN_NONE;
}

int
message_add(struct manager *q, struct message *m, uint32_t at, struct span address, uint32_t parent,
	    uint64_t notify)
{
	uint8_t depth = 0;
	if (m->count == MESSAGE_RECIPIENTS_MAX)
		return -1;
	if (parent != 0)
		depth = (uint8_t)(m->recipients[parent - 1].depth + 1);
	/* a child counts from its `expanded` line on */
	bool is_child = parent != 0;
	struct recipient *r =
		message_recipient_new(m, is_child ? RECIPIENT_ORPHAN : RECIPIENT_WAITING);
	r->at = at;
	r->domain = destination_take(q, address);
	r->depth = depth & 15;
	r->has_owner = is_child && m->recipients[parent - 1].has_owner;
	r->notify = notify & 15;
	if (!is_child)
		m->unanswered++;
	q->messages.recipients++;
	return 0;
}

static bool
may_be_answered(enum recipient_state s)
{
	return s == RECIPIENT_WAITING || s == RECIPIENT_ASKED || s == RECIPIENT_READY ||
	       s == RECIPIENT_ACTIVE;
}

void
message_set(struct manager *q, struct message *m, uint32_t number, enum recipient_state state)
{
	struct recipient *r = &m->recipients[number - 1];
	(void)q;
	if (!r->answered && may_be_answered(r->state))
		m->unanswered--;
	message_count(m, r->state, state);
	r->state = (uint8_t)state;
	if (!r->answered && may_be_answered(r->state))
		m->unanswered++;
}

/* the first answer is had, or comes from memory of it */
static void
set_answered(struct message *m, struct recipient *r)
{
	if (r->answered)
		return;
	if (may_be_answered(r->state))
		m->unanswered--;
	r->answered = true;
}

static void
set_class(struct manager *q, struct message *m, enum message_class class)
{
	q->messages.classes[m->class]--;
	m->class = (uint8_t) class;
	q->messages.classes[class]++;
}

void
message_forget(struct manager *q, struct message *m)
{
	if (m->uses > 0)
		fatal(EXIT_SOFTWARE, 0, "a message that is in use is forgotten");
	queue_withdraw(q, m);
	message_due_clear(q, m);
	message_close(q, m);
	message_table_drop(q, m);
	names_let(&q->messages.senders, m->sender);
	if (m->is_login)
		names_let(&q->messages.senders, names_at(&q->messages.senders, m->whose));
	q->messages.classes[m->class]--;
	q->messages.recipients -= m->count;
	message_recipients_free(q, m);
	free(m);
}

/* nothing of it is done any more; the struct goes with its last user */
static void
let_go(struct manager *q, struct message *m)
{
	m->is_gone = true;
	if (m->is_over_budget)
		budget_gone(q, m);
	queue_withdraw(q, m);
	message_due_clear(q, m);
	message_close(q, m);
}

void
message_vanished(struct manager *q, struct message *m)
{
	if (m->is_gone)
		return;
	EVENT("removed", event_id(m->id), event_string("by", "somebody else: its file is gone"));
	let_go(q, m);
}

void
message_remove(struct manager *q, struct message *m)
{
	if (!m->is_gone) {
		if (spool_remove(&q->spool, m->id) != 0 && errno != ENOENT) {
			/* what is done is said in the file, so that the next start removes it without doubling anything */
			EVENT("spool-trouble", event_id(m->id),
			      event_string("errno", strerror(errno)));
			(void)!message_flush(q, m);
		}
		let_go(q, m);
	}
	if (m->uses == 0)
		message_forget(q, m);
}

void
message_set_aside(struct manager *q, struct message *m, const char *reason)
{
	if (!m->is_gone) {
		(void)!message_flush(q, m);
		if (spool_set_aside(&q->spool, m->id) != 0)
			EVENT("spool-trouble", event_id(m->id),
			      event_string("errno", strerror(errno)));
		EVENT("damaged", event_id(m->id), event_string("reason", reason));
		let_go(q, m);
	}
	if (m->uses == 0)
		message_forget(q, m);
}

/* ---- what is asked about one ---- */

bool
message_is_undelivered(const struct recipient *r)
{
	return r->state == RECIPIENT_DEFERRED || r->state == RECIPIENT_WAITING ||
	       r->state == RECIPIENT_ASKED || r->state == RECIPIENT_READY ||
	       r->state == RECIPIENT_ACTIVE;
}

uint32_t
message_open_recipients(const struct message *m)
{
	return m->count - message_in(m, RECIPIENT_ORPHAN) - message_in(m, RECIPIENT_DELIVERED) -
	       message_in(m, RECIPIENT_EXPANDED) - message_in(m, RECIPIENT_NOTIFIED);
}

uint32_t
message_tick(const struct manager *q)
{
	return (uint32_t)(manager_now_ms(q) / MESSAGE_TICK_MS);
}

int64_t
message_next_us(const struct manager *q, const struct message *m)
{
	if (m->due_slot == 0 || m->is_held)
		return 0;
	int64_t wait_ms = (int64_t)m->due * MESSAGE_TICK_MS - manager_now_ms(q);
	return manager_wall_us(q) + (wait_ms > 0 ? wait_ms : 0) * 1000;
}

uint32_t
message_attempts(const struct message *m)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].attempts > most)
			most = m->recipients[i].attempts;
	return most;
}

const char *message_class_name(enum message_class class)
{
	switch (class) {
	case MESSAGE_INCOMING:
		return "incoming";
	case MESSAGE_READY:
		return "ready";
	case MESSAGE_ACTIVE:
		return "active";
	case MESSAGE_DEFERRED:
		return "deferred";
	case MESSAGE_HELD:
		return "held";
	case MESSAGE_CLASSES:
		break;
	}
	return "";
}

/* its age in milliseconds; a message of the future is young */
static int64_t
age_ms(const struct manager *q, const struct message *m)
{
	int64_t age = (manager_wall_us(q) - m->arrived_us) / 1000;
	return age > 0 ? age : 0;
}

/* ---- what is to be done next ---- */

static enum message_class
class_of(const struct message *m)
{
	if (!m->is_kept)
		return MESSAGE_INCOMING;
	if (m->is_held)
		return MESSAGE_HELD;
	if (message_in(m, RECIPIENT_ACTIVE) + message_in(m, RECIPIENT_TELLING) > 0)
		return MESSAGE_ACTIVE;
	if (message_in(m, RECIPIENT_WAITING) + message_in(m, RECIPIENT_ASKED) +
		    message_in(m, RECIPIENT_READY) >
	    0)
		return MESSAGE_READY;
	return MESSAGE_DEFERRED;
}

static void
tell_delays(struct manager *q, struct message *m)
{
	int64_t left_ms = (int64_t)q->config->outbound.delay_notice - age_ms(q, m);
	if (!m->has_delayed || m->is_telling_delay || m->sender->len == 0 ||
	    q->config->outbound.delay_notice == 0)
		return;
	uint32_t due =
		left_ms > 0 ? message_tick(q) + (uint32_t)(left_ms / MESSAGE_TICK_MS) + 1 : 0;
	if (due < m->notice_due)
		due = m->notice_due;
	if (due > message_tick(q))
		message_due(q, m, due);
	else if (m->is_unverified)
		verify_wanted(q, m);
	else
		queue_delay(q, m);
}

static void
tell_ends(struct manager *q, struct message *m)
{
	if (message_in(m, RECIPIENT_FAILED) + message_in(m, RECIPIENT_SUCCEEDED) == 0 ||
	    message_in(m, RECIPIENT_TELLING) > 0 || m->unanswered > 0)
		return;
	if (m->is_double_bounce) {
		if (message_in(m, RECIPIENT_FAILED) == message_open_recipients(m))
			message_hold(q, m, "a notice to the postmaster could not be delivered");
		return;
	}
	if (m->notice_due > message_tick(q)) {
		message_due(q, m, m->notice_due);
		return;
	}
	if (m->is_unverified)
		verify_wanted(q, m);
	else
		queue_notice(q, m);
}

void
message_settle(struct manager *q, struct message *m)
{
	early_settle(q, m);
	if (m->is_gone) {
		if (m->uses == 0)
			message_forget(q, m);
		return;
	}
	if (m->is_queued && !m->is_held) {
		if (message_in(m, RECIPIENT_WAITING) > 0) {
			if (m->is_unverified)
				verify_wanted(q, m);
			else
				route_wanted(q, m);
		}
		if (m->is_kept)
			tell_ends(q, m);
		if (m->is_kept)
			tell_delays(q, m);
	}
	if (m->is_kept && m->is_over_budget)
		budget_settle(q, m);
	if (m->is_kept && message_open_recipients(m) == 0) {
		EVENT("done", event_id(m->id));
		message_remove(q, m);
		return;
	}
	set_class(q, m, class_of(m));
}

void
message_wake(struct manager *q, struct message *m)
{
	uint64_t ahead_ms = q->config->outbound.retry_first / 8;
	if (ahead_ms > WAKE_AHEAD_MS)
		ahead_ms = WAKE_AHEAD_MS;
	uint32_t until = message_tick(q) + (uint32_t)(ahead_ms / MESSAGE_TICK_MS),
		 next = UINT32_MAX;
	for (uint32_t i = 0; i < m->count && message_in(m, RECIPIENT_DEFERRED) > 0; i++) {
		struct recipient *r = &m->recipients[i];
		if (r->state != RECIPIENT_DEFERRED)
			continue;
		if (r->due <= until)
			message_set(q, m, i + 1, RECIPIENT_WAITING);
		else if (r->due < next)
			next = r->due;
	}
	if (next != UINT32_MAX)
		message_due(q, m, next);
	message_settle(q, m);
}

/* ---- answers ---- */

static struct journal_entry
answer_entry(const struct manager *q, enum journal_verb verb, uint32_t number,
	     const struct answer *a)
{
	return (struct journal_entry){.verb = verb,
				      .number = number,
				      .time_us = manager_wall_us(q),
				      .host = a->host,
				      .code = a->code,
				      .status = a->status,
				      .reply = a->reply};
}

/* the address, for an event; lives until the next line is read */
static struct span
address_of(struct manager *q, struct message *m, uint32_t number)
{
	struct journal_entry e;
	return message_recipient(q, m, number, &e) == 0 ? e.text : span_of(NOT_KNOWN);
}

void
message_delivered(struct manager *q, struct message *m, uint32_t number, const struct answer *a)
{
	struct recipient *r = &m->recipients[number - 1];
	if (m->is_gone)
		return;
	struct journal_entry e = answer_entry(q, JOURNAL_DELIVERED, number, a);
	struct span to = address_of(q, m, number);
	if (m->is_gone)
		return;
	EVENT("delivered", event_id(m->id), event_text("to", to), event_text("host", a->host),
	      event_number("code", (int64_t)a->code), event_text("status", a->status),
	      event_text("reply", a->reply), event_text("tls", a->tls),
	      event_number("delay_ms", age_ms(q, m)));
	/* where nobody asked for success, what it would say is not written */
	e.relayed =
		message_wants(m, number, INTAKE_NOTIFY_SUCCESS) ? a->relayed : JOBS_RELAYED_FINAL;
	r->last = message_append(q, m, &e);
	set_answered(m, r);
	message_set_delivered(q, m, number, a->relayed);
	m->deaths = 0;
}

void
message_failed(struct manager *q, struct message *m, uint32_t number, const struct answer *a)
{
	struct recipient *r = &m->recipients[number - 1];
	if (m->is_gone)
		return;
	struct journal_entry e = answer_entry(q, JOURNAL_FAILED, number, a);
	struct span to = address_of(q, m, number);
	if (m->is_gone)
		return;
	EVENT("failed", event_id(m->id), event_text("to", to), event_text("host", a->host),
	      event_number("code", (int64_t)a->code), event_text("status", a->status),
	      event_text("reply", a->reply), event_number("delay_ms", age_ms(q, m)));
	r->last = message_append(q, m, &e);
	set_answered(m, r);
	message_set_failed(q, m, number);
	early_failed(m, number, a);
}

/*
 * its time is over: a refusal of our own, in the words of RFC 3463 for X.4.7, which quotes the last answer
 *
 * Without code: no server said what the notice is going to say.  Nor is the answer's status quoted: programs that read notices would
 * take it for the one of the failure.
 */
static void
give_up(struct manager *q, struct message *m, uint32_t number, const struct answer *last)
{
	char text[REPLY_TEXT_MAX + 1], code[8] = "";

	if (last->code != 0)
		snprintf(code, sizeof(code), "%u ", (unsigned)last->code);
	snprintf(text, sizeof(text), "delivery time expired; the last answer was: %s%.*s", code,
		 SPAN_ARG(last->reply));
	const struct answer a = {
		.status = SPAN("5.4.7"), .reply = span_of(text), .host = last->host};
	message_failed(q, m, number, &a);
}

void
message_deferred(struct manager *q, struct message *m, uint32_t number, const struct answer *a,
		 uint32_t not_before)
{
	struct recipient *r = &m->recipients[number - 1];
	char next[CLOCK_TEXT_MAX];
	if (m->is_gone)
		return;
	int64_t left_ms =
		retry_lifetime_ms(&q->config->outbound, m->sender->len == 0) - age_ms(q, m);
	if (left_ms <= 0) {
		give_up(q, m, number, a);
		return;
	}
	if (r->attempts < UINT8_MAX)
		r->attempts++;
	const struct config_outbound *o = &q->config->outbound;
	int64_t delay_ms = a->meaning == REPLY_GREYLIST
				   ? retry_greylist_ms(o, r->attempts, m->id, a->pause_ms)
				   : retry_delay_ms(o, r->attempts, m->id);
	/* nothing outlives its time: the last attempt is made at its end */
	if (delay_ms > left_ms)
		delay_ms = left_ms > LAST_TRY_MS ? left_ms : LAST_TRY_MS;
	uint32_t due = message_tick(q) + (uint32_t)(delay_ms / MESSAGE_TICK_MS) + 1;
	if (due < not_before)
		due = not_before;
	struct journal_entry e = answer_entry(q, JOURNAL_DEFERRED, number, a);
	e.next_us = e.time_us + ((int64_t)due * MESSAGE_TICK_MS - manager_now_ms(q)) * 1000;
	e.attempt = r->attempts;
	clock_iso(e.next_us, next);
	struct span to = address_of(q, m, number);
	if (m->is_gone)
		return;
	EVENT("deferred", event_id(m->id), event_text("to", to), event_text("host", a->host),
	      event_number("code", (int64_t)a->code), event_text("status", a->status),
	      event_text("reply", a->reply), event_text("tls", a->tls),
	      event_number("delay_ms", age_ms(q, m)), event_string("next", next));
	r->last = message_append(q, m, &e);
	set_answered(m, r);
	message_later(q, m, number, due);
	message_set_delayed(m, number);
	m->has_retries = true;
}

void
message_again(struct manager *q, struct message *m, uint32_t number)
{
	message_set(q, m, number, RECIPIENT_WAITING);
}

void
message_later(struct manager *q, struct message *m, uint32_t number, uint32_t due)
{
	message_set(q, m, number, RECIPIENT_DEFERRED);
	m->recipients[number - 1].due = due;
	if (!m->is_gone)
		message_due(q, m, due);
}

/* ---- expansions ---- */

uint32_t
message_child(struct manager *q, struct message *m, uint32_t parent, const struct jobs_child *child)
{
	if (m->count >= MESSAGE_RECIPIENTS_MAX ||
	    m->recipients[parent - 1].depth >= MESSAGE_DEPTH_MAX)
		return 0;
	const struct journal_entry e = {.verb = JOURNAL_TO,
					.number = m->count + 1,
					.text = child->address,
					.parent = parent,
					.direct = child->direct,
					.line = child->line,
					.owner = child->owner};
	uint32_t at = message_append(q, m, &e);
	if (message_add(q, m, at, child->address, parent, 0) != 0)
		return 0;
	message_own(m, m->count, child->owner);
	return m->count;
}

void
message_own(struct message *m, uint32_t number, struct span owner)
{
	if (owner.len > 0 && m->sender->len > 0)
		m->recipients[number - 1].has_owner = true;
}

uint32_t
message_owner(struct manager *q, struct message *m, uint32_t number)
{
	struct journal_entry e;
	if (!m->recipients[number - 1].has_owner)
		return 0;
	/* siblings have the same one, named by their parent, so that they share jobs */
	for (uint32_t at = number; at != 0; at = (uint32_t)e.parent) {
		if (message_recipient(q, m, at, &e) != 0)
			break;
		if (e.owner.len > 0)
			return (uint32_t)e.parent;
	}
	return number; /* cannot be read now: alone */
}

int
message_sender(struct manager *q, struct message *m, uint32_t number, struct span *sender)
{
	struct journal_entry e;
	*sender = name_text(m->sender);
	if (!m->recipients[number - 1].has_owner)
		return 0;
	for (; number != 0; number = (uint32_t)e.parent) {
		if (message_recipient(q, m, number, &e) != 0)
			return -1;
		if (e.owner.len > 0) {
			*sender = e.owner;
			return 0;
		}
	}
	errno = EBADMSG; /* one of them has said so */
	return -1;
}

void
message_expanded(struct manager *q, struct message *m, uint32_t parent, const uint32_t *children,
		 size_t count)
{
	struct journal_numbers numbers;
	journal_numbers_start(&numbers);
	for (size_t i = 0; i < count; i++)
		journal_numbers_add(&numbers, children[i]);
	struct span into = journal_numbers_end(&numbers);
	const struct journal_entry e = {
		.verb = JOURNAL_EXPANDED, .number = parent, .numbers = into};
	m->recipients[parent - 1].last = message_append(q, m, &e);
	struct span to = address_of(q, m, parent);
	if (!m->is_gone)
		EVENT("expanded", event_id(m->id), event_text("to", to), event_text("into", into));
	journal_numbers_free(&numbers);
	set_answered(m, &m->recipients[parent - 1]);
	message_set_expanded(q, m, parent, count);
	/* one that stands for several was adopted by the first of them (replay.c does the same) */
	for (size_t i = 0; i < count; i++)
		if (m->recipients[children[i] - 1].state == RECIPIENT_ORPHAN)
			message_adopt(q, m, children[i], parent, count == 1);
}

/* ---- the administrator ---- */

void
message_hold(struct manager *q, struct message *m, const char *reason)
{
	if ((m->is_held && !m->is_over_budget) || m->is_gone)
		return;
	/* whoever holds it now: room in the budget does not release it */
	if (m->is_over_budget)
		budget_gone(q, m);
	const struct journal_entry e = {
		.verb = JOURNAL_HELD, .time_us = manager_wall_us(q), .text = span_of(reason)};
	(void)message_append(q, m, &e);
	m->is_held = true;
	queue_withdraw(q, m);
	EVENT("held", event_id(m->id), event_string("reason", reason));
}

void
message_release(struct manager *q, struct message *m)
{
	if (!m->is_held || m->is_gone)
		return;
	const struct journal_entry e = {.verb = JOURNAL_RELEASED, .time_us = manager_wall_us(q)};
	(void)message_append(q, m, &e);
	m->is_held = false;
	if (m->is_over_budget)
		budget_released(q, m);
	/* nobody is told of a notice that failed: released, it is tried again (replay.c does the same) */
	if (m->is_double_bounce)
		for (uint32_t i = 0; i < m->count; i++)
			if (m->recipients[i].state == RECIPIENT_FAILED)
				message_again(q, m, i + 1);
	EVENT("released", event_id(m->id));
}

void
message_retry(struct manager *q, struct message *m)
{
	for (uint32_t i = 0; i < m->count && message_in(m, RECIPIENT_DEFERRED) > 0; i++)
		if (m->recipients[i].state == RECIPIENT_DEFERRED)
			message_again(q, m, i + 1);
	message_due_clear(q, m);
	m->notice_due = 0;
}

bool
message_bounce(struct manager *q, struct message *m)
{
	uint32_t done = 0;
	const struct answer a = {.status = SPAN("5.0.0"),
				 .reply = SPAN("returned to the sender by the administrator"),
				 .host = SPAN_NONE};
	queue_withdraw(q, m);
	for (uint32_t i = 0; i < m->count && !m->is_gone; i++) {
		enum recipient_state s = m->recipients[i].state;
		if (s != RECIPIENT_WAITING && s != RECIPIENT_ASKED && s != RECIPIENT_DEFERRED)
			continue;
		if (done++ == MESSAGE_BOUNCE_MAX)
			return false;
		message_failed(q, m, i + 1, &a);
	}
	m->notice_due = 0;
	return true;
}
