/*
 * serve - see serve.h; called by main.c
 *
 * A question is handed to libunbound with ub_resolve_async; its answer comes back over ub_fd, in the loop, with the question as cookie.  A
 * question ends in one of three ways: answered, given up by its timer, or its client ended; the last two cancel it, so that no
 * answer ever finds a question that is gone.
 */
#include "resolver/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/protocol/resolver.h"
#include "common/system/channel.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "resolver/answers.h"

#define CLASS_IN 1
#define ACCEPTS_A_TURN 64
/* of a list's room, which is made for messages with few other fields: canonical and text */
#define RECORDS_ROOM (WIRE_LIST_ROOM - RESOLVER_NAME_MAX - RESOLVER_TEXT_MAX)

struct datagram {
	struct datagram *next;
	size_t len;
	char at[];
};

struct serve;
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
	int fd;
	struct serve *serve;
	struct channel_peer peer;
	struct loop_watch watch;
	struct loop_timer stalled;
	struct ask *asks;
	size_t ask_count;
	struct datagram *first, *last; /* answers that the kernel had no room for */
	struct client *previous, *next;
};

struct serve {
	struct loop *loop;
	const struct start_listen *listen;
	struct ub_ctx *ctx;
	struct loop_watch door;
	struct loop_watch results; /* ub_fd */
	struct loop_timer stop;
	struct client *clients;
	size_t client_count, clients_max;
	bool is_stopping, is_retired;
	struct wire list, out;
	char in[CHANNEL_MAX];
};

/* ---- ends ---- */

static void
open_door(struct serve *s)
{
	if (s->is_stopping || s->is_retired || s->client_count >= s->clients_max)
		loop_unwatch(s->loop, &s->door);
	else
		loop_watch(s->loop, &s->door, EPOLLIN);
}

static bool
is_idle(const struct client *c)
{
	return c->asks == NULL && c->first == NULL;
}

static void
stop_if_done(struct serve *s)
{
	if (s->is_retired && s->client_count == 0)
		loop_stop(s->loop);
	if (!s->is_stopping)
		return;
	for (const struct client *c = s->clients; c != NULL; c = c->next)
		if (!is_idle(c))
			return;
	loop_stop(s->loop);
}

