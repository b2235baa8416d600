/*
 * listener - accepts, counts and limits clients, forks a session for each
 *
 * Called by main.c.  The one part of smtpd that juggles; it reads nothing a client sends and writes at most one 421.  A connection gets a
 * process when its client has not too many of them; the kernel copies what the listener is, and the session closes what is not its own.
 *
 *     SIGTERM  accept nothing, tell the sessions (each says 421 at its next command), end with the last or after STOP_MS
 *     SIGUSR1  accept nothing, end with the last session (a newer generation has the sockets)
 *     its death, whatever the cause, is SIGTERM to its sessions: nobody else knows them
 *     SIGCHLD  a session has ended; by a signal: a security event, since it met something we did not foresee
 */
#include "smtpd/listener.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "smtpd/clients.h"
#include "smtpd/session.h"

#define ACCEPT_BATCH 64	  /* connections of one socket in one turn */
#define PAUSE_MS 200	  /* when the kernel has no descriptor, process or memory for another one */
#define STOP_MS 5000	  /* sessions that were told to stop have this long */
#define STOP_AGAIN_MS 500 /* one that was told just before it began to wait is told again */

struct door {
	struct loop_watch watch;
	struct listener *listener;
	const struct config_listen *listen;
};

struct listener {
	const struct config *config;
	const char *intake, *lookup, *log; /* paths, as seen after confinement */
	struct loop *loop;
	pid_t pid; /* its own */
	struct clients *clients;
	struct loop_timer pause;
	struct loop_timer stop;
	int64_t stop_at_ms;
	uint64_t last_us; /* of the youngest session's id */
	bool is_closing;
	size_t door_count;
	struct door doors[];
};

/* ---- turning away ---- */

static void
turn_away(int fd, const char *text)
{
	/* the socket is new, and its buffer empty; a client that is gone already misses nothing */
	ssize_t n = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n;
	close(fd);
}

static void
name_of(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
	const void *at = &((const struct sockaddr_in *)address)->sin_addr;

	if (address->ss_family == AF_INET6)
		at = &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (inet_ntop(address->ss_family, at, text, INET6_ADDRSTRLEN) == NULL)
		text[0] = '\0';
}

static void
tell_limited(struct listener *l, const struct sockaddr_storage *client, const char *reason)
{
	char name[INET6_ADDRSTRLEN];
	uint64_t unsaid;

	if (!clients_may_tell(l->clients, client, loop_now_ms(l->loop), &unsaid))
		return;
	name_of(client, name);
	EVENT("client-limited", event_string("client", name), event_string("reason", reason),
	      event_number("count", (int64_t)unsaid + 1));
}

/* no process, descriptor or memory: waiting connections stay in the kernel's backlog for a moment */
static void
pause_all(struct listener *l, const char *what, int error)
{
	EVENT("paused", event_string("reason", what), event_string("errno", strerror(error)));
	for (size_t i = 0; i < l->door_count; i++)
		loop_unwatch(l->loop, &l->doors[i].watch);
	loop_timer_set(l->loop, &l->pause, loop_now_ms(l->loop) + PAUSE_MS);
}

static void
resume_all(struct loop_timer *t)
{
	struct listener *l = t->owner;

	for (size_t i = 0; i < l->door_count && !l->is_closing; i++)
		loop_watch(l->loop, &l->doors[i].watch, EPOLLIN);
}

/* ---- sessions ---- */

_Noreturn static void
become_session(struct listener *l, const struct session_start *start)
{
	/* told to stop when the listener ends; nothing was said yet, if it has done so already */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0 || getppid() != l->pid)
		_exit(EXIT_OS);
	/* lines that `log` had no room for are the listener's to send */
	if (events_waiting())
		events_start("smtpd", l->log);
	loop_free(l->loop);
	for (size_t i = 0; i < l->door_count; i++)
		close(l->doors[i].watch.fd);
	confine_child();
	session_serve(start);
	_exit(0);
}

static void
give_session(struct listener *l, const struct door *d, int fd,
	     const struct sockaddr_storage *client)
{
	struct session_start start = {
		.config = l->config,
		.listen = d->listen,
		.intake = l->intake,
		.lookup = l->lookup,
		.fd = fd,
		.client = *client,
		.started_us = (uint64_t)clock_wall_us(),
	};

	if (start.started_us <= l->last_us)
		start.started_us = l->last_us + 1;
	l->last_us = start.started_us;
	events_flush();
	pid_t pid = fork();
	if (pid == 0)
		become_session(l, &start);
	if (pid < 0) {
		int error = errno;
		turn_away(fd, "421 4.3.2 no process for you now, try again later\r\n");
		pause_all(l, "fork", error);
		return;
	}
	close(fd);
	if (clients_add(l->clients, pid, client) == -1)
		/* it is served, but not counted: better than a client turned away in the middle */
		pause_all(l, "memory", ENOMEM);
}

static void
end_if_done(struct listener *l)
{
	if (l->is_closing && clients_count(l->clients) == 0)
		loop_stop(l->loop);
}

