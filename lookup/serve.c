/*
 * serve - see serve.h; called by main.c
 *
 * A client has one request at a time; its questions are answered in order.  While some are left it is not read from, and its task is awake
 * unless the kernel has no room for the answers that are there.
 */
#include "lookup/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/protocol/lookup.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "common/system/service.h"
#include "lookup/aliases.h"
#include "lookup/expn.h"
#include "lookup/logins.h"
#include "lookup/recipients.h"
#include "lookup/senders.h"

#define SLICE_US 5000 /* of work for one client before the others have their turn */

struct client {
	struct service_client base;
	struct loop_task work;
	uint16_t type; /* of the request at hand */
	uint32_t request;
	bool is_refused;       /* LOOKUP_EXPAND: one too many */
	struct wire_list left; /* its questions without answer */
	char *kept;	       /* owned: what `left` points to when it outlives the turn */
};

struct serve {
	struct service service;
	const struct routes *routes;
	struct expn expn;
	struct arena arena; /* of one question */
	struct wire list;   /* answers that wait for their datagram to fill */
	struct wire out;
};

static struct serve *
serve_of(const struct client *c)
{
	return c->base.service->owner;
}

/* ---- answering ---- */

/* send_list - the answers gathered as one datagram.  A sentence: the client must end. */
static const char *
send_list(struct client *c, bool more)
{
	struct serve *s = serve_of(c);
	bool is_verdicts = c->type == LOOKUP_RECIPIENTS || c->type == LOOKUP_SENDER;
	struct lookup_verdicts verdicts = {.verdicts = wire_list_get(&s->list)};
	struct lookup_leaves leaves = {.leaves = wire_list_get(&s->list)};
	const struct wire_shape *shape =
		wire_find(lookup_answers, is_verdicts ? LOOKUP_VERDICTS : LOOKUP_LEAVES);

	if (wire_encode(&s->out, shape, more ? WIRE_MORE : 0, c->request,
			is_verdicts ? (const void *)&verdicts : (const void *)&leaves) < 0)
		return "the answer cannot be written";
	wire_list_start(&s->list);
	return service_send(&c->base, span_from(s->out.at, s->out.len));
}

static const char *
add_answer(struct client *c, const struct wire_shape *shape, const void *answer)
{
	struct serve *s = serve_of(c);
	const char *wrong;

	if (wire_list_add(&s->list, WIRE_LIST_ROOM, shape, answer) == 0)
		return NULL;
	if (wire_list_get(&s->list).count == 0)
		return "the answer cannot be written";
	wrong = send_list(c, true);
	if (wrong == NULL && wire_list_add(&s->list, WIRE_LIST_ROOM, shape, answer) < 0)
		wrong = "the answer cannot be written";
	return wrong;
}

static const char *
answer(struct client *c, const struct lookup_question *q)
{
	struct serve *s = serve_of(c);
	int64_t now_ms = loop_now_ms(s->service.loop);
	const char *wrong = NULL;
	struct expansion e;

	arena_reset(&s->arena);
	if (c->type == LOOKUP_RECIPIENTS) {
		struct lookup_verdict v;

		recipients_verdict(s->routes, q->address, now_ms, &s->arena, &v);
		v.number = q->number;
		return add_answer(c, &lookup_verdict_shape, &v);
	}
	if (c->type == LOOKUP_EXPAND)
		expn_answer(s->routes, q->address, c->is_refused, now_ms, &s->arena, &e);
	else if (q->line != 0)
		aliases_line(s->routes, q->address, q->direct, q->line, now_ms, &s->arena, &e);
	else
		aliases_expand(s->routes, q->address, q->direct, false, now_ms, &s->arena, &e);
	/* of several each is asked for again, by its own sender */
	if (c->type == LOOKUP_ROUTES && e.count == 1)
		logins_choose(s->routes, q->sender, now_ms, &s->arena, &e.leaves[0]);
	for (size_t i = 0; i < e.count && wrong == NULL; i++) {
		e.leaves[i].number = q->number;
		e.leaves[i].leaves = e.count;
		wrong = add_answer(c, &lookup_leaf_shape, &e.leaves[i]);
	}
	return wrong;
}

/* the one question that is no list */
static const char *
answer_sender(struct client *c, struct span datagram, const struct wire_shape *shape)
{
	struct serve *s = serve_of(c);
	struct lookup_sender question;
	struct lookup_verdict v;
	const char *wrong;

	if (wire_decode(datagram, shape, &question) < 0)
		return "malformed message";
	arena_reset(&s->arena);
	senders_verdict(s->routes, &question, loop_now_ms(s->service.loop), &s->arena, &v);
	wire_list_start(&s->list);
	wrong = add_answer(c, &lookup_verdict_shape, &v);
	return wrong != NULL ? wrong : send_list(c, false);
}