static void
ask_end(struct ask *a)
{
	struct client *c = a->client;

	loop_timer_clear(c->serve->loop, &a->given_up);
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
ask_cancel(struct ask *a)
{
	int outcome = ub_cancel(a->client->serve->ctx, a->id);

	if (outcome != UB_NOERROR)
		EVENT("cancel-trouble", event_string("reason", ub_strerror(outcome)));
	ask_end(a);
}

/* client_end - `reason` NULL: it went by itself */
static void
client_end(struct client *c, const char *reason)
{
	struct serve *s = c->serve;

	if (reason != NULL)
		EVENT("client-ended", event_number("pid", c->peer.pid),
		      event_number("uid", c->peer.uid), event_string("reason", reason));
	for (struct ask *a = c->asks, *next; a != NULL; a = next) {
		next = a->next;
		ask_cancel(a);
	}
	loop_unwatch(s->loop, &c->watch);
	loop_timer_clear(s->loop, &c->stalled);
	close(c->fd);
	while (c->first != NULL) {
		struct datagram *d = c->first;

		c->first = d->next;
		free(d);
	}
	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		s->clients = c->next;
	if (c->next != NULL)
		c->next->previous = c->previous;
	free(c);
	s->client_count--;
	open_door(s);
	stop_if_done(s);
}

/* ---- sending ---- */

/* watch - a client with answers left is written to, one with as many questions as it may have only watched for its end */
static void
watch(struct client *c)
{
	struct serve *s = c->serve;

	if (c->first != NULL) {
		loop_watch(s->loop, &c->watch, EPOLLOUT);
		if (c->stalled.slot == 0)
			loop_timer_set(s->loop, &c->stalled,
				       loop_now_ms(s->loop) + SERVE_STALLED_MS);
		return;
	}
	loop_timer_clear(s->loop, &c->stalled);
	loop_watch(s->loop, &c->watch, c->ask_count < SERVE_ASKS_MAX ? EPOLLIN : EPOLLRDHUP);
}

/* NULL, or why the client must end */
static const char *
keep(struct client *c, struct span bytes)
{
	struct datagram *d = malloc(sizeof(*d) + bytes.len);

	if (d == NULL)
		return "out of memory";
	*d = (struct datagram){.len = bytes.len};
	memcpy(d->at, bytes.at, bytes.len);
	if (c->last != NULL)
		c->last->next = d;
	else
		c->first = d;
	c->last = d;
	return NULL;
}

/* the records that are in s->list, as one part */
static const char *
send_part(struct client *c, uint32_t request, struct answer *answer, bool more)
{
	struct serve *s = c->serve;
	struct span bytes;

	answer->message.records = wire_list_get(&s->list);
	if (wire_encode(&s->out, wire_find(resolver_answers, RESOLVER_ANSWER), more ? WIRE_MORE : 0,
			request, &answer->message) < 0)
		return "the answer cannot be encoded";
	wire_list_start(&s->list);
	bytes = span_from(s->out.at, s->out.len);
	if (c->first != NULL)
		return keep(c, bytes);
	switch (channel_send(c->fd, bytes, NULL, 0)) {
	case CHANNEL_OK:
		return NULL;
	case CHANNEL_AGAIN:
		return keep(c, bytes);
	case CHANNEL_CLOSED:
		return "closed before its answer was there";
	case CHANNEL_BROKEN:
		break;
	}
	return "the answer cannot be sent";
}

/* `result` NULL: there are no records */
static const char *
send_answer(struct client *c, uint32_t request, enum resolver_rr rr, const struct ub_result *result,
	    struct answer *answer)
{
	struct serve *s = c->serve;
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
	struct serve *s = c->serve;
	const struct ub_result *records = answer->message.outcome == RESOLVER_FOUND ? result : NULL;
	const char *wrong = send_answer(c, a->request, a->rr, records, answer);

	ask_end(a);
	if (wrong != NULL) {
		client_end(c, wrong);
	} else if (s->is_retired && is_idle(c)) {
		client_end(c, NULL);
	} else {
		watch(c);
		stop_if_done(s);
	}
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
	int outcome = ub_cancel(a->client->serve->ctx, a->id);

	if (outcome != UB_NOERROR)
		EVENT("cancel-trouble", event_string("reason", ub_strerror(outcome)));
	answers_trouble(&found, "the name servers did not answer in time");
	answer(a, NULL, &found);
}

/* ---- what clients do ---- */

/* NULL, or why the client must end */
static const char *
take_ask(struct client *c, struct span datagram)
{
	struct serve *s = c->serve;
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
	loop_timer_set(s->loop, &a->given_up, loop_now_ms(s->loop) + SERVE_ANSWER_MS);
	return NULL;
}

/* flush - NULL, or why the client must end */
static const char *
flush(struct client *c)
{
	while (c->first != NULL) {
		struct datagram *d = c->first;

		switch (channel_send(c->fd, span_from(d->at, d->len), NULL, 0)) {
		case CHANNEL_AGAIN:
			return NULL;
		case CHANNEL_OK:
			break;
		case CHANNEL_CLOSED:
			return "closed before its answer was there";
		case CHANNEL_BROKEN:
			return "the answer cannot be sent";
		}
		/* one that reads, however slowly, is not stalled */
		loop_timer_clear(c->serve->loop, &c->stalled);
		c->first = d->next;
		if (c->first == NULL)
			c->last = NULL;
		free(d);
	}
	return NULL;
}

/* reads until as many questions are under way as may be; NULL, or why the client must end; *gone: by itself */
static const char *
read_asks(struct client *c, bool *gone)
{
	struct serve *s = c->serve;
	const char *wrong = NULL;
	size_t len;

	while (wrong == NULL && c->first == NULL && c->ask_count < SERVE_ASKS_MAX) {
		switch (channel_receive(c->fd, s->in, &len, NULL)) {
		case CHANNEL_AGAIN:
			return NULL;
		case CHANNEL_CLOSED:
			*gone = true;
			return NULL;
		case CHANNEL_BROKEN:
			return "malformed message";
		case CHANNEL_OK:
			wrong = take_ask(c, span_from(s->in, len));
			break;
		}
	}
	return wrong;
}

static void
client_ready(struct loop_watch *w, uint32_t events)
{
	struct client *c = w->owner;
	struct serve *s = c->serve;
	const char *wrong = NULL;
	bool gone = false;

	if (c->first != NULL)
		wrong = flush(c);
	else if (c->ask_count < SERVE_ASKS_MAX)
		wrong = read_asks(c, &gone);
	else
		gone = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	if (wrong != NULL || gone || (s->is_retired && is_idle(c))) {
		client_end(c, wrong);
		return;
	}
	watch(c);
	stop_if_done(s);
}

static void
client_stalled(struct loop_timer *t)
{
	client_end(t->owner, "does not read its answers");
}

static void
door_ready(struct loop_watch *w, uint32_t events)
{
	struct serve *s = w->owner;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && s->client_count < s->clients_max; i++) {
		struct channel_peer peer;
		struct client *c;
		int fd = channel_accept(w->fd, &peer);

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				EVENT("accept-trouble", event_string("reason", strerror(errno)));
			return;
		}
		c = start_may_connect(s->listen, peer.uid) ? calloc(1, sizeof(*c)) : NULL;
		if (c == NULL) {
			EVENT("client-refused", event_number("pid", peer.pid),
			      event_number("uid", peer.uid));
			close(fd);
			continue;
		}
		*c = (struct client){.fd = fd, .serve = s, .peer = peer, .next = s->clients};
		c->watch = (struct loop_watch){.fd = fd, .ready = client_ready, .owner = c};
		c->stalled = (struct loop_timer){.fire = client_stalled, .owner = c};
		if (s->clients != NULL)
			s->clients->previous = c;
		s->clients = c;
		s->client_count++;
		loop_watch(s->loop, &c->watch, EPOLLIN);
	}
	open_door(s);
}

