/*
 * message-notices - what the sender is told of a message's recipients, and what of it was told
 *
 * See message.h; message.c says when.  RFC 3461, sections 4.1 and 5.2.  Promises: nobody is told of what he did not want to hear, nor of
 * anything twice: the line that says so is appended before the state changes (M5).
 */
#include "queue-manager/message.h"

#include <stdio.h>

#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/retry.h"

/* ---- what the sender wants to hear (RFC 3461, section 4.1) ---- */

bool
message_wants(const struct message *m, uint32_t number, enum intake_notify what)
{
	const struct recipient *r = &m->recipients[number - 1];
	if (r->notify == 0)
		return what != INTAKE_NOTIFY_SUCCESS;
	return (r->notify & what) != 0;
}

void
message_set_delivered(struct manager *q, struct message *m, uint32_t number,
		      enum jobs_relayed relayed)
{
	/* the null sender asks for nothing: a notice about a notice would be the first of many */
	bool is_owed = relayed != JOBS_RELAYED_PASSED && m->sender->len > 0 &&
		       message_wants(m, number, INTAKE_NOTIFY_SUCCESS);
	m->recipients[number - 1].is_success = true;
	message_set(q, m, number, is_owed ? RECIPIENT_SUCCEEDED : RECIPIENT_DELIVERED);
}

void
message_set_failed(struct manager *q, struct message *m, uint32_t number)
{
	message_set(q, m, number,
		    message_wants(m, number, INTAKE_NOTIFY_FAILURE) ? RECIPIENT_FAILED
								    : RECIPIENT_NOTIFIED);
}

/*
 * An alias for one address passes on what was asked for; of one for several the sender hears that it was expanded, and nothing of the
 * success of any of them (RFC 3461, section 5.2.7).
 */
void
message_set_expanded(struct manager *q, struct message *m, uint32_t parent, size_t count)
{
	bool is_owed =
		count > 1 && m->sender->len > 0 && message_wants(m, parent, INTAKE_NOTIFY_SUCCESS);
	m->recipients[parent - 1].is_success = true;
	message_set(q, m, parent, is_owed ? RECIPIENT_SUCCEEDED : RECIPIENT_EXPANDED);
}

void
message_adopt(struct manager *q, struct message *m, uint32_t child, uint32_t parent, bool is_alone)
{
	uint8_t notify = m->recipients[parent - 1].notify;
	if (!is_alone && (notify & INTAKE_NOTIFY_SUCCESS) != 0) {
		notify = (uint8_t)(notify & ~INTAKE_NOTIFY_SUCCESS);
		if (notify == 0)
			notify = INTAKE_NOTIFY_NEVER;
	}
	m->recipients[child - 1].notify = notify & 15;
	message_set(q, m, child, RECIPIENT_WAITING);
}

void
message_set_delayed(struct message *m, uint32_t number)
{
	if (!m->recipients[number - 1].is_delay_told &&
	    message_wants(m, number, INTAKE_NOTIFY_DELAY))
		m->has_delayed = true;
}

static bool
is_delayed(const struct message *m, uint32_t number)
{
	const struct recipient *r = &m->recipients[number - 1];
	return (r->attempts > 0 || m->is_over_budget) && !r->is_delay_told &&
	       message_is_undelivered(r) && message_wants(m, number, INTAKE_NOTIFY_DELAY);
}

void
message_find_delayed(struct message *m)
{
	m->has_delayed = false;
	for (uint32_t i = 0; i < m->count && !m->has_delayed; i++)
		m->has_delayed = is_delayed(m, i + 1);
}

size_t
message_delayed(struct manager *q, struct message *m, uint32_t *numbers, size_t max)
{
	size_t count = 0;
	m->has_delayed = false;
	for (uint32_t i = 0; i < m->count; i++) {
		if (!is_delayed(m, i + 1))
			continue;
		/* one notice goes to one sender: the owner of a list is told in another */
		if (count == max ||
		    (count > 0 && message_owner(q, m, i + 1) != message_owner(q, m, numbers[0]))) {
			m->has_delayed = true;
			continue;
		}
		numbers[count++] = i + 1;
	}
	return count;
}

/* ---- notices ---- */

/* the line, and the event */
static void
append_notified(struct manager *q, struct message *m, const uint32_t *numbers, size_t count,
		uint64_t notice)
{
	struct journal_numbers set;
	journal_numbers_start(&set);
	for (size_t i = 0; i < count; i++)
		journal_numbers_add(&set, numbers[i]);
	const struct journal_entry e = {.verb = JOURNAL_NOTIFIED,
					.time_us = manager_wall_us(q),
					.notice = notice,
					.numbers = journal_numbers_end(&set)};
	(void)message_append(q, m, &e);
	journal_numbers_free(&set);
	m->notice_attempts = 0;
	m->notice_due = 0;
	char text[24];
	snprintf(text, sizeof(text), "%013llX", (unsigned long long)notice);
	EVENT("notified", event_id(m->id), event_string("notice", text));
}

void
message_notified(struct manager *q, struct message *m, const uint32_t *numbers, size_t count,
		 uint64_t notice)
{
	if (m->is_gone)
		return;
	append_notified(q, m, numbers, count, notice);
	for (size_t i = 0; i < count; i++)
		message_set(q, m, numbers[i], RECIPIENT_NOTIFIED);
}

void
message_delay_told(struct manager *q, struct message *m, uint32_t *numbers, size_t count,
		   uint64_t notice)
{
	size_t open = 0;
	m->is_telling_delay = false;
	if (m->is_gone)
		return;
	for (size_t i = 0; i < count; i++) {
		struct recipient *r = &m->recipients[numbers[i] - 1];
		r->is_delay_told = true;
		/* of who has come to an end meanwhile the line would be read as being about that (J5) */
		if (message_is_undelivered(r))
			numbers[open++] = numbers[i];
	}
	if (open > 0)
		append_notified(q, m, numbers, open, notice);
	message_find_delayed(m);
}

void
message_delay_untold(struct message *m)
{
	m->is_telling_delay = false;
	m->has_delayed = true;
}

void
message_untold(struct manager *q, struct message *m, uint32_t number)
{
	message_set(q, m, number,
		    m->recipients[number - 1].is_success ? RECIPIENT_SUCCEEDED : RECIPIENT_FAILED);
}

void
message_not_notified(struct manager *q, struct message *m, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		message_untold(q, m, numbers[i]);
	if (m->notice_attempts < UINT8_MAX)
		m->notice_attempts++;
	m->notice_due = message_tick(q) + 1 +
			(uint32_t)(retry_delay_ms(&q->config->outbound, m->notice_attempts, m->id) /
				   MESSAGE_TICK_MS);
}