/* take_request - into the client; false: malformed */
static bool
take_request(struct client *c, struct span datagram, const struct wire_shape *shape)
{
	struct serve *s = serve_of(c);
	struct lookup_expand expand;
	struct lookup_questions q;

	if (c->type != LOOKUP_EXPAND) {
		if (wire_decode(datagram, shape, &q) < 0)
			return false;
		c->left = q.questions;
		return true;
	}
	if (wire_decode(datagram, shape, &expand) < 0 || expand.questions.count != 1)
		return false;
	c->left = expand.questions;
	c->is_refused = !expn_may(&s->expn, expand.client, s->routes->config->limits.expn_per_hour,
				  loop_now_ms(s->service.loop));
	return true;
}

/* keep_left - the questions without answer outlive the buffer they were received in */
static bool
keep_left(struct client *c)
{
	char *kept;

	if (c->left.count == 0 || c->left.bytes.at == c->kept)
		return true;
	if (c->kept != NULL) { /* they are a later part of what is kept already */
		size_t offset = (size_t)(c->left.bytes.at - c->kept);

		memmove(c->kept, c->kept + offset, c->left.bytes.len);
		c->left.bytes.at = c->kept;
		return true;
	}
	kept = malloc(c->left.bytes.len);
	if (kept == NULL)
		return false;
	memcpy(kept, c->left.bytes.at, c->left.bytes.len);
	c->kept = kept;
	c->left.bytes.at = kept;
	return true;
}

/* work - answers until all is answered, the client does not read, or its slice is over; a sentence: the client must end */
static const char *
work(struct client *c)
{
	struct serve *s = serve_of(c);
	int64_t until_us = clock_monotonic_us() + SLICE_US;
	struct lookup_question q;
	const char *wrong = NULL;

	wire_list_start(&s->list);
	while (wrong == NULL && !service_is_blocked(&c->base) && c->left.count > 0 &&
	       wire_list_next(&c->left, &lookup_question_shape, &q)) {
		wrong = answer(c, &q);
		if (clock_monotonic_us() >= until_us)
			break;
	}
	if (wrong == NULL && wire_list_get(&s->list).count > 0)
		wrong = send_list(c, c->left.count > 0);
	if (wrong == NULL && !keep_left(c))
		wrong = "out of memory";
	if (wrong != NULL)
		return wrong;
	if (c->left.count == 0) {
		free(c->kept);
		c->kept = NULL;
	} else if (!service_is_blocked(&c->base)) {
		loop_task_wake(s->service.loop, &c->work);
	}
	return NULL;
}

static bool
work_step(struct loop_task *t)
{
	struct client *c = t->owner;

	/* it wakes itself when there is more, so never "again" */
	if (!service_is_blocked(&c->base))
		(void)service_settle(&c->base, work(c));
	return false;
}

/* ---- what clients do ---- */

static void
client_came(struct service_client *base)
{
	struct client *c = (struct client *)base;

	c->work = (struct loop_task){.step = work_step, .owner = c};
}

static bool
client_may_take(const struct service_client *base)
{
	return ((const struct client *)base)->left.count == 0;
}

static bool
client_is_busy(const struct service_client *base)
{
	return ((const struct client *)base)->left.count > 0;
}

static const char *
client_take(struct service_client *base, struct span datagram)
{
	struct client *c = (struct client *)base;
	struct wire_header h;
	const struct wire_shape *shape;

	if (wire_peek(datagram, &h) < 0 || h.flags != 0 ||
	    (shape = wire_find(lookup_calls, h.type)) == NULL)
		return "malformed message";
	c->type = h.type;
	c->request = h.request;
	if (h.type == LOOKUP_SENDER)
		return answer_sender(c, datagram, shape);
	return take_request(c, datagram, shape) ? work(c) : "malformed message";
}

static void
client_has_room(struct service_client *base)
{
	struct client *c = (struct client *)base;

	if (c->left.count > 0)
		loop_task_wake(base->service->loop, &c->work);
}

static void
client_ended(struct service_client *base)
{
	struct client *c = (struct client *)base;

	loop_task_clear(base->service->loop, &c->work);
	free(c->kept);
}

static const struct service_program program = {
	.client_size = sizeof(struct client),
	.stalled_ms = SERVE_STALLED_MS,
	.stop_ms = SERVE_STOP_MS,
	.came = client_came,
	.may_take = client_may_take,
	.take = client_take,
	.is_busy = client_is_busy,
	.has_room = client_has_room,
	.ended = client_ended,
};

void
serve(const struct start_listen *listen, const struct routes *routes, size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	s->routes = routes;
	arena_init(&s->arena, ALIASES_MEMORY_MAX);
	service_open(&s->service, loop, &program, listen, clients_max, s);
	loop_run(loop);
	service_close(&s->service);
	loop_free(loop);
	arena_free(&s->arena);
	free(s);
}