/* ---- the end ---- */

static void
stop_now(struct loop_timer *t)
{
	struct serve *s = t->owner;

	loop_stop(s->loop);
}

static void
on_term(void *owner)
{
	struct serve *s = owner;

	s->is_stopping = true;
	open_door(s);
	loop_timer_set(s->loop, &s->stop, loop_now_ms(s->loop) + SERVE_STOP_MS);
	stop_if_done(s);
}

/* on_retire - who is idle is sent to the new generation by the end of his connection, the others with their answers */
static void
on_retire(void *owner)
{
	struct serve *s = owner;

	s->is_retired = true;
	open_door(s);
	for (struct client *c = s->clients, *next; c != NULL; c = next) {
		next = c->next;
		if (is_idle(c))
			client_end(c, NULL);
	}
	stop_if_done(s);
}

void
serve(const struct start_listen *listen, struct ub_ctx *ctx, size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	/* with two generations on it, the client that woke us may be taken by the other one */
	if (fcntl(listen->fd, F_SETFL, fcntl(listen->fd, F_GETFL) | O_NONBLOCK) < 0)
		fatal(EXIT_OS, errno, "socket resolver");
	s->loop = loop_new();
	s->listen = listen;
	s->ctx = ctx;
	s->clients_max = clients_max;
	s->door = (struct loop_watch){.fd = listen->fd, .ready = door_ready, .owner = s};
	s->results = (struct loop_watch){.fd = ub_fd(ctx), .ready = results_ready, .owner = s};
	s->stop = (struct loop_timer){.fire = stop_now, .owner = s};
	loop_signal(s->loop, SIGTERM, on_term, s);
	loop_signal(s->loop, SIGUSR1, on_retire, s);
	loop_watch(s->loop, &s->results, EPOLLIN);
	open_door(s);
	loop_run(s->loop);
	s->is_retired = s->is_stopping = false;
	for (struct client *c = s->clients, *next; c != NULL; c = next) {
		next = c->next;
		client_end(c, NULL);
	}
	loop_unwatch(s->loop, &s->results);
	loop_unwatch(s->loop, &s->door);
	loop_free(s->loop);
	free(s);
}
