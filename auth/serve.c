/*
 * serve - see serve.h; called by main.c
 *
 * A client's exchange is in one of these states; what may arrive in it stands beside it, and anything else ends the client:
 *
 *     IDLE      START
 *     WAITING   nothing is read: its step waits for a free check
 *     CHECKING  nothing is read: a child has it
 *     HELD      nothing is read: its answer waits for its time
 *     ASKED     CONTINUE, CANCEL: a challenge is with the client
 */
#include "auth/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "auth/check.h"
#include "auth/guessers.h"
#include "common/config/reload.h"
#include "common/protocol/auth.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/service.h"

enum state { IDLE, WAITING, CHECKING, HELD, ASKED };

struct client {
	struct service_client base;
	enum state state;
	uint32_t request;
	struct sasl_exchange exchange;
	char address[AUTH_CLIENT_MAX + 1], session[AUTH_SESSION_MAX + 1];
	struct check_question *question; /* WAITING; wiped and freed when the child has it */
	struct check check;
	struct client *next_waiting;
	struct loop_timer held;
	struct sasl_result result; /* HELD */
};

struct serve {
	struct service service;
	struct reload reload;
	struct guessers *guessers;
	int accounts;
	size_t checks;
	struct client *first_waiting, *last_waiting;
	struct wire out;
};

static struct serve *
serve_of(const struct client *c)
{
	return c->base.service->owner;
}

static void
drop_question(struct client *c)
{
	if (c->question == NULL)
		return;
	explicit_bzero(c->question, sizeof(*c->question));
	free(c->question);
	c->question = NULL;
}

/* ---- answers ---- */

/* by own accounts; which of them a client is offered depends on its TLS too (smtpd/mechanisms.c) */
static const struct auth_offers own_offers = {
	AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256) | AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_1) |
	AUTH_MECHANISM_BIT(AUTH_PLAIN) | AUTH_MECHANISM_BIT(AUTH_LOGIN) |
	AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256_PLUS) | AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_1_PLUS) |
	AUTH_MECHANISM_BIT(AUTH_EXTERNAL)};

static const char *
send_answer(struct client *c, enum auth_type type, const void *message)
{
	struct serve *s = serve_of(c);

	if (wire_encode(&s->out, wire_find(auth_answers, type), 0, c->request, message) < 0)
		return "the answer cannot be written";
	return service_send(&c->base, span_from(s->out.at, s->out.len));
}

/* the exchange's next state, and what the client hears */
static const char *
tell(struct client *c, const struct sasl_result *r)
{
	const struct auth_challenge challenge = {.data = span_from(r->data, r->len)};
	const struct auth_success success = {.login = span_of(c->exchange.login)};
	const struct auth_failure failure = {.reason = r->reason};
	const struct auth_trouble trouble = {.guesses = r->outcome == SASL_REFUSED};

	c->state = r->outcome == SASL_CHALLENGE ? ASKED : IDLE;
	switch (r->outcome) {
	case SASL_CHALLENGE:
		return send_answer(c, AUTH_CHALLENGE, &challenge);
	case SASL_SUCCESS:
		return send_answer(c, AUTH_SUCCESS, &success);
	case SASL_FAILURE:
		return send_answer(c, AUTH_FAILURE, &failure);
	case SASL_REFUSED:
	case SASL_TROUBLE:
		break;
	}
	return send_answer(c, AUTH_TROUBLE, &trouble);
}

/* tells, and wipes what is over */
static const char *
settle(struct client *c, struct sasl_result *r)
{
	const char *wrong = tell(c, r);

	if (c->state == IDLE)
		explicit_bzero(&c->exchange, sizeof(c->exchange));
	explicit_bzero(r, sizeof(*r));
	return wrong;
}

static void
release_held(struct loop_timer *t)
{
	struct client *c = t->owner;

	(void)service_settle(&c->base, settle(c, &c->result));
}

/* ---- what a step came to ---- */

static const char *
reason_word(enum auth_reason reason)
{
	switch (reason) {
	case AUTH_WRONG:
		return "wrong";
	case AUTH_MALFORMED:
		return "malformed";
	case AUTH_BINDING:
		return "channel-binding";
	case AUTH_DOWNGRADE:
		return "downgrade";
	}
	return "";
}

static void
tell_failed(const struct client *c, const char *reason)
{
	EVENT("login-failed", event_string("session", c->session),
	      event_string("client", c->address), event_string("login", c->exchange.login),
	      event_string("reason", reason));
}

