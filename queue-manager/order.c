/*
 * order - a job on its way to its agent: the message, and what is said of each of its recipients
 *
 * See order.h; what is known of a recipient is read from the message's file (message-file.c).
 */
#include "queue-manager/order.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/header.h"
#include "common/protocol/jobs.h"
#include "common/system/events.h"
#include "queue-manager/budget.h"
#include "queue-manager/manager.h"
#include "queue-manager/retry.h"

/* JOB and its first part go out as one datagram, if they fit */
struct order {
	struct peer *peer;
	struct wire datagram; /* not sent yet */
	int content;	      /* goes with it; -1: it has gone */
	struct wire list;     /* items of the part at hand */
};

static void
order_end(struct order *o)
{
	if (o->content >= 0)
		close(o->content);
	o->content = -1;
}

static bool
order_flush(struct order *o)
{
	bool sent = peer_send_datagram(o->peer, &o->datagram, &o->content, o->content >= 0);
	order_end(o);
	o->datagram.len = 0;
	return sent;
}

static bool
order_part(struct order *o, const struct wire_shape *shape, uint16_t flags)
{
	const struct jobs_recipients part = {wire_list_get(&o->list)};
	if (wire_append(&o->datagram, shape, flags, 0, &part) == 0)
		return true;
	/* a list fits into a datagram of its own */
	return order_flush(o) && wire_append(&o->datagram, shape, flags, 0, &part) == 0;
}

/* one item for the list at hand; a full list is a part with WIRE_MORE */
static bool
order_item(struct order *o, const struct wire_shape *shape, const struct wire_shape *item,
	   const void *value)
{
	if (wire_list_add(&o->list, WIRE_LIST_ROOM, item, value) == 0)
		return true;
	if (!order_part(o, shape, WIRE_MORE))
		return false;
	wire_list_start(&o->list);
	return wire_list_add(&o->list, WIRE_LIST_ROOM, item, value) == 0;
}

/* what the sender said of a recipient, copied */
struct origin {
	char address[INTAKE_RECIPIENT_MAX], orcpt_text[INTAKE_ORCPT_MAX];
	struct span original; /* the address, when an alias made another one of it; else empty */
	struct span orcpt;
};

/* false: it cannot be read */
static bool
origin_of(struct manager *q, struct message *m, uint32_t number, struct origin *o)
{
	struct journal_entry e;
	bool is_child = m->recipients[number - 1].depth > 0;
	uint32_t origin = is_child ? message_origin(q, m, number) : number;
	o->original = o->orcpt = SPAN_NONE;
	if (origin == 0 || message_recipient(q, m, origin, &e) != 0 ||
	    e.text.len > sizeof(o->address) || e.orcpt.len > sizeof(o->orcpt_text))
		return false;
	if (is_child) {
		memcpy(o->address, e.text.at, e.text.len);
		o->original = span_from(o->address, e.text.len);
	}
	if (e.orcpt.len > 0) {
		memcpy(o->orcpt_text, e.orcpt.at, e.orcpt.len);
		o->orcpt = span_from(o->orcpt_text, e.orcpt.len);
	}
	return true;
}

enum listed { LISTED, LISTED_UNREADABLE, LISTED_PEER_GONE };

static enum listed
put_recipient(struct manager *q, struct agent *a, struct order *order, uint32_t number)
{
	struct origin o;
	struct journal_entry e;
	if (!origin_of(q, a->message, number, &o) ||
	    message_recipient(q, a->message, number, &e) != 0)
		return LISTED_UNREADABLE;
	const struct jobs_recipient r = {.number = number,
					 .address = e.text,
					 .original = o.original,
					 .notify = a->message->recipients[number - 1].notify,
					 .orcpt = o.orcpt,
					 .direct = e.direct,
					 .line = e.line};
	return order_item(order, wire_find(jobs_orders, JOBS_RECIPIENTS), &jobs_recipient_shape, &r)
		       ? LISTED
		       : LISTED_PEER_GONE;
}

/* what the line about its last answer says in a notice */
static void
take_action(struct manager *q, const struct message *m, const struct journal_entry *e,
	    struct jobs_failure *f)
{
	int64_t lifetime_us =
		retry_lifetime_ms(&q->config->outbound, m->sender->len == 0) * INT64_C(1000);
	f->status = e->status;
	f->reply = e->reply;
	f->code = e->code <= 599 ? e->code : 0;
	f->host = e->host;
	f->at_us = (uint64_t)(e->time_us > 0 ? e->time_us : 0);
	f->action = JOBS_ACTION_FAILED;
	if (e->verb == JOURNAL_DEFERRED) {
		f->action = JOBS_ACTION_DELAYED;
		f->until_us =
			(uint64_t)(m->arrived_us > 0 ? m->arrived_us : 0) + (uint64_t)lifetime_us;
	} else if (e->verb == JOURNAL_DELIVERED) {
		f->action = e->relayed == JOBS_RELAYED_SILENT ? JOBS_ACTION_RELAYED
							      : JOBS_ACTION_DELIVERED;
	} else if (e->verb == JOURNAL_EXPANDED) {
		f->action = JOBS_ACTION_EXPANDED;
		f->status = SPAN("2.0.0");
	}
}

