/*
 * serve - see serve.h; called by main.c
 *
 * A question is handed to libunbound with ub_resolve_async; its answer comes back over ub_fd, in the loop, with the question as cookie.  A
 * question ends in one of three ways: answered, given up by its timer, or its client ended; the last two cancel it, so that no
 * answer ever finds a question that is gone.
 */
#include "resolver/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/protocol/resolver.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "common/system/service.h"
#include "resolver/answers.h"

#define CLASS_IN 1
/* of a list's room, which is made for messages with few other fields: canonical and text */
#define RECORDS_ROOM (WIRE_LIST_ROOM - RESOLVER_NAME_MAX - RESOLVER_TEXT_MAX)

struct client;

/* one question under way */
struct ask {
	struct client *client;
	uint32_t request;
	enum resolver_rr rr;
	int id; /* libunbound's */
	struct loop_timer given_up;
	struct ask *previous, *next;
};

struct client {
	struct service_client base;
	struct ask *asks;
	size_t ask_count;
};

struct serve {
	struct service service;
	struct ub_ctx *ctx;
	struct loop_watch results; /* ub_fd */
	struct wire list, out;
};

static struct serve *
serve_of(const struct client *c)
{
	return c->base.service->owner;
}

/* ---- ends ---- */

static void
ask_end(struct ask *a)
{
	struct client *c = a->client;

	loop_timer_clear(c->base.service->loop, &a->given_up);
	if (a->previous != NULL)
		a->previous->next = a->next;
	else
		c->asks = a->next;
	if (a->next != NULL)
		a->next->previous = a->previous;
	c->ask_count--;
	free(a);
}

static void
ask_cancel(const struct ask *a)
{
	int outcome = ub_cancel(serve_of(a->client)->ctx, a->id);

	if (outcome != UB_NOERROR)
		EVENT("cancel-trouble", event_string("reason", ub_strerror(outcome)));
}

/* ---- sending ---- */

/* the records that are in s->list, as one part */
static const char *
send_part(struct client *c, uint32_t request, struct answer *answer, bool more)
{
	struct serve *s = serve_of(c);

	answer->message.records = wire_list_get(&s->list);
	if (wire_encode(&s->out, wire_find(resolver_answers, RESOLVER_ANSWER), more ? WIRE_MORE : 0,
			request, &answer->message) < 0)
		return "the answer cannot be encoded";
	wire_list_start(&s->list);
	return service_send(&c->base, span_from(s->out.at, s->out.len));
}

/* `result` NULL: there are no records */
static const char *
send_answer(struct client *c, uint32_t request, enum resolver_rr rr, const struct ub_result *result,
	    struct answer *answer)
{
	struct serve *s = serve_of(c);
	struct answers_record record;
	const char *wrong = NULL;
	size_t sound = 0;

	wire_list_start(&s->list);
	for (size_t i = 0; result != NULL && wrong == NULL && result->data[i] != NULL; i++) {
		struct span rdata = span_from(result->data[i], (size_t)result->len[i]);

		if (answers_record(rr, rdata, &record) < 0) {
			answer->broken++;
			continue;
		}
		sound++;
		if (wire_list_get(&s->list).count < RESOLVER_RECORDS_MAX &&
		    wire_list_add(&s->list, RECORDS_ROOM, &resolver_record_shape, &record.record) ==
			    0)
			continue;
		wrong = send_part(c, request, answer, true);
		if (wrong == NULL && wire_list_add(&s->list, RECORDS_ROOM, &resolver_record_shape,
						   &record.record) < 0)
			wrong = "the answer cannot be encoded";
	}
	if (result != NULL && answer->broken > 0)
		EVENT("records-broken", event_number("count", (int64_t)answer->broken),
		      event_string("name", result->qname));
	/* nothing but nonsense is no answer, and surely not that there is nothing */
	if (result != NULL && sound == 0 && wrong == NULL)
		answers_trouble(answer, "none of the records can be read");
	return wrong != NULL ? wrong : send_part(c, request, answer, false);
}

static void
answer(struct ask *a, const struct ub_result *result, struct answer *answer)
{
	struct client *c = a->client;
	const struct ub_result *records = answer->message.outcome == RESOLVER_FOUND ? result : NULL;
	const char *wrong = send_answer(c, a->request, a->rr, records, answer);

	ask_end(a);
	(void)service_settle(&c->base, wrong);
}