/* counts it; how long the answer is held back */
static int64_t
judge(struct client *c, const struct sasl_result *r)
{
	struct guessers *g = serve_of(c)->guessers;
	int64_t now_ms = loop_now_ms(c->base.service->loop), delay_ms = 0;
	/* whether it was looked at was said with what was known at its begin: now it is only slower */
	(void)guessers_judge(g, c->address, c->exchange.login, now_ms, &delay_ms);

	switch (r->outcome) {
	case SASL_SUCCESS:
	case SASL_CHALLENGE:
		guessers_pardon(g, c->address, now_ms);
		if (r->outcome == SASL_SUCCESS)
			guessers_right(g, c->address, c->exchange.login, now_ms);
		break;
	case SASL_FAILURE:
		guessers_wrong(g, c->exchange.login, now_ms);
		tell_failed(c, reason_word(r->reason));
		break;
	case SASL_REFUSED:
		tell_failed(c, "guesses");
		break;
	case SASL_TROUBLE:
		guessers_pardon(g, c->address, now_ms);
		tell_failed(c, "trouble");
		break;
	}
	if (!r->is_checked)
		return 0;
	if (delay_ms > 0)
		EVENT("guesser-slowed", event_string("session", c->session),
		      event_string("client", c->address), event_string("login", c->exchange.login),
		      event_number("ms", delay_ms));
	return delay_ms;
}

static void start_waiting(struct serve *s);

static void
check_done(struct check *check, const struct check_answer *a)
{
	struct client *c = check->owner;
	struct serve *s = serve_of(c);
	struct loop *loop = s->service.loop;
	struct sasl_result result = {.outcome = SASL_TROUBLE};
	int64_t delay_ms;

	s->checks--;
	if (a != NULL) {
		c->exchange = a->exchange;
		result = a->result;
		if (a->trouble[0] != '\0')
			EVENT("accounts-trouble", event_string("reason", a->trouble));
	}
	delay_ms = judge(c, &result);
	if (delay_ms == 0) {
		(void)service_settle(&c->base, settle(c, &result));
	} else {
		c->state = HELD;
		c->result = result;
		loop_timer_set(loop, &c->held, loop_now_ms(loop) + delay_ms);
		(void)service_settle(&c->base, NULL);
	}
	start_waiting(s);
}

/* ---- steps ---- */

/* NULL, or why the client must end */
static const char *
start_check(struct client *c)
{
	struct serve *s = serve_of(c);
	int64_t now_ms = loop_now_ms(s->service.loop);
	struct sasl_result trouble = {.outcome = SASL_TROUBLE};

	guessers_charge(s->guessers, c->address, now_ms);
	c->check.owner = c;
	c->check.done = check_done;
	int started =
		check_start(&c->check, s->service.loop, c->question, s->guessers, s->accounts);
	int error = errno;
	drop_question(c);
	if (started == 0) {
		c->state = CHECKING;
		s->checks++;
		return NULL;
	}
	EVENT("no-process", event_string("errno", strerror(error)));
	guessers_pardon(s->guessers, c->address, now_ms);
	return settle(c, &trouble);
}

static void
start_waiting(struct serve *s)
{
	while (s->first_waiting != NULL && s->checks < SERVE_CHECKS_MAX) {
		struct client *c = s->first_waiting;

		s->first_waiting = c->next_waiting;
		if (s->first_waiting == NULL)
			s->last_waiting = NULL;
		(void)service_settle(&c->base, start_check(c));
	}
}

/* `response` NULL: there is none */
static const char *
step(struct client *c, const struct span *response)
{
	struct serve *s = serve_of(c);

	c->question = calloc(1, sizeof(*c->question));
	if (c->question == NULL)
		return "out of memory";
	c->question->exchange = c->exchange;
	memcpy(c->question->client, c->address, sizeof(c->address));
	if (response != NULL) {
		c->question->has_response = true;
		memcpy(c->question->response, response->at, response->len);
		c->question->len = response->len;
	}
	if (s->checks < SERVE_CHECKS_MAX)
		return start_check(c);
	c->state = WAITING;
	c->next_waiting = NULL;
	if (s->last_waiting != NULL)
		s->last_waiting->next_waiting = c;
	else
		s->first_waiting = c;
	s->last_waiting = c;
	return NULL;
}

/* ---- what clients do ---- */