static enum listed
put_failure(struct manager *q, struct agent *a, struct order *order, uint32_t number)
{
	char address[INTAKE_RECIPIENT_MAX];
	struct origin o;
	struct journal_entry e;
	struct message *m = a->message;
	if (!origin_of(q, m, number, &o) || message_recipient(q, m, number, &e) != 0 ||
	    e.text.len > sizeof(address))
		return LISTED_UNREADABLE;
	struct jobs_failure f = {.number = number,
				 .original = o.original,
				 .status = SPAN_NONE,
				 .reply = SPAN_NONE,
				 .host = SPAN_NONE,
				 .orcpt = o.orcpt};
	memcpy(address, e.text.at, e.text.len);
	f.address = span_from(address, e.text.len);
	uint32_t last = m->recipients[number - 1].last;
	if (last == 0) /* nobody has answered yet */
		budget_failure(q, m, &f);
	else if (message_line(q, m, last, &e) == 0)
		take_action(q, m, &e, &f);
	else
		return LISTED_UNREADABLE;
	return order_item(order, wire_find(jobs_orders, JOBS_FAILURES), &jobs_failure_shape, &f)
		       ? LISTED
		       : LISTED_PEER_GONE;
}

/* JOB with its descriptor */
static enum listed
put_job(struct manager *q, struct agent *a, struct order *order)
{
	static struct buffer top, avoid;
	char envid[INTAKE_ENVID_MAX];
	struct journal_entry from;
	struct message *m = a->message;
	if (top.max == 0)
		buffer_init(&top, HEADER_TOP_MAX);
	if (avoid.max == 0)
		buffer_init(&avoid, JOBS_AVOID_MAX);
	buffer_clear(&top);
	buffer_clear(&avoid);
	/* only one that has no connection yet chooses */
	host_avoid(&q->schedule.sites.hosts, &a->place->site->hosts, manager_now_ms(q),
		   !a->is_connected, &avoid);
	if (message_flush(q, m) != 0 || message_top(q, m, &top) != 0 || top.failed ||
	    message_line(q, m, 0, &from) != 0)
		return LISTED_UNREADABLE;
	if (from.verb != JOURNAL_FROM || from.envid.len > sizeof(envid)) {
		errno = EBADMSG;
		return LISTED_UNREADABLE;
	}
	memcpy(envid, from.envid.at != NULL ? from.envid.at : "", from.envid.len);
	struct span sender;
	if (message_sender(q, m, a->numbers[0], &sender) != 0)
		return LISTED_UNREADABLE;
	order->content = spool_open(&q->spool, m->id, O_RDONLY);
	if (order->content < 0)
		return LISTED_UNREADABLE;
	const struct jobs_job job = {.id = m->id,
				     .content_at = JOURNAL_HEADER_SIZE,
				     .content_length = m->length,
				     .arrived_us =
					     (uint64_t)(m->arrived_us > 0 ? m->arrived_us : 0),
				     .eight_bit = m->is_eight_bit,
				     .utf8 = from.utf8,
				     .tls_demand = from.tls_demand,
				     .ret = from.ret,
				     .envid = span_from(envid, from.envid.len),
				     .sender = sender,
				     .top = buffer_get(&top),
				     .recipients = a->count,
				     .avoid = buffer_get(&avoid)};
	if (wire_encode(&order->datagram, wire_find(jobs_orders, JOBS_JOB), 0, 0, &job) == 0)
		return LISTED;
	/* our fault, but nobody else is to suffer for it */
	peer_end(a->peer, "a job for it could not be spelled");
	return LISTED_PEER_GONE;
}

/* the whole job; what goes out last is still in `order` */
static enum schedule_given
put_all(struct manager *q, struct agent *a, struct order *order)
{
	bool is_notice = a->place->kind == JOBS_NOTICE;
	switch (put_job(q, a, order)) {
	case LISTED:
		break;
	case LISTED_UNREADABLE:
		if (errno == EBADMSG)
			message_set_aside(q, a->message,
					  "a line of its journal is not what was written");
		return SCHEDULE_NOT_NOW;
	case LISTED_PEER_GONE:
		return SCHEDULE_AGENT_GONE;
	}
	wire_list_start(&order->list);
	for (uint32_t i = 0; i < a->count; i++)
		switch (is_notice ? put_failure(q, a, order, a->numbers[i])
				  : put_recipient(q, a, order, a->numbers[i])) {
		case LISTED:
			break;
		case LISTED_UNREADABLE:
			EVENT("spool-trouble", event_id(a->message->id),
			      event_string("errno", strerror(errno)));
			peer_end(a->peer, NULL);
			return SCHEDULE_AGENT_GONE;
		case LISTED_PEER_GONE:
			return SCHEDULE_AGENT_GONE;
		}
	const struct wire_shape *shape =
		wire_find(jobs_orders, is_notice ? JOBS_FAILURES : JOBS_RECIPIENTS);
	return order_part(order, shape, 0) && order_flush(order) ? SCHEDULE_GIVEN
								 : SCHEDULE_AGENT_GONE;
}

enum schedule_given
order_give(struct manager *q, struct agent *a)
{
	static struct order order; /* one at a time, and 128 KB are much for a stack */
	order.peer = a->peer;
	order.content = -1;
	a->given_us = clock_monotonic_us();
	enum schedule_given given = put_all(q, a, &order);
	order_end(&order);
	return given;
}
