/*
 * service - see service.h
 */
#include "common/system/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"

#define ACCEPTS_A_TURN 64

struct service_datagram {
	struct service_datagram *next;
	size_t len;
	char at[];
};

/* ---- ends ---- */

static void
open_door(struct service *s)
{
	if (s->is_stopping || s->is_retired || s->client_count >= s->clients_max)
		loop_unwatch(s->loop, &s->door);
	else
		loop_watch(s->loop, &s->door, EPOLLIN);
}

static bool
is_idle(const struct service_client *c)
{
	return c->first == NULL && !c->service->program->is_busy(c);
}

static void
stop_if_done(struct service *s)
{
	if (s->is_retired && s->client_count == 0)
		loop_stop(s->loop);
	if (!s->is_stopping)
		return;
	for (const struct service_client *c = s->clients; c != NULL; c = c->next)
		if (!is_idle(c))
			return;
	loop_stop(s->loop);
}

/* end - `reason` NULL: it went by itself, or is done with */
static void
end(struct service_client *c, const char *reason)
{
	struct service *s = c->service;

	if (reason != NULL)
		EVENT("client-ended", event_number("pid", c->peer.pid),
		      event_number("uid", c->peer.uid), event_string("reason", reason));
	s->program->ended(c);
	loop_unwatch(s->loop, &c->watch);
	loop_timer_clear(s->loop, &c->stalled);
	close(c->watch.fd);
	while (c->first != NULL) {
		struct service_datagram *d = c->first;

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

/* watch - a client is watched for one thing: room for its answers, its next question, or its end */
static void
watch(struct service_client *c)
{
	struct service *s = c->service;

	if (c->first != NULL) {
		loop_watch(s->loop, &c->watch, EPOLLOUT);
		if (c->stalled.slot == 0)
			loop_timer_set(s->loop, &c->stalled,
				       loop_now_ms(s->loop) + s->program->stalled_ms);
		return;
	}
	loop_timer_clear(s->loop, &c->stalled);
	if (!c->is_read_out && s->program->may_take(c))
		loop_watch(s->loop, &c->watch, EPOLLIN);
	else /* its own shutdown would be told as EPOLLRDHUP for ever */
		loop_watch(s->loop, &c->watch, s->is_retired ? EPOLLHUP : EPOLLRDHUP);
}

bool
service_settle(struct service_client *c, const char *wrong)
{
	struct service *s = c->service;

	if (wrong != NULL || (c->is_read_out && is_idle(c))) {
		end(c, wrong);
		return false;
	}
	watch(c);
	stop_if_done(s);
	return true;
}

/* ---- sending ---- */

bool
service_is_blocked(const struct service_client *c)
{
	return c->first != NULL;
}

static const char *
keep(struct service_client *c, struct span bytes)
{
	struct service_datagram *d = malloc(sizeof(*d) + bytes.len);

	if (d == NULL)
		return "out of memory";
	*d = (struct service_datagram){.len = bytes.len};
	memcpy(d->at, bytes.at, bytes.len);
	if (c->last != NULL)
		c->last->next = d;
	else
		c->first = d;
	c->last = d;
	return NULL;
}

/* put - NULL, with *later when the kernel has no room, or why the client must end */
static const char *
put(struct service_client *c, struct span datagram, bool *later)
{
	*later = false;
	switch (channel_send(c->watch.fd, datagram, NULL, 0)) {
	case CHANNEL_OK:
		return NULL;
	case CHANNEL_AGAIN:
		*later = true;
		return NULL;
	case CHANNEL_CLOSED:
		return "gone before its answer";
	case CHANNEL_BROKEN:
		break;
	}
	return "the answer cannot be sent";
}

const char *
service_send(struct service_client *c, struct span datagram)
{
	bool later = true;

	if (c->first == NULL) {
		const char *wrong = put(c, datagram, &later);
		if (wrong != NULL)
			return wrong;
	}
	return later ? keep(c, datagram) : NULL;
}

static const char *
flush(struct service_client *c)
{
	while (c->first != NULL) {
		struct service_datagram *d = c->first;
		bool later;
		const char *wrong = put(c, span_from(d->at, d->len), &later);

		if (wrong != NULL || later)
			return wrong;
		/* one that reads, however slowly, is not stalled */
		loop_timer_clear(c->service->loop, &c->stalled);
		c->first = d->next;
		if (c->first == NULL)
			c->last = NULL;
		free(d);
	}
	c->service->program->has_room(c);
	return NULL;
}

/* ---- what clients do ---- */

/* one datagram: nearly always there is no second one, and if there is, the kernel says so in the next turn */
static const char *
take_one(struct service_client *c)
{
	struct service *s = c->service;
	size_t len;

	switch (channel_receive(c->watch.fd, s->in, &len, NULL)) {
	case CHANNEL_AGAIN:
		return NULL;
	case CHANNEL_CLOSED:
		c->is_read_out = true;
		return NULL;
	case CHANNEL_BROKEN:
		return "malformed message";
	case CHANNEL_OK:
		break;
	}
	return s->program->take(c, span_from(s->in, len));
}

static void
client_ready(struct loop_watch *w, uint32_t events)
{
	struct service_client *c = w->owner;
	struct service *s = c->service;
	const char *wrong = NULL;

	if (c->first != NULL)
		wrong = flush(c);
	else if (!c->is_read_out && s->program->may_take(c))
		wrong = take_one(c);
	/* who has closed his end does not wait for an answer; a retired service has closed it itself, and answers */
	bool is_gone = (events & (EPOLLHUP | EPOLLERR)) != 0 ||
		       (!s->is_retired && (c->is_read_out || (events & EPOLLRDHUP) != 0));
	if (wrong == NULL && is_gone) {
		end(c, NULL);
		return;
	}
	(void)service_settle(c, wrong);
}

static void
client_stalled(struct loop_timer *t)
{
	end(t->owner, "does not read its answers");
}

static void
admit(struct service *s, int fd, const struct channel_peer *peer)
{
	struct service_client *c =
		start_may_connect(s->listen, peer->uid) ? calloc(1, s->program->client_size) : NULL;

	if (c == NULL) {
		EVENT("client-refused", event_number("pid", peer->pid),
		      event_number("uid", peer->uid));
		close(fd);
		return;
	}
	*c = (struct service_client){.service = s, .peer = *peer, .next = s->clients};
	c->watch = (struct loop_watch){.fd = fd, .ready = client_ready, .owner = c};
	c->stalled = (struct loop_timer){.fire = client_stalled, .owner = c};
	if (s->clients != NULL)
		s->clients->previous = c;
	s->clients = c;
	s->client_count++;
	s->program->came(c);
	loop_watch(s->loop, &c->watch, EPOLLIN);
}

static void
door_ready(struct loop_watch *w, uint32_t events)
{
	struct service *s = w->owner;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && s->client_count < s->clients_max; i++) {
		struct channel_peer peer;
		int fd = channel_accept(w->fd, &peer);

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				EVENT("accept-trouble", event_string("reason", strerror(errno)));
			return;
		}
		admit(s, fd, &peer);
	}
	open_door(s);
}

