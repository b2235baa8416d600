/*
 * tell - what is said of a message and of its recipients to who asks on the socket `control`
 *
 * See request.h, common/protocol/control.h.
 */
#include <string.h>

#include "queue-manager/manager.h"
#include "queue-manager/request.h"

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

bool
tell_message(struct peer *p, struct message *m)
{
	const struct control_message c = {
		.id = m->id,
		.state = span_of(message_class_name((enum message_class)m->class)),
		.size = m->length,
		.arrived_us = (uint64_t)(m->arrived_us > 0 ? m->arrived_us : 0),
		.next_us = (uint64_t)message_next_us(p->q, m),
		.attempts = message_attempts(m),
		.sender = name_text(m->sender),
		.recipients = m->count - message_in(m, RECIPIENT_ORPHAN),
		.open = message_open_recipients(m)};
	return peer_send(p, wire_find(control_answers, CONTROL_MESSAGE), 0, request_of(p)->number,
			 &c, NULL);
}

bool
tell_recipient(struct peer *p, struct message *m, uint32_t number)
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
			select_reply(&e, reply);
	} else if (r->last == 0 && m->is_over_budget) {
		struct jobs_failure why;
		budget_failure(q, m, &why);
		(void)!span_copy(why.reply, reply, sizeof(reply));
	}
	c.reply = span_of(reply);
	return peer_send(p, wire_find(control_answers, CONTROL_RECIPIENT), 0, request_of(p)->number,
			 &c, NULL);
}
