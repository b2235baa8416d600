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
#include <unistd.h>

#include "auth/guessers.h"
#include "auth/offers.h"
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
	struct verdict_peer peer;
	char server[AUTH_CLIENT_MAX + 1], tls[AUTH_TLS_MAX + 1];
	int connection;			 /* to Dovecot, of an exchange that goes on; -1: none */
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
	struct check_source source;
	struct offers offers;
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

static void
forget_exchange(struct client *c)
{
	explicit_bzero(&c->exchange, sizeof(c->exchange));
	if (c->connection >= 0)
		close(c->connection);
	c->connection = -1;
}

/* ---- answers ---- */

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
		forget_exchange(c);
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

static void start_waiting(struct serve *s);

static void
check_done(struct check *check, const struct check_answer *a, int connection)
{
	struct client *c = check->owner;
	struct serve *s = serve_of(c);
	struct loop *loop = s->service.loop;
	struct sasl_result result = {.outcome = SASL_TROUBLE};
	int64_t delay_ms;

	s->checks--;
	if (c->connection >= 0)
		close(c->connection);
	c->connection = connection;
	if (a != NULL) {
		c->exchange = a->exchange;
		result = a->result;
		offers_learn(&s->offers, a);
	}
	delay_ms = verdict_count(s->guessers, &c->peer, &c->exchange, &result, loop_now_ms(loop));
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

	guessers_charge(s->guessers, c->peer.address, now_ms);
	c->check.owner = c;
	c->check.done = check_done;
	int started = check_start(&c->check, s->service.loop, c->question, s->guessers, &s->source);
	int error = errno;
	drop_question(c);
	if (started == 0) {
		c->state = CHECKING;
		s->checks++;
		return NULL;
	}
	EVENT("no-process", event_string("errno", strerror(error)));
	guessers_pardon(s->guessers, c->peer.address, now_ms);
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
	c->question->peer = c->peer;
	c->question->connection = c->connection;
	memcpy(c->question->server, c->server, sizeof(c->server));
	memcpy(c->question->tls, c->tls, sizeof(c->tls));
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

	if (span_copy(m->client, c->peer.address, sizeof(c->peer.address)) < 0 ||
	    span_copy(m->session, c->peer.session, sizeof(c->peer.session)) < 0 ||
	    span_copy(m->server, c->server, sizeof(c->server)) < 0 ||
	    span_copy(m->tls, c->tls, sizeof(c->tls)) < 0 || span_has(m->certificate, '\0') ||
	    (m->has_response == 0 && m->response.len > 0))
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
take_list(struct client *c)
{
	struct serve *s = serve_of(c);
	const struct auth_offers offers = {offers_known(&s->offers, loop_now_ms(s->service.loop))};

	return send_answer(c, AUTH_OFFERS, &offers);
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
		forget_exchange(c);
		return NULL;
	case AUTH_LIST:
		return wire_decode(datagram, shape, NULL) < 0 ? "malformed message" : take_list(c);
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
	c->connection = -1;
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
	forget_exchange(c);
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
serve(const struct start_listen *listen, int master, const struct check_source *source,
      size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	s->guessers = guessers_new();
	s->source = *source;
	offers_open(&s->offers, loop, &s->source, s->guessers);
	service_open(&s->service, loop, &program, listen, clients_max, s);
	reload_watch(&s->reload, loop, master, take_config, s);
	loop_run(loop);
	reload_end(&s->reload);
	service_close(&s->service);
	offers_close(&s->offers);
	loop_free(loop);
	guessers_free(s->guessers);
	free(s);
}