static const char *
take_start(struct client *c, const struct auth_start *m)
{
	unsigned char nonce[SASL_NONCE_SIZE];

	if (span_copy(m->client, c->address, sizeof(c->address)) < 0 ||
	    span_copy(m->session, c->session, sizeof(c->session)) < 0 ||
	    span_has(m->certificate, '\0') || (m->has_response == 0 && m->response.len > 0))
		return "malformed message";
	if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return "no random bytes";
	sasl_start(&c->exchange, (enum auth_mechanism)m->mechanism, nonce);
	sasl_bind(&c->exchange, SASL_EXPORTER, m->exporter);
	sasl_bind(&c->exchange, SASL_UNIQUE, m->unique);
	sasl_bind(&c->exchange, SASL_END_POINT, m->end_point);
	memcpy(c->exchange.certificate, m->certificate.at, m->certificate.len);
	return step(c, m->has_response != 0 ? &m->response : NULL);
}

static const char *
take_message(struct client *c, struct span datagram)
{
	struct auth_start start;
	struct auth_continue more;
	struct wire_header h;
	const struct wire_shape *shape;

	if (wire_peek(datagram, &h) < 0 || h.flags != 0 ||
	    (shape = wire_find(auth_calls, h.type)) == NULL)
		return "malformed message";
	if ((h.type == AUTH_START || h.type == AUTH_LIST) != (c->state == IDLE))
		return "untimely message";
	c->request = h.request;
	switch ((enum auth_type)h.type) {
	case AUTH_START:
		return wire_decode(datagram, shape, &start) < 0 ? "malformed message"
								: take_start(c, &start);
	case AUTH_CONTINUE:
		return wire_decode(datagram, shape, &more) < 0 ? "malformed message"
							       : step(c, &more.response);
	case AUTH_CANCEL:
		if (wire_decode(datagram, shape, NULL) < 0)
			return "malformed message";
		c->state = IDLE;
		explicit_bzero(&c->exchange, sizeof(c->exchange));
		return NULL;
	case AUTH_LIST:
		return wire_decode(datagram, shape, NULL) < 0
			       ? "malformed message"
			       : send_answer(c, AUTH_OFFERS, &own_offers);
	case AUTH_CHALLENGE:
	case AUTH_SUCCESS:
	case AUTH_FAILURE:
	case AUTH_TROUBLE:
	case AUTH_OFFERS:
		break;
	}
	return "malformed message";
}

static const char *
client_take(struct service_client *base, struct span datagram)
{
	const char *wrong = take_message((struct client *)base, datagram);

	/* a password, perhaps: the buffer it was received in */
	explicit_bzero(base->service->in, datagram.len);
	return wrong;
}

static void
client_came(struct service_client *base)
{
	struct client *c = (struct client *)base;

	c->held = (struct loop_timer){.fire = release_held, .owner = c};
}

static bool
client_may_take(const struct service_client *base)
{
	const struct client *c = (const struct client *)base;

	return c->state == IDLE || c->state == ASKED;
}

static bool
client_is_busy(const struct service_client *base)
{
	return !client_may_take(base);
}

static void
client_has_room(struct service_client *base)
{
	(void)base; /* there is one answer at a time */
}

static void
unwait(struct serve *s, const struct client *gone)
{
	struct client **at = &s->first_waiting;

	s->last_waiting = NULL;
	while (*at != NULL) {
		if (*at == gone) {
			*at = gone->next_waiting;
			continue;
		}
		s->last_waiting = *at;
		at = &(*at)->next_waiting;
	}
}

static void
client_ended(struct service_client *base)
{
	struct client *c = (struct client *)base;
	struct serve *s = serve_of(c);

	if (c->state == WAITING)
		unwait(s, c);
	if (c->state == CHECKING) {
		/* what was guessed stays charged */
		check_abandon(&c->check);
		s->checks--;
		if (!s->service.is_stopping)
			start_waiting(s);
	}
	loop_timer_clear(s->service.loop, &c->held);
	drop_question(c);
	explicit_bzero(&c->exchange, sizeof(c->exchange));
	explicit_bzero(&c->result, sizeof(c->result));
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

/* what of the configuration concerns auth needs a new start, and master refuses to reload it */
static void
take_config(void *owner, struct config *c)
{
	(void)owner;
	config_free(c);
}

void
serve(const struct start_listen *listen, int master, int accounts, size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	s->guessers = guessers_new();
	s->accounts = accounts;
	service_open(&s->service, loop, &program, listen, clients_max, s);
	reload_watch(&s->reload, loop, master, take_config, s);
	loop_run(loop);
	reload_end(&s->reload);
	service_close(&s->service);
	loop_free(loop);
	guessers_free(s->guessers);
	free(s);
}
