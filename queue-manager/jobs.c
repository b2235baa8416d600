/*
 * jobs - parents, agents, jobs and results
 *
 * See jobs.h.  Stages of a connection and what may be said in each stand in the table `rules`; how a job is spelled, in order.c.  Promise: a
 * result counts once, for a recipient of the job at hand.
 */
#include "queue-manager/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/address.h"
#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/system/events.h"
#include "common/text/number.h"
#include "queue-manager/manager.h"
#include "queue-manager/order.h"
#include "queue-manager/reaction.h"
#include "queue-manager/retry.h"

enum stage {
	STRANGER = 1,
	PARENT = 2,
	AGENT = 4,   /* idle, or with a job */
	LEAVING = 8, /* an agent that said LEAVE: closed as soon as we may */
};

struct jobs_peer {
	enum jobs_kind kind; /* of a parent */
	struct agent *agent;
};

static struct jobs_peer *
state_of(struct peer *p)
{
	return p->state;
}

static const struct peer_kind jobs_kind_of_peer;

struct agent *
jobs_agent_of(struct peer *p)
{
	return p->kind == &jobs_kind_of_peer ? state_of(p)->agent : NULL;
}

/* ---- come and go ---- */

/* who says nothing keeps nobody else out; new peers stand first */
static void
end_oldest_stranger(struct manager *q, const struct peer *newest)
{
	struct peer *oldest = NULL;
	for (struct peer *p = q->peers; p != NULL; p = p->next)
		if (p->kind == &jobs_kind_of_peer && p->stage == STRANGER && p != newest)
			oldest = p;
	if (oldest != NULL)
		peer_end(oldest, "has said nothing, and there are too many of its kind");
}

static const char *
opened(struct peer *p)
{
	struct jobs *j = &p->q->jobs;
	p->state = calloc(1, sizeof(struct jobs_peer));
	if (p->state == NULL)
		return "no memory";
	if (++j->strangers > JOBS_WAITING_MAX)
		end_oldest_stranger(p->q, p);
	return NULL;
}

static void
agent_closed(struct manager *q, struct agent *a, bool refused)
{
	schedule_agent_gone(q, a, refused);
	free(a->numbers);
	expansion_free(&a->expansion);
	free(a);
}

/* the newest parent of a program serves all of its kinds */
static void
serve_kinds(struct manager *q, enum jobs_kind kind, struct peer *p)
{
	schedule_parent(q, kind, p);
	if (kind == JOBS_MAILBOX)
		schedule_parent(q, JOBS_LINE, p);
}

/* one that is still there serves again, if the one that took over has left */
static void
use_other_parent(struct manager *q, const struct peer *gone)
{
	enum jobs_kind kind = ((const struct jobs_peer *)gone->state)->kind;
	for (struct peer *p = q->peers; p != NULL; p = p->next)
		if (p != gone && p->kind == gone->kind && p->stage == PARENT &&
		    state_of(p)->kind == kind)
			serve_kinds(q, kind, p);
}

static void
closed(struct peer *p)
{
	struct manager *q = p->q;
	struct jobs_peer *s = state_of(p);
	if (s == NULL)
		return;
	if (p->stage == STRANGER)
		q->jobs.strangers--;
	if (p->stage == PARENT) {
		q->jobs.parents--;
		schedule_parent_gone(q, p);
		use_other_parent(q, p);
	}
	if (s->agent != NULL)
		agent_closed(q, s->agent, p->stage == LEAVING);
	free(s);
	p->state = NULL;
}

static const char *
handle_parent(struct peer *p, const struct wire_header *h, const void *message)
{
	static const char *const programs[SCHEDULE_SERVICES] = {
		[JOBS_SMTP] = "delivery", [JOBS_MAILBOX] = "local", [JOBS_NOTICE] = "bounce"};
	const struct jobs_parent *parent = message;
	struct manager *q = p->q;
	(void)h;
	/* each serves its own kind: a broken delivery is not given the letters of mailboxes */
	if (!start_is(q->jobs.socket, p->who.uid, programs[parent->kind]))
		return "says it serves what is another program's";
	if (q->jobs.parents == JOBS_PARENTS_MAX)
		return "is a parent too many";
	q->jobs.strangers--;
	q->jobs.parents++;
	p->stage = PARENT;
	state_of(p)->kind = (enum jobs_kind)parent->kind;
	serve_kinds(q, (enum jobs_kind)parent->kind, p);
	return NULL;
}

