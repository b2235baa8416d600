/*
 * serve - see serve.h; called by main.c
 *
 * States of a client: idle (read from), working (`left` has questions, task awake), blocked (`queue` has datagrams that the kernel had no
 * room for: written to when there is room, not read from).
 */
#include "lookup/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/protocol/lookup.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "lookup/aliases.h"
#include "lookup/recipients.h"

#define SLICE_US 5000 /* of work for one client before the others have their turn */
#define ACCEPTS_A_TURN 64
#define READS_A_TURN 16 /* requests of one client */

struct datagram {
	struct datagram *next;
	size_t len;
	char at[];
};

struct serve;

struct client {
	int fd;
	struct serve *serve;
	struct channel_peer peer;
	struct loop_watch watch;
	struct loop_task work;
	struct loop_timer stalled;
	uint16_t type; /* of the request at hand */
	uint32_t request;
	struct wire_list left; /* its questions without answer */
	char *kept;	       /* owned: what `left` points to when it outlives the turn */
	struct datagram *first, *last;
	struct client *previous, *next;
};

struct serve {
	struct loop *loop;
	const struct start_listen *listen;
	const struct routes *routes;
	struct loop_watch door;
	struct loop_timer stop;
	struct client *clients;
	size_t client_count, clients_max;
	bool is_stopping, is_retired;
	struct arena arena; /* of one question */
	struct wire list;   /* answers that wait for their datagram to fill */
	struct wire out;
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

static void
stop_if_done(struct serve *s)
{
	if (s->is_retired && s->client_count == 0)
		loop_stop(s->loop);
	if (!s->is_stopping)
		return;
	for (const struct client *c = s->clients; c != NULL; c = c->next)
		if (c->left.count > 0 || c->first != NULL)
			return;
	loop_stop(s->loop);
}

/* client_end - `reason` NULL: it went by itself */
static void
client_end(struct client *c, const char *reason)
{
	struct serve *s = c->serve;

	if (reason != NULL)
		EVENT("client-ended", event_number("pid", c->peer.pid),
		      event_number("uid", c->peer.uid), event_string("reason", reason));
	loop_unwatch(s->loop, &c->watch);
	loop_task_clear(s->loop, &c->work);
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
	free(c->kept);
	free(c);
	s->client_count--;
	open_door(s);
	stop_if_done(s);
}

/* goes_on - false: it was idle, and we are retired: it is gone */
static bool
goes_on(struct client *c)
{
	if (!c->serve->is_retired || c->left.count > 0 || c->first != NULL)
		return true;
	client_end(c, NULL);
	return false;
}

/* ---- sending ---- */

/* false: no memory */
static bool
keep(struct client *c, struct span bytes)
{
	struct datagram *d = malloc(sizeof(*d) + bytes.len);

	if (d == NULL)
		return false;
	d->next = NULL;
	d->len = bytes.len;
	memcpy(d->at, bytes.at, bytes.len);
	if (c->last != NULL)
		c->last->next = d;
	else
		c->first = d;
	c->last = d;
	return true;
}

/* send_list - the answers gathered as one datagram; what the kernel has no room for is kept.  A sentence: the client must end. */
static const char *
send_list(struct client *c, bool more)
{
	struct serve *s = c->serve;
	bool is_verdicts = c->type == LOOKUP_RECIPIENTS;
	struct lookup_verdicts verdicts = {.verdicts = wire_list_get(&s->list)};
	struct lookup_leaves leaves = {.leaves = wire_list_get(&s->list)};
	const struct wire_shape *shape =
		wire_find(lookup_answers, is_verdicts ? LOOKUP_VERDICTS : LOOKUP_LEAVES);
	struct span bytes;

	if (wire_encode(&s->out, shape, more ? WIRE_MORE : 0, c->request,
			is_verdicts ? (const void *)&verdicts : (const void *)&leaves) < 0)
		return "the answer cannot be written";
	wire_list_start(&s->list);
	bytes = span_from(s->out.at, s->out.len);
	if (c->first == NULL) {
		switch (channel_send(c->fd, bytes, NULL, 0)) {
		case CHANNEL_OK:
			return NULL;
		case CHANNEL_CLOSED:
			return "gone before its answer";
		case CHANNEL_BROKEN:
			return "the answer cannot be sent";
		case CHANNEL_AGAIN:
			break;
		}
	}
	return keep(c, bytes) ? NULL : "out of memory";
}

static const char *
add_answer(struct client *c, const struct wire_shape *shape, const void *answer)
{
	struct serve *s = c->serve;
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

/* ---- answering ---- */

static const char *
answer(struct client *c, const struct lookup_question *q)
{
	struct serve *s = c->serve;
	int64_t now_ms = loop_now_ms(s->loop);
	const char *wrong = NULL;
	struct expansion e;

	arena_reset(&s->arena);
	if (c->type == LOOKUP_RECIPIENTS) {
		struct lookup_verdict v;

		recipients_verdict(s->routes, q->address, now_ms, &s->arena, &v);
		v.number = q->number;
		return add_answer(c, &lookup_verdict_shape, &v);
	}
	aliases_expand(s->routes, q->address, q->direct != 0, false, now_ms, &s->arena, &e);
	for (size_t i = 0; i < e.count && wrong == NULL; i++) {
		e.leaves[i].number = q->number;
		e.leaves[i].leaves = e.count;
		wrong = add_answer(c, &lookup_leaf_shape, &e.leaves[i]);
	}
	return wrong;
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

/* watch - reads from an idle client, writes to a blocked one; a working one is only watched for its end */
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
	loop_watch(s->loop, &c->watch, c->left.count > 0 ? EPOLLRDHUP : EPOLLIN);
}

/* work - answers until all is answered, the client does not read, or its slice is over; false: the client is gone */
static bool
work(struct client *c)
{
	struct serve *s = c->serve;
	int64_t until_us = clock_monotonic_us() + SLICE_US;
	struct lookup_question q;
	const char *wrong = NULL;

	wire_list_start(&s->list);
	while (wrong == NULL && c->first == NULL && c->left.count > 0 &&
	       wire_list_next(&c->left, &lookup_question_shape, &q)) {
		wrong = answer(c, &q);
		if (clock_monotonic_us() >= until_us)
			break;
	}
	if (wrong == NULL && wire_list_get(&s->list).count > 0)
		wrong = send_list(c, c->left.count > 0);
	if (wrong == NULL && !keep_left(c))
		wrong = "out of memory";
	if (wrong != NULL) {
		client_end(c, wrong);
		return false;
	}
	if (c->left.count == 0) {
		free(c->kept);
		c->kept = NULL;
	} else if (c->first == NULL) {
		loop_task_wake(s->loop, &c->work);
	}
	watch(c);
	return goes_on(c);
}

static bool
work_step(struct loop_task *t)
{
	struct client *c = t->owner;
	struct serve *s = c->serve;

	/* wakes the task itself when there is more, so never "again" */
	if (c->first == NULL && work(c) && c->left.count == 0)
		stop_if_done(s);
	return false;
}

/* ---- what clients do ---- */

/* flush - false: the client is gone */
static bool
flush(struct client *c)
{
	while (c->first != NULL) {
		struct datagram *d = c->first;

		switch (channel_send(c->fd, span_from(d->at, d->len), NULL, 0)) {
		case CHANNEL_AGAIN:
			return true;
		case CHANNEL_OK:
			break;
		case CHANNEL_CLOSED:
			client_end(c, NULL);
			return false;
		case CHANNEL_BROKEN:
			client_end(c, "the answer cannot be sent");
			return false;
		}
		/* one that reads, however slowly, is not stalled */
		loop_timer_clear(c->serve->loop, &c->stalled);
		c->first = d->next;
		if (c->first == NULL)
			c->last = NULL;
		free(d);
	}
	return true;
}

/* take_request - false: it is malformed */
static bool
take_request(struct client *c, struct span datagram)
{
	struct lookup_questions q;
	struct wire_header h;
	const struct wire_shape *shape;

	if (wire_peek(datagram, &h) < 0 || h.flags != 0 ||
	    (shape = wire_find(lookup_calls, h.type)) == NULL ||
	    wire_decode(datagram, shape, &q) < 0)
		return false;
	c->type = h.type;
	c->request = h.request;
	c->left = q.questions;
	return true;
}

static void
client_ready(struct loop_watch *w, uint32_t events)
{
	struct client *c = w->owner;
	struct serve *s = c->serve;
	size_t len;

	if (c->first != NULL) {
		if (!flush(c))
			return;
		if (c->first == NULL && c->left.count > 0)
			loop_task_wake(s->loop, &c->work);
		watch(c);
		if (goes_on(c))
			stop_if_done(s);
		return;
	}
	if (c->left.count > 0) {
		if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
			client_end(c, NULL);
		return;
	}
	for (int i = 0; i < READS_A_TURN; i++) {
		switch (channel_receive(c->fd, s->in, &len, NULL)) {
		case CHANNEL_AGAIN:
			return;
		case CHANNEL_CLOSED:
			client_end(c, NULL);
			return;
		case CHANNEL_BROKEN:
			client_end(c, "malformed message");
			return;
		case CHANNEL_OK:
			break;
		}
		if (!take_request(c, span_from(s->in, len))) {
			client_end(c, "malformed message");
			return;
		}
		if (!work(c) || c->left.count > 0 || c->first != NULL)
			return;
	}
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
		c->work = (struct loop_task){.step = work_step, .owner = c};
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

/*
 * on_retire - a retired generation would answer from an old configuration: who is idle is sent to the new one at once, by the end of
 * his connection, the others with their answer.  A question that crosses is asked again there.
 */
static void
on_retire(void *owner)
{
	struct serve *s = owner;

	s->is_retired = true;
	open_door(s);
	for (struct client *c = s->clients, *next; c != NULL; c = next) {
		next = c->next;
		(void)!goes_on(c);
	}
	stop_if_done(s);
}

void
serve(const struct start_listen *listen, const struct routes *routes, size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	/* with two generations on it, the client that woke us may be taken by the other one */
	if (fcntl(listen->fd, F_SETFL, fcntl(listen->fd, F_GETFL) | O_NONBLOCK) < 0)
		fatal(EXIT_OS, errno, "socket lookup");
	s->loop = loop_new();
	s->listen = listen;
	s->routes = routes;
	s->clients_max = clients_max;
	s->door = (struct loop_watch){.fd = listen->fd, .ready = door_ready, .owner = s};
	s->stop = (struct loop_timer){.fire = stop_now, .owner = s};
	arena_init(&s->arena, ALIASES_MEMORY_MAX);
	loop_signal(s->loop, SIGTERM, on_term, s);
	loop_signal(s->loop, SIGUSR1, on_retire, s);
	open_door(s);
	loop_run(s->loop);
	s->is_retired = s->is_stopping = false;
	for (struct client *c = s->clients, *next; c != NULL; c = next) {
		next = c->next;
		client_end(c, NULL);
	}
	loop_unwatch(s->loop, &s->door);
	loop_free(s->loop);
	arena_free(&s->arena);
	free(s);
}
