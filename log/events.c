/*
 * events - see log/events.h; unix(7), SO_PASSCRED
 */
#include "log/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "log/line.h"

struct peer {
	struct events *events;
	struct loop_watch watch;
	struct channel_peer who;
	struct origin from; /* its pid: of the datagram at hand */
	bool said_hello;
	struct peer *next, *previous;
};

struct events {
	struct loop *loop;
	struct output *output;
	const struct start_listen *listen;
	struct loop_watch listener;
	struct loop_timer again;
	struct peer *peers;
	size_t peer_count;
	struct line line;
	struct buffer room; /* of the line's values */
	char datagram[CHANNEL_MAX];
};

enum taken { TAKEN_ALL, TAKEN_NOTHING, TAKEN_CLOSED };

/* ---- one datagram ---- */

/* what the kernel says of its sender; descriptors have no room in the control buffer and are closed by the kernel */
static enum channel_outcome
receive(struct peer *p, size_t *len)
{
	union {
		char room[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec part = {.iov_base = p->events->datagram, .iov_len = CHANNEL_MAX};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	struct ucred who = {.pid = p->who.pid};
	bool strange = false;
	ssize_t n;
	do
		n = recvmsg(p->watch.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CHANNEL_AGAIN : CHANNEL_CLOSED;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
		} else if (c->cmsg_type == SCM_RIGHTS) {
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int fd;
				memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
				close(fd);
			}
			strange = true;
		}
	}
	if (n == 0)
		return CHANNEL_CLOSED;
	if (strange || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		return CHANNEL_BROKEN;
	p->from.pid = who.pid > 0 ? who.pid : p->who.pid;
	*len = (size_t)n;
	return CHANNEL_OK;
}

/* hello program=NAME, the first line of a connection */
static bool
take_hello(struct peer *p, const struct line *l)
{
	const struct line_field *program = line_find(l, "program");
	if (p->said_hello || l->field_count != 1 || program == NULL ||
	    !line_name_is_valid(program->value))
		return false;
	p->said_hello = true;
	return span_copy(program->value, p->from.program, sizeof(p->from.program)) == 0;
}

/* NULL, or what is wrong with the datagram */
static const char *
take_lines(struct peer *p, struct span text)
{
	struct events *e = p->events;
	if (!span_ends(text, SPAN("\n")))
		return "a datagram does not end with a line";
	while (text.len > 0) {
		enum line_outcome o = line_parse(span_cut(&text, '\n'), &e->line, &e->room);
		if (o != LINE_OK)
			return line_outcome_text(o);
		if (!span_equal(e->line.name, SPAN("hello")))
			output_event(e->output, &p->from, &e->line);
		else if (!take_hello(p, &e->line))
			return "a hello out of turn, or without a name";
	}
	return NULL;
}

/* ---- peers ---- */

static void
peer_free(struct peer *p)
{
	struct events *e = p->events;
	loop_unwatch(e->loop, &p->watch);
	close(p->watch.fd);
	if (p->previous != NULL)
		p->previous->next = p->next;
	else
		e->peers = p->next;
	if (p->next != NULL)
		p->next->previous = p->previous;
	e->peer_count--;
	free(p);
	if (e->listener.events == 0 && e->again.slot == 0)
		loop_watch(e->loop, &e->listener, EPOLLIN);
}

static void
end_peer(struct peer *p, const char *reason)
{
	EVENT("peer-ended", event_string("program", p->from.program),
	      event_number("pid", p->from.pid), event_number("uid", p->who.uid),
	      event_string("reason", reason));
	peer_free(p);
}

/* takes up to `max` datagrams; false when the peer is gone (and freed) */
static bool
take(struct peer *p, size_t max)
{
	for (size_t i = 0; i < max; i++) {
		size_t len = 0;
		const char *wrong = NULL;
		switch (receive(p, &len)) {
		case CHANNEL_OK:
			wrong = take_lines(p, span_from(p->events->datagram, len));
			break;
		case CHANNEL_AGAIN:
			return true;
		case CHANNEL_CLOSED:
			peer_free(p);
			return false;
		case CHANNEL_BROKEN:
			wrong = "descriptors, or a datagram that is too long";
			break;
		}
		if (wrong != NULL) {
			end_peer(p, wrong);
			return false;
		}
	}
	return true;
}

static void
peer_ready(struct loop_watch *w, uint32_t events)
{
	(void)events;
	take(w->owner, EVENTS_AT_ONCE);
}

static struct peer *
peer_add(struct events *e, int fd, const struct channel_peer *who, const char *program)
{
	int on = 1;
	struct peer *p = calloc(1, sizeof(*p));
	if (p == NULL || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		free(p);
		close(fd);
		return NULL;
	}
	p->events = e;
	p->who = *who;
	p->from.pid = who->pid;
	p->said_hello = strcmp(program, "log") == 0;
	memcpy(p->from.program, program, strlen(program) + 1);
	p->watch = (struct loop_watch){.fd = fd, .ready = peer_ready, .owner = p};
	p->next = e->peers;
	if (p->next != NULL)
		p->next->previous = p;
	e->peers = p;
	e->peer_count++;
	loop_watch(e->loop, &p->watch, EPOLLIN);
	return p;
}

/* ---- connections ---- */

static void
again_fire(struct loop_timer *t)
{
	struct events *e = t->owner;
	if (e->peer_count < EVENTS_PEERS_MAX)
		loop_watch(e->loop, &e->listener, EPOLLIN);
}

/* true when there may be more */
static bool
accept_one(struct events *e)
{
	struct channel_peer who;
	int fd = channel_accept(e->listener.fd, &who);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			loop_unwatch(e->loop, &e->listener);
			loop_timer_set(e->loop, &e->again, loop_now_ms(e->loop) + EVENTS_AGAIN_MS);
		}
		return errno == EINTR || errno == ECONNABORTED;
	}
	if (!start_may_connect(e->listen, who.uid)) {
		EVENT("peer-ended", event_string("program", "unknown"),
		      event_number("pid", who.pid), event_number("uid", who.uid),
		      event_string("reason", "this user may not connect"));
		close(fd);
		return true;
	}
	return peer_add(e, fd, &who, "unknown") != NULL;
}