static const char *
handle_cannot(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct jobs_cannot *cannot = message;
	struct want *w = schedule_want_find(p->q, h->request);
	struct verdict v;
	char status[STATUS_MAX];
	if (w == NULL || w->parent != p)
		return "cannot do what it was not asked for";
	enum fate fate = cannot->fate == FATE_FAILED ? FATE_FAILED : FATE_DEFERRED;
	if (!status_is_valid(cannot->status) ||
	    span_copy(cannot->status, status, sizeof(status)) != 0)
		snprintf(status, sizeof(status), "%s", fate == FATE_FAILED ? "5.3.0" : "4.3.0");
	verdict_set(&v, fate, 0, status, "%.*s", SPAN_ARG(cannot->text));
	schedule_cannot(p->q, w, &v);
	return NULL;
}

static const char *
handle_agent(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct jobs_agent *said = message;
	struct manager *q = p->q;
	struct want *w = schedule_want_find(q, (uint32_t)said->want);
	(void)h;
	if (w == NULL || w->parent->who.pid != p->who.pid || w->parent->who.uid != p->who.uid)
		return "is an agent that nobody asked for";
	uint64_t room = w->place->kind == JOBS_NOTICE
				? QUEUE_NOTICE_MAX
				: q->config->limits.recipients_per_transaction;
	if (room == 0 || room > UINT16_MAX)
		room = UINT16_MAX;
	struct agent *a = calloc(1, sizeof(*a));
	uint32_t *numbers = calloc(room, sizeof(*numbers));
	if (a == NULL || numbers == NULL) {
		free(a);
		free(numbers);
		return "no memory";
	}
	a->peer = p;
	a->numbers = numbers;
	a->room = (uint32_t)room;
	q->jobs.strangers--;
	p->stage = AGENT;
	p->its_turn = true; /* it waits for a job now */
	state_of(p)->agent = a;
	schedule_agent(q, w, a);
	return NULL;
}

static const char *
handle_leave(struct peer *p, const struct wire_header *h, const void *message)
{
	(void)h;
	(void)message;
	p->stage = LEAVING; /* a job that crossed this on its way was not taken */
	peer_end(p, NULL);
	return NULL;
}

/* ---- results ---- */

static uint32_t *
find_number(struct agent *a, uint32_t number)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (a->numbers[i] == number && number != 0)
			return &a->numbers[i];
	return NULL;
}

/* what an agent says of a reply, made fit for the journal */
static struct answer
answer_of(const struct jobs_result *r)
{
	static const char *const statuses[] = {
		[FATE_DELIVERED] = "2.0.0", [FATE_DEFERRED] = "4.0.0", [FATE_FAILED] = "5.0.0"};
	struct span status = r->status;
	if (!status_is_valid(status))
		status = span_of(statuses[r->fate]);
	return (struct answer){.code = r->code,
			       .status = status,
			       .reply = r->text,
			       .host = r->host,
			       .relayed = (enum jobs_relayed)r->relayed,
			       .meaning = (enum reply_meaning)r->meaning,
			       .pause_ms = r->pause_ms,
			       .tls = r->tls};
}

static const char *
notice_result(struct manager *q, struct agent *a, const struct jobs_result *r)
{
	struct message *m = a->message;
	uint64_t notice;
	if (r->number != 0 || r->last != 1)
		return "told of a recipient where a notice was asked for";
	if (r->fate != FATE_DELIVERED || number_parse_hex(r->host, &notice) != 0)
		notice = 0;
	switch ((enum fate)r->fate) {
	case FATE_DELIVERED:
		if (a->is_delay)
			message_delay_told(q, m, a->numbers, a->count, notice);
		else
			message_notified(q, m, a->numbers, a->count, notice);
		break;
	case FATE_DEFERRED:
		if (a->is_delay)
			message_delay_untold(m);
		message_not_notified(q, m, a->numbers, a->is_delay ? 0 : a->count);
		EVENT("notice-deferred", event_id(m->id), event_text("reason", r->text));
		break;
	case FATE_FAILED:
		if (a->is_delay) {
			message_delay_told(q, m, a->numbers, a->count, notice);
			break;
		}
		message_not_notified(q, m, a->numbers, a->count);
		message_hold(q, m, "no notice can be made of its failure");
		break;
	}
	a->left = 0;
	return NULL;
}

static const char *
recipient_result(struct manager *q, struct agent *a, const struct jobs_result *r)
{
	uint32_t *number = find_number(a, (uint32_t)r->number);
	struct answer answer = answer_of(r);
	if (number == NULL || a->expansion.parent != 0)
		return "told of a recipient that it was not given";
	if (r->last == 1 && a->left > 1)
		return "ended a job before it was done";
	uint32_t of = *number;
	*number = 0;
	a->left--;
	if (r->last == 1 && r->fate != FATE_DEFERRED)
		early_answered(q, a->place, clock_monotonic_us() - a->given_us, r->host);
	reaction_to(q, a, of, (enum fate)r->fate, &answer);
	return NULL;
}

