/*
 * control - what may be asked, and who asks
 *
 * See control.h, request.h.
 */
#include "queue-manager/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "queue-manager/manager.h"
#include "queue-manager/request.h"

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

/* ---- requests under way, in turns ---- */

static const struct peer_kind control_kind;

static bool
work_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct peer *next;
	bool more = false;
	int64_t working = 0;
	for (struct peer *p = q->peers; p != NULL; p = p->next)
		working += p->kind == &control_kind && p->stage == REQUEST_WORKING;
	int64_t share_us = working > 0 ? MANAGER_SLICE_US / working : 0;
	for (struct peer *p = q->peers; p != NULL; p = next) {
		bool was_in_use = p->in_use;
		p->in_use = true;
		if (p->kind == &control_kind && p->stage == REQUEST_WORKING &&
		    request_work(p, clock_monotonic_us() + share_us))
			more = true;
		p->in_use = was_in_use;
		next = p->next;
		if (p->ended)
			peer_release(p);
	}
	return more;
}

static void
drained(struct peer *p)
{
	if (p->stage == REQUEST_WORKING)
		loop_task_wake(p->q->loop, &p->q->control.task);
}

/* ---- requests ---- */

#define NOT_ALLOWED "only root, the group culver-admin and the user who runs Culver may do this"

static const char *
handle_list(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_list *list = message;
	struct request *r = request_of(p);
	const char *wrong = select_parse(&r->selector, list->selector, true);
	if (wrong != NULL)
		return refuse(p, h->request, wrong);
	r->with_recipients = list->recipients != 0;
	request_begin(p, h->request, REQUEST_LIST);
	return NULL;
}

static const char *
handle_sites(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_sites *sites = message;
	struct request *r = request_of(p);
	const char *wrong = select_parse(&r->selector, sites->selector, true);
	if (wrong != NULL)
		return refuse(p, h->request, wrong);
	request_begin(p, h->request, REQUEST_SITES);
	return NULL;
}

static const char *
handle_budget(struct peer *p, const struct wire_header *h, const void *message)
{
	(void)message;
	request_begin(p, h->request, REQUEST_BUDGETS);
	return NULL;
}

static bool
may_do(const struct request *r, uint64_t verb)
{
	return r->is_admin || verb == CONTROL_RETRY || verb == CONTROL_REMOVE;
}

static const char *
handle_act(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_act *order = message;
	struct request *r = request_of(p);
	if (!may_do(r, order->verb))
		return refuse(p, h->request, NOT_ALLOWED);
	if (order->verb == CONTROL_REDIRECT &&
	    address_mailbox(order->address, &r->address) != ADDRESS_OK)
		return refuse(p, h->request, "what mail is redirected to is no address");
	const char *wrong = select_parse(&r->selector, order->selector, false);
	if (wrong != NULL)
		return refuse(p, h->request, wrong);
	r->verb = (enum control_verb)order->verb;
	r->with_recipients = false;
	if (r->is_admin && r->verb == CONTROL_RETRY && order->dry == 0)
		schedule_forgive(p->q);
	request_begin(p, h->request, order->dry != 0 ? REQUEST_DRY : REQUEST_ACT);
	return NULL;
}

static const char *
handle_show(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct control_show *show = message;
	struct manager *q = p->q;
	struct message *m = message_find(q, show->id);
	if (m == NULL || !request_is_there(p, m) || !m->is_queued || m->is_gone)
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
	request_begin_at(p, h->request, show->id);
	return NULL;
}

static const char *
handle_status(struct peer *p, const struct wire_header *h, const void *message)
{
	struct manager *q = p->q;
	struct messages *t = &q->messages;
	(void)message;
	if (!request_of(p)->is_admin)
		return refuse(p, h->request, NOT_ALLOWED);
	/* most messages hold their only recipient themselves; each stands in the table, and those that wait in the heap */
	uint64_t others = t->recipients > t->count ? t->recipients - t->count : 0;
	uint64_t memory = t->count * (sizeof(struct message) + 2 * sizeof(void *)) +
			  others * sizeof(struct recipient) +
			  (t->senders.count + q->destinations.domains.count) * sizeof(struct name);
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
	struct request *r = request_of(p);
	if (r == NULL)
		return;
	request_end(p);
	free(r);
	p->state = NULL;
}

static const struct peer_rule rules[] = {
	{CONTROL_LIST, REQUEST_IDLE, handle_list},
	{CONTROL_SHOW, REQUEST_IDLE, handle_show},
	{CONTROL_ACT, REQUEST_IDLE, handle_act},
	{CONTROL_STATUS, REQUEST_IDLE, handle_status},
	{CONTROL_SITES, REQUEST_IDLE, handle_sites},
	{CONTROL_BUDGET, REQUEST_IDLE, handle_budget},
	{0, 0, NULL},
};

static const struct peer_kind control_kind = {
	.name = "control",
	.calls = control_calls,
	.rules = rules,
	.first_stage = REQUEST_IDLE,
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