static void
listener_ready(struct loop_watch *w, uint32_t events)
{
	struct events *e = w->owner;
	(void)events;
	for (int i = 0; i < EVENTS_AT_ONCE && e->peer_count < EVENTS_PEERS_MAX; i++)
		if (!accept_one(e))
			break;
	if (e->peer_count >= EVENTS_PEERS_MAX)
		loop_unwatch(e->loop, &e->listener);
}

struct events *
events_serve(struct loop *l, const struct start_listen *listen, struct output *o, int own)
{
	struct events *e = calloc(1, sizeof(*e));
	if (e == NULL)
		fatal(EXIT_OS, ENOMEM, "peers");
	struct channel_peer self = {.uid = getuid(), .pid = getpid()};
	e->loop = l;
	e->output = o;
	e->listen = listen;
	e->listener = (struct loop_watch){.fd = listen->fd, .ready = listener_ready, .owner = e};
	e->again = (struct loop_timer){.fire = again_fire, .owner = e};
	buffer_init(&e->room, LINE_MAX_BYTES);
	if (peer_add(e, own, &self, "log") == NULL)
		fatal(EXIT_OS, errno, "the connection to itself");
	loop_watch(l, &e->listener, EPOLLIN);
	return e;
}

void
events_drain(struct events *e)
{
	while (e->peer_count < EVENTS_PEERS_MAX && accept_one(e))
		continue;
	for (struct peer *p = e->peers, *next; p != NULL; p = next) {
		next = p->next;
		take(p, EVENTS_AT_END);
	}
}

void
events_free(struct events *e)
{
	for (struct peer *p = e->peers, *next; p != NULL; p = next) {
		next = p->next;
		peer_free(p);
	}
	loop_unwatch(e->loop, &e->listener);
	loop_timer_clear(e->loop, &e->again);
	buffer_free(&e->room);
	free(e);
}