static const char *
handle_result(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct jobs_result *r = message;
	struct manager *q = p->q;
	struct agent *a = state_of(p)->agent;
	(void)h;
	if (a->message == NULL)
		return "told of a job that it was not given";
	const char *wrong =
		a->place->kind == JOBS_NOTICE ? notice_result(q, a, r) : recipient_result(q, a, r);
	if (wrong != NULL)
		return wrong;
	if (r->last == 0) {
		message_settle(q, a->message);
		return NULL;
	}
	p->its_turn = true;
	schedule_agent_free(q, a);
	return NULL;
}

/* a part of an expansion: of one recipient until its last part has come */
static const char *
take_children(struct manager *q, struct agent *a, uint32_t number, struct wire_list children)
{
	struct expansion *e = &a->expansion;
	struct jobs_child child = {.owner = SPAN_NONE};
	if (jobs_parent_kind(a->place->kind) != JOBS_MAILBOX)
		return "expanded a recipient, which is not its to do";
	if (e->parent == 0 ? find_number(a, number) == NULL : e->parent != number)
		return "expanded a recipient that it was not given";
	if (e->parent == 0)
		expansion_start(e, number);
	while (wire_list_next(&children, &jobs_child_shape, &child)) {
		struct address canonical;
		/* what an agent of a user says is looked at as what a stranger says */
		if (address_mailbox(child.address, &canonical) != ADDRESS_OK ||
		    !span_equal(span_from(canonical.text, canonical.len), child.address))
			return "expanded a recipient into what is no address";
		if (!a->message->is_gone)
			expansion_add(q, a->message, e, &child);
	}
	return NULL;
}

static const char *
handle_expanded(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct jobs_expanded *said = message;
	struct manager *q = p->q;
	struct agent *a = state_of(p)->agent;
	if (a->message == NULL)
		return "told of a job that it was not given";
	const char *wrong = take_children(q, a, (uint32_t)said->number, said->children);
	if (wrong != NULL || (h->flags & WIRE_MORE) != 0)
		return wrong;
	if (said->last == 1 && a->left > 1)
		return "ended a job before it was done";
	if (!a->message->is_gone)
		expansion_end(q, a->message, &a->expansion);
	a->expansion.parent = 0;
	*find_number(a, (uint32_t)said->number) = 0;
	a->left--;
	if (said->last == 0) {
		message_settle(q, a->message);
		return NULL;
	}
	p->its_turn = true;
	schedule_agent_free(q, a);
	return NULL;
}

/* ---- what agents learn ---- */

static const char *
handle_site(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct jobs_site *said = message;
	struct agent *a = state_of(p)->agent;
	(void)h;
	if (a->message == NULL)
		return "told of a site without a job";
	site_learned(p->q, a->place, said->name);
	return NULL;
}

static const char *
handle_host(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct jobs_host *said = message;
	struct manager *q = p->q;
	struct agent *a = state_of(p)->agent;
	(void)h;
	if (a->message == NULL)
		return "told of a host without a job";
	host_down(&q->schedule.sites.hosts, &a->place->site->hosts, said->host, manager_now_ms(q));
	return NULL;
}

/* ---- orders ---- */

static bool
send_want(struct manager *q, struct peer *parent, uint32_t number, const struct place *place)
{
	const struct jobs_want want = {place->kind, place->hosts, place->user,	  place->domain,
				       place->home, place->quota, place->delivery};
	(void)q;
	return peer_send(parent, wire_find(jobs_orders, JOBS_WANT), 0, number, &want, NULL);
}

static void
end_agent(struct manager *q, struct agent *a)
{
	(void)q;
	peer_end(a->peer, NULL);
}

static void
end_parent(struct manager *q, struct peer *parent, const char *reason)
{
	(void)q;
	peer_end(parent, reason);
}

const struct schedule_hands jobs_hands = {send_want, order_give, end_agent, end_parent};

/* ---- the table ---- */

static const struct peer_rule rules[] = {
	{JOBS_PARENT, STRANGER, handle_parent},
	{JOBS_AGENT, STRANGER, handle_agent},
	{JOBS_CANNOT, PARENT, handle_cannot},
	{JOBS_RESULT, AGENT, handle_result},
	{JOBS_EXPANDED, AGENT, handle_expanded},
	{JOBS_SITE, AGENT, handle_site},
	{JOBS_HOST, AGENT, handle_host},
	{JOBS_LEAVE, AGENT, handle_leave},
	{0, 0, NULL},
};

static const struct peer_kind jobs_kind_of_peer = {
	.name = "jobs",
	.calls = jobs_calls,
	.rules = rules,
	.first_stage = STRANGER,
	.opened = opened,
	.closed = closed,
};

void
jobs_start(struct manager *q, const struct start_listen *socket)
{
	q->jobs.socket = socket;
	peer_listen(q, &q->jobs.listener, socket, &jobs_kind_of_peer);
}