static void
session_ended(void *owner)
{
	struct listener *l = owner;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		clients_remove(l->clients, pid);
		if (WIFSIGNALED(status))
			EVENT("session-died", event_number("pid", pid),
			      event_number("signal", WTERMSIG(status)));
	}
	end_if_done(l);
}

static void
take_client(struct listener *l, const struct door *d, int fd, const struct sockaddr_storage *client)
{
	enum clients_answer answer = clients_ask(l->clients, client, &d->listen->limits);

	/* nobody is turned away for a session that has ended, and only was not reaped yet */
	if (answer != CLIENTS_WELCOME) {
		session_ended(l);
		answer = clients_ask(l->clients, client, &d->listen->limits);
	}
	switch (answer) {
	case CLIENTS_WELCOME:
		give_session(l, d, fd, client);
		return;
	case CLIENTS_TOO_MANY:
		turn_away(fd, "421 4.3.2 too many sessions, try again later\r\n");
		tell_limited(l, client, "sessions");
		return;
	case CLIENTS_TOO_MANY_OF:
		turn_away(fd, "421 4.7.0 too many sessions of yours, try again later\r\n");
		tell_limited(l, client, "sessions-per-client");
		return;
	}
}

static void
door_ready(struct loop_watch *w, uint32_t events)
{
	struct door *d = w->owner;
	struct listener *l = d->listener;
	(void)events;

	for (int i = 0; i < ACCEPT_BATCH && l->pause.slot == 0; i++) {
		struct sockaddr_storage client = {0};
		socklen_t len = sizeof(client);
		int fd = accept4(w->fd, (struct sockaddr *)&client, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			clients_plain(&client);
			take_client(l, d, fd, &client);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_all(l, "accept", errno);
		}
		/* else: that connection ended before it was taken (accept(2)) */
	}
}

/* ---- stopping ---- */

static void
close_doors(struct listener *l)
{
	loop_timer_clear(l->loop, &l->pause);
	for (size_t i = 0; i < l->door_count && !l->is_closing; i++) {
		loop_unwatch(l->loop, &l->doors[i].watch);
		close(l->doors[i].watch.fd);
		l->doors[i].watch.fd = -1;
	}
	l->is_closing = true;
}

static void
tell_session(pid_t pid)
{
	/* fails for one that has just ended: it is reaped in the next turn */
	if (kill(pid, SIGTERM) != 0 && errno != ESRCH)
		EVENT("kill-failed", event_number("pid", pid),
		      event_string("errno", strerror(errno)));
}

static void
stop_sessions(struct loop_timer *t)
{
	struct listener *l = t->owner;

	if (loop_now_ms(l->loop) >= l->stop_at_ms) {
		loop_stop(l->loop);
		return;
	}
	clients_each_pid(l->clients, tell_session);
	loop_timer_set(l->loop, t, loop_now_ms(l->loop) + STOP_AGAIN_MS);
}

static void
on_stop(void *owner)
{
	struct listener *l = owner;

	close_doors(l);
	l->stop_at_ms = loop_now_ms(l->loop) + STOP_MS;
	stop_sessions(&l->stop);
	end_if_done(l);
}

static void
on_retire(void *owner)
{
	struct listener *l = owner;

	close_doors(l);
	end_if_done(l);
}

/* ---- start ---- */

struct listener *
listener_new(const struct start *s, const struct config *config)
{
	struct listener *l = calloc(1, sizeof(*l) + config->listen_count * sizeof(l->doors[0]));

	if (l == NULL)
		fatal(EXIT_OS, errno, "memory of the listener");
	l->config = config;
	l->intake = start_path(s, "intake");
	l->lookup = start_path(s, "lookup");
	l->log = start_path(s, "log");
	l->clients = clients_new(config->limits.sessions);
	if (l->clients == NULL)
		fatal(EXIT_OS, errno, "memory of the clients");
	l->loop = loop_new();
	l->pid = getpid();
	l->pause.fire = resume_all;
	l->pause.owner = l;
	l->stop.fire = stop_sessions;
	l->stop.owner = l;
	for (size_t i = 0; i < config->listen_count; i++) {
		char name[START_NAME_MAX];
		struct door *d = &l->doors[l->door_count++];
		snprintf(name, sizeof(name), "tcp.%zu", i);
		d->listener = l;
		d->listen = &config->listens[i];
		d->watch = (struct loop_watch){
			.fd = start_listen(s, name)->fd, .ready = door_ready, .owner = d};
	}
	return l;
}

void
listener_serve(struct listener *l)
{
	loop_signal(l->loop, SIGCHLD, session_ended, l);
	loop_signal(l->loop, SIGTERM, on_stop, l);
	loop_signal(l->loop, SIGUSR1, on_retire, l);
	for (size_t i = 0; i < l->door_count; i++)
		loop_watch(l->loop, &l->doors[i].watch, EPOLLIN);
	loop_run(l->loop);
	events_end();
}
