/*
 * peer - one connection of another program
 *
 * See peer.h.  Promises: no descriptor and no byte of a peer outlives it; whatever it sends, the others are served as before; a
 * peer may be ended from anywhere, also from its own handler.
 */
#include "queue-manager/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"

#define ACCEPT_AGAIN_MS 100 /* after descriptors ran out */

/* a datagram that waits */
struct peer_out {
	struct peer_out *next;
	int fds[CHANNEL_FDS_MAX]; /* ours */
	size_t fd_count;
	size_t len;
	char at[];
};

/* ---- the end ---- */

static void
drop_first_out(struct peer *p)
{
	struct peer_out *o = p->first;
	p->first = o->next;
	if (p->first == NULL)
		p->last = NULL;
	p->waiting -= o->len;
	p->waiting_count--;
	p->waiting_fds -= (unsigned)o->fd_count;
	for (size_t i = 0; i < o->fd_count; i++)
		close(o->fds[i]);
	free(o);
}

void
peer_end(struct peer *p, const char *reason)
{
	struct manager *q = p->q;
	if (p->ended)
		return;
	p->ended = true;
	if (reason != NULL)
		EVENT("peer-ended", event_string("program", p->kind->name),
		      event_number("pid", p->who.pid), event_string("reason", reason));
	if (p->kind->closed != NULL)
		p->kind->closed(p);
	loop_unwatch(q->loop, &p->watch);
	close(p->watch.fd);
	p->watch.fd = -1;
	while (p->first != NULL)
		drop_first_out(p);
	if (p->previous != NULL)
		p->previous->next = p->next;
	else
		q->peers = p->next;
	if (p->next != NULL)
		p->next->previous = p->previous;
	if (!p->in_use)
		free(p);
}

void
peer_release(struct peer *p)
{
	if (p->ended && !p->in_use)
		free(p);
}

void
peer_end_all(struct manager *q)
{
	while (q->peers != NULL)
		peer_end(q->peers, NULL);
}

/* ---- sending ---- */

