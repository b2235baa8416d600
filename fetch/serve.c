/*
 * serve - see serve.h; called by main.c
 */
#include "fetch/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/protocol/fetch.h"
#include "common/system/fatal.h"
#include "common/system/service.h"
#include "fetch/policies.h"

struct client {
	struct service_client base;
	bool is_waiting;
	uint32_t request;
	char domain[FETCH_DOMAIN_MAX + 1];
	char login[FETCH_LOGIN_MAX + 1]; /* it wants a token for that; "": a policy */
	struct policies_waiter waiter;
	struct tokens_waiter token_waiter;
	struct loop_timer too_long;
};

struct serve {
	struct service service;
	struct policies *policies;
	struct tokens *tokens;
	struct policies_known known; /* of one answer */
	struct wire list, out;
};

static struct serve *
serve_of(const struct client *c)
{
	return c->base.service->owner;
}

static uint64_t
seconds(int64_t s)
{
	return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint64_t)s;
}

/* what is in s->known */
static const char *
send_answer(struct client *c)
{
	struct serve *s = serve_of(c);
	const struct policies_known *k = &s->known;
	const struct cache_entry *e = &k->entry;
	struct fetch_sts_answer m = {.id = SPAN_NONE, .reason = span_of(k->reason)};

	wire_list_start(&s->list);
	if (k->has_policy) {
		m.mode = e->policy.mode;
		m.age = seconds(k->now_s - e->fetched_s);
		m.left = seconds(e->ends_s - k->now_s);
		m.id = span_of(e->id);
		for (size_t i = 0; i < e->policy.mx_count; i++) {
			const struct fetch_mx mx = {.pattern = e->policy.mx[i]};

			if (wire_list_add(&s->list, WIRE_LIST_ROOM, &fetch_mx_shape, &mx) < 0)
				return "the answer cannot be written";
		}
	}
	m.mx = wire_list_get(&s->list);
	if (wire_encode(&s->out, wire_find(fetch_answers, FETCH_STS_ANSWER), 0, c->request, &m) < 0)
		return "the answer cannot be written";
	return service_send(&c->base, span_from(s->out.at, s->out.len));
}

static const char *
send_token(struct client *c, const struct fetch_token_answer *m)
{
	struct serve *s = serve_of(c);
	const char *wrong = "the answer cannot be written";

	if (wire_encode(&s->out, wire_find(fetch_answers, FETCH_TOKEN_ANSWER), 0, c->request, m) ==
	    0)
		wrong = service_send(&c->base, span_from(s->out.at, s->out.len));
	/* it is the kernel's now, or the service's */
	explicit_bzero(&s->out, sizeof(s->out));
	return wrong;
}

/* it has waited; now it hears what there is */
static void
answer_waiting(struct client *c)
{
	struct serve *s = serve_of(c);
	struct fetch_token_answer token;

	c->is_waiting = false;
	loop_timer_clear(s->service.loop, &c->too_long);
	policies_leave(&c->waiter);
	tokens_leave(&c->token_waiter);
	if (c->login[0] != '\0') {
		tokens_look(s->tokens, span_of(c->login), &token);
		(void)service_settle(&c->base, send_token(c, &token));
		return;
	}
	policies_look(s->policies, c->domain, &s->known);
	(void)service_settle(&c->base, send_answer(c));
}

static void
token_ready(struct tokens_waiter *w)
{
	answer_waiting(w->owner);
}

static void
policy_ready(struct policies_waiter *w)
{
	answer_waiting(w->owner);
}

static void
waited_too_long(struct loop_timer *t)
{
	answer_waiting(t->owner);
}

static void
wait_for_it(struct client *c)
{
	struct serve *s = serve_of(c);

	loop_timer_set(s->service.loop, &c->too_long,
		       loop_now_ms(s->service.loop) + FETCH_ANSWER_MS);
}

static const char *
take_token(struct client *c, struct span datagram)
{
	struct serve *s = serve_of(c);
	struct fetch_token_answer answer;
	struct fetch_token_ask m;

	if (wire_decode(datagram, wire_find(fetch_calls, FETCH_TOKEN_ASK), &m) < 0 ||
	    span_copy(m.login, c->login, sizeof(c->login)) < 0 || c->login[0] == '\0')
		return "malformed message";
	c->is_waiting =
		tokens_ask(s->tokens, m.login, m.is_refused == 1, &c->token_waiter, &answer);
	if (!c->is_waiting)
		return send_token(c, &answer);
	wait_for_it(c);
	return NULL;
}

static const char *
client_take(struct service_client *base, struct span datagram)
{
	struct client *c = (struct client *)base;
	struct serve *s = serve_of(c);
	struct fetch_sts_ask m;
	struct wire_header h;
	char id[STS_ID_MAX + 1];

	c->login[0] = '\0';
	if (wire_peek(datagram, &h) == 0 && h.flags == 0 && h.type == FETCH_TOKEN_ASK) {
		c->request = h.request;
		return take_token(c, datagram);
	}
	if (wire_peek(datagram, &h) < 0 || h.flags != 0 || h.type != FETCH_STS_ASK ||
	    wire_decode(datagram, wire_find(fetch_calls, FETCH_STS_ASK), &m) < 0 ||
	    !cache_is_name(m.domain) || span_copy(m.domain, c->domain, sizeof(c->domain)) < 0 ||
	    span_copy(m.id, id, sizeof(id)) < 0)
		return "malformed message";
	c->request = h.request;
	c->is_waiting = policies_ask(s->policies, c->domain, id, &c->waiter, &s->known);
	if (!c->is_waiting)
		return send_answer(c);
	wait_for_it(c);
	return NULL;
}

static void
client_came(struct service_client *base)
{
	struct client *c = (struct client *)base;

	c->waiter = (struct policies_waiter){.ready = policy_ready, .owner = c};
	c->token_waiter = (struct tokens_waiter){.ready = token_ready, .owner = c};
	c->too_long = (struct loop_timer){.fire = waited_too_long, .owner = c};
}

static bool
client_may_take(const struct service_client *base)
{
	return !((const struct client *)base)->is_waiting;
}

static bool
client_is_busy(const struct service_client *base)
{
	return ((const struct client *)base)->is_waiting;
}

static void
client_has_room(struct service_client *base)
{
	(void)base; /* there is one answer at a time */
}

static void
client_ended(struct service_client *base)
{
	struct client *c = (struct client *)base;

	policies_leave(&c->waiter);
	tokens_leave(&c->token_waiter);
	loop_timer_clear(c->base.service->loop, &c->too_long);
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
serve(const struct start_listen *listen, const struct download_means *means, struct tokens *tokens,
      size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	s->policies = policies_new(loop, means);
	s->tokens = tokens;
	tokens_start(tokens, loop, means);
	service_open(&s->service, loop, &program, listen, clients_max, s);
	loop_run(loop);
	service_close(&s->service);
	policies_free(s->policies);
	tokens_free(s->tokens);
	loop_free(loop);
	free(s);
}