/* ---- libunbound ---- */

static void
answered(void *owner, int error, struct ub_result *result)
{
	struct ask *a = owner;
	struct answer found = {.message = {.canonical = SPAN_NONE, .text = SPAN_NONE}};

	if (error != UB_NOERROR || result == NULL) {
		answers_trouble(&found, ub_strerror(error));
		answer(a, NULL, &found);
		return;
	}
	answers_judge(result, &found);
	answer(a, result, &found);
	ub_resolve_free(result);
}

static void
results_ready(struct loop_watch *w, uint32_t events)
{
	struct serve *s = w->owner;
	int outcome;

	(void)events;
	outcome = ub_process(s->ctx);
	/* its thread is gone, and every question with it: master starts another one of us */
	if (outcome != UB_NOERROR)
		fatal(EXIT_SOFTWARE, 0, "libunbound: %s", ub_strerror(outcome));
}

static void
give_up(struct loop_timer *t)
{
	struct ask *a = t->owner;
	struct answer found = {.message = {.canonical = SPAN_NONE, .text = SPAN_NONE}};

	ask_cancel(a);
	answers_trouble(&found, "the name servers did not answer in time");
	answer(a, NULL, &found);
}

/* ---- what clients do ---- */

static const char *
client_take(struct service_client *base, struct span datagram)
{
	struct client *c = (struct client *)base;
	struct serve *s = serve_of(c);
	struct resolver_ask question;
	struct wire_header h;
	char name[RESOLVER_NAME_MAX + 1];
	struct ask *a;
	int outcome;

	if (wire_peek(datagram, &h) < 0 || h.flags != 0 || h.type != RESOLVER_ASK ||
	    wire_decode(datagram, wire_find(resolver_calls, RESOLVER_ASK), &question) < 0 ||
	    span_copy(question.name, name, sizeof(name)) < 0)
		return "malformed message";
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return "out of memory";
	*a = (struct ask){.client = c,
			  .request = h.request,
			  .rr = (enum resolver_rr)question.rr,
			  .next = c->asks};
	a->given_up = (struct loop_timer){.fire = give_up, .owner = a};
	if (c->asks != NULL)
		c->asks->previous = a;
	c->asks = a;
	c->ask_count++;
	outcome = ub_resolve_async(s->ctx, name, (int)question.rr, CLASS_IN, a, answered, &a->id);
	if (outcome != UB_NOERROR) {
		struct answer found = {.message = {.canonical = SPAN_NONE, .text = SPAN_NONE}};
		const char *wrong;

		answers_trouble(&found, ub_strerror(outcome));
		wrong = send_answer(c, a->request, a->rr, NULL, &found);
		ask_end(a);
		return wrong;
	}
	loop_timer_set(s->service.loop, &a->given_up,
		       loop_now_ms(s->service.loop) + SERVE_ANSWER_MS);
	return NULL;
}

static void
client_came(struct service_client *base)
{
	(void)base;
}

static bool
client_may_take(const struct service_client *base)
{
	return ((const struct client *)base)->ask_count < SERVE_ASKS_MAX;
}

static bool
client_is_busy(const struct service_client *base)
{
	return ((const struct client *)base)->asks != NULL;
}

static void
client_has_room(struct service_client *base)
{
	(void)base; /* answers come when libunbound has them */
}

static void
client_ended(struct service_client *base)
{
	struct client *c = (struct client *)base;

	for (struct ask *a = c->asks, *next; a != NULL; a = next) {
		next = a->next;
		ask_cancel(a);
		ask_end(a);
	}
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
serve(const struct start_listen *listen, struct ub_ctx *ctx, size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	s->ctx = ctx;
	s->results = (struct loop_watch){.fd = ub_fd(ctx), .ready = results_ready, .owner = s};
	service_open(&s->service, loop, &program, listen, clients_max, s);
	loop_watch(loop, &s->results, EPOLLIN);
	loop_run(loop);
	service_close(&s->service);
	loop_unwatch(loop, &s->results);
	loop_free(loop);
	free(s);
}