static void
watch_for(struct peer *p)
{
	loop_watch(p->q->loop, &p->watch, p->first != NULL ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static bool
keep_for_later(struct peer *p, const struct wire *w, const int *fds, size_t fd_count)
{
	struct peer_out *o = malloc(sizeof(*o) + w->len);
	if (o == NULL || p->waiting + w->len > PEER_OUT_MAX ||
	    p->waiting_count == PEER_OUT_COUNT_MAX ||
	    p->waiting_fds + fd_count > PEER_OUT_FDS_MAX) {
		free(o);
		return false;
	}
	o->next = NULL;
	o->len = w->len;
	o->fd_count = 0;
	memcpy(o->at, w->at, w->len);
	for (size_t i = 0; i < fd_count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			while (o->fd_count > 0)
				close(o->fds[--o->fd_count]);
			free(o);
			return false;
		}
		o->fds[o->fd_count++] = fd;
	}
	if (p->last != NULL)
		p->last->next = o;
	else
		p->first = o;
	p->last = o;
	p->waiting += o->len;
	p->waiting_count++;
	p->waiting_fds += (unsigned)o->fd_count;
	watch_for(p);
	return true;
}

bool
peer_send(struct peer *p, const struct wire_shape *shape, uint16_t flags, uint32_t request,
	  const void *message, const int *fds)
{
	static struct wire
		w; /* one datagram at a time is in the making, and 64 KB are much for a stack */
	if (p->ended)
		return false;
	if (wire_encode(&w, shape, flags, request, message) != 0) {
		/* our fault, but nobody else is to suffer for it */
		peer_end(p, "a message to it could not be spelled");
		return false;
	}
	return peer_send_datagram(p, &w, fds, shape->fds);
}

bool
peer_send_datagram(struct peer *p, const struct wire *w, const int *fds, size_t fd_count)
{
	if (p->ended)
		return false;
	if (p->first == NULL) {
		enum channel_outcome o =
			channel_send(p->watch.fd, span_from(w->at, w->len), fds, fd_count);
		if (o == CHANNEL_OK)
			return true;
		if (o != CHANNEL_AGAIN) {
			peer_end(p,
				 o == CHANNEL_BROKEN ? "a message to it could not be sent" : NULL);
			return false;
		}
	}
	if (keep_for_later(p, w, fds, fd_count))
		return true;
	peer_end(p, "does not read what it is sent");
	return false;
}

static void
send_waiting(struct peer *p)
{
	while (p->first != NULL && !p->ended) {
		struct peer_out *o = p->first;
		enum channel_outcome sent =
			channel_send(p->watch.fd, span_from(o->at, o->len), o->fds, o->fd_count);
		if (sent == CHANNEL_AGAIN)
			return;
		if (sent != CHANNEL_OK) {
			peer_end(p, NULL);
			return;
		}
		drop_first_out(p);
	}
	if (p->ended)
		return;
	watch_for(p);
	if (p->kind->drained != NULL)
		p->kind->drained(p);
}

/* ---- receiving ---- */

static const char *
handle(struct peer *p, struct span bytes)
{
	union {
		char bytes[PEER_MESSAGE_MAX];
		uint64_t align;
	} message;
	struct wire_header h;
	if (wire_peek(bytes, &h) != 0)
		return "sent what is no message";
	const struct wire_shape *shape = wire_find(p->kind->calls, h.type);
	if (shape == NULL || shape->size > sizeof(message))
		return "sent a message of another protocol";
	if (wire_decode(bytes, shape, message.bytes) != 0)
		return "sent a malformed message";
	for (const struct peer_rule *r = p->kind->rules; r->handle != NULL; r++)
		if (r->type == h.type && (r->stages & p->stage) != 0)
			/* what is returned is a sentence of the program */
			/* cppcheck-suppress returnDanglingLifetime */
			return r->handle(p, &h, message.bytes);
	return "sent a message out of turn";
}

/* all messages of a datagram, which are few: nobody has a longer turn than others */
static const char *
handle_all(struct peer *p, struct span datagram)
{
	const char *wrong = NULL;
	for (int i = 0; datagram.len > 0 && wrong == NULL && !p->ended; i++) {
		struct span message;
		if (i == PEER_TOGETHER_MAX)
			return "sent too many messages at once";
		if (wire_cut(&datagram, &message) != 0)
			return "sent what is no message";
		wrong = handle(p, message);
	}
	return wrong;
}

static void
receive(struct peer *p)
{
	static char datagram[CHANNEL_MAX];
	size_t len;
	p->its_turn = false;
	for (int i = 0; i < PEER_TURN_MAX && !p->its_turn && !p->ended; i++) {
		if (clock_monotonic_ms() - loop_now_ms(p->q->loop) > PEER_TURN_MS)
			return; /* the kernel will say again that there is something */
		switch (channel_receive(p->watch.fd, datagram, &len, NULL)) {
		case CHANNEL_OK: {
			const char *wrong = handle_all(p, span_from(datagram, len));
			if (wrong != NULL)
				peer_end(p, wrong);
			break;
		}
		case CHANNEL_AGAIN:
			return;
		case CHANNEL_CLOSED:
			p->has_left = true;
			peer_end(p, NULL);
			return;
		case CHANNEL_BROKEN:
			peer_end(p, "sent a descriptor, or more than a message");
			return;
		}
	}
}

static void
peer_ready(struct loop_watch *w, uint32_t events)
{
	struct peer *p = w->owner;
	p->in_use = true;
	if ((events & EPOLLOUT) != 0)
		send_waiting(p);
	if ((events & ~(uint32_t)EPOLLOUT) != 0 && !p->ended)
		receive(p);
	p->in_use = false;
	peer_release(p);
}

/* ---- the begin ---- */

struct peer *
peer_open(struct manager *q, int fd, const struct peer_kind *kind, const struct channel_peer *who)
{
	struct peer *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		close(fd);
		return NULL;
	}
	*p = (struct peer){.watch = {.fd = fd, .ready = peer_ready, .owner = p},
			   .q = q,
			   .kind = kind,
			   .who = *who,
			   .stage = kind->first_stage,
			   .next = q->peers};
	if (q->peers != NULL)
		q->peers->previous = p;
	q->peers = p;
	loop_watch(q->loop, &p->watch, EPOLLIN);
	const char *wrong = kind->opened != NULL ? kind->opened(p) : NULL;
	if (wrong == NULL)
		return p;
	peer_end(p, wrong);
	return NULL;
}

static void
listen_again(struct loop_timer *t)
{
	struct peer_listener *l = t->owner;
	loop_watch(l->q->loop, &l->watch, EPOLLIN);
}

static void
listener_ready(struct loop_watch *w, uint32_t events)
{
	struct peer_listener *l = w->owner;
	(void)events;
	for (int i = 0; i < PEER_ACCEPT_MAX; i++) {
		struct channel_peer who;
		int fd = channel_accept(w->fd, &who);
		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			/* no descriptors or no memory: they wait in the backlog, which would wake us all the time */
			loop_unwatch(l->q->loop, w);
			loop_timer_set(l->q->loop, &l->again,
				       manager_now_ms(l->q) + ACCEPT_AGAIN_MS);
			return;
		}
		if (start_may_connect(l->socket, who.uid)) {
			(void)peer_open(l->q, fd, l->kind, &who);
			continue;
		}
		EVENT("peer-ended", event_string("program", l->kind->name),
		      event_number("pid", who.pid), event_number("uid", who.uid),
		      event_string("reason", "may not connect"));
		close(fd);
	}
}

void
peer_listen(struct manager *q, struct peer_listener *l, const struct start_listen *socket,
	    const struct peer_kind *kind)
{
	*l = (struct peer_listener){
		.watch = {.fd = socket->fd, .ready = listener_ready, .owner = l},
		.again = {.fire = listen_again, .owner = l},
		.q = q,
		.kind = kind,
		.socket = socket};
	int flags = fcntl(socket->fd, F_GETFL);
	if (flags < 0 || fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK) != 0)
		fatal(EXIT_OS, errno, "make the socket %s non-blocking", socket->name);
	loop_watch(q->loop, &l->watch, EPOLLIN);
}

void
peer_listen_end(struct peer_listener *l)
{
	if (l->q == NULL)
		return;
	loop_unwatch(l->q->loop, &l->watch);
	loop_timer_clear(l->q->loop, &l->again);
}