/* ---- begin and end ---- */

static void
stop_now(struct loop_timer *t)
{
	struct service *s = t->owner;

	loop_stop(s->loop);
}

static void
on_term(void *owner)
{
	struct service *s = owner;

	s->is_stopping = true;
	open_door(s);
	loop_timer_set(s->loop, &s->stop, loop_now_ms(s->loop) + s->program->stop_ms);
	stop_if_done(s);
}

/* on_retire - what lies in the sockets already is read to the end of it, then comes CHANNEL_CLOSED */
static void
on_retire(void *owner)
{
	struct service *s = owner;

	s->is_retired = true;
	open_door(s);
	for (struct service_client *c = s->clients, *next; c != NULL; c = next) {
		next = c->next;
		if (shutdown(c->watch.fd, SHUT_RD) < 0) /* it has gone meanwhile */
			end(c, NULL);
		else
			watch(c);
	}
	stop_if_done(s);
}

void
service_open(struct service *s, struct loop *loop, const struct service_program *program,
	     const struct start_listen *listen, size_t clients_max, void *owner)
{
	*s = (struct service){.loop = loop,
			      .program = program,
			      .listen = listen,
			      .clients_max = clients_max,
			      .owner = owner};
	/* with two generations on it, the client that woke us may be taken by the other one */
	if (fcntl(listen->fd, F_SETFL, fcntl(listen->fd, F_GETFL) | O_NONBLOCK) < 0)
		fatal(EXIT_OS, errno, "socket %s", listen->name);
	s->door = (struct loop_watch){.fd = listen->fd, .ready = door_ready, .owner = s};
	s->stop = (struct loop_timer){.fire = stop_now, .owner = s};
	loop_signal(loop, SIGTERM, on_term, s);
	loop_signal(loop, SIGUSR1, on_retire, s);
	open_door(s);
}

void
service_close(struct service *s)
{
	s->is_retired = s->is_stopping = true;
	for (struct service_client *c = s->clients, *next; c != NULL; c = next) {
		next = c->next;
		end(c, NULL);
	}
	loop_timer_clear(s->loop, &s->stop);
}
