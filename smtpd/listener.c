/*
 * listener - accepts, counts and limits clients, forks a session for each
 *
 * Called by main.c.  The one part of smtpd that juggles; it reads nothing a client sends and writes at most a greeting and one 421.  A connection gets a
 * process when its client has not too many of them, and, with many sessions, when it speaks (lobby.h); the kernel copies what the listener is, and the session closes what is not its own.
 *
 *     SIGTERM  accept nothing, tell the sessions (each says 421 at its next command), end with the last or after STOP_MS
 *     SIGUSR1  accept nothing, end with the last session (a newer generation has the sockets)
 *     its death, whatever the cause, is SIGTERM to its sessions: nobody else knows them
 *     SIGCHLD  a session has ended; by a signal: a security event, since it met something we did not foresee.  Who sent it may try again,
 *              and would find the same addresses and canaries in the next fork: so master starts another listener, this one accepts
 *              nothing any more, and ends with LISTENER_SESSION_DIED and the last of its sessions
 *
 * Whoever makes way leaves the table of clients to the next listener, in a memfd by way of master ("T" on the socket `master`); so limits hold
 * across a reload.
 */
#include "smtpd/listener.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "smtpd/clients.h"
#include "smtpd/feeder.h"
#include "smtpd/lobby.h"
#include "smtpd/session.h"
#include "smtpd/shortage.h"
#include "smtpd/starttls.h"
#include "smtpd/tls.h"

#define ACCEPT_BATCH 64 /* connections of one socket in one turn */
#define PAUSE_MS 200	/* when the kernel has no descriptor, process or memory for another one */
#define LOBBY_FROM 100	/* sessions; with so many a new client gets its own when it speaks */
#define STOP_MS 5000	/* sessions that were told to stop have this long */
#define SWEEP_MS 5000	/* between two looks for inherited sessions that have ended */
#define TABLE_MAX(sessions) ((size_t)(sessions)*CLIENTS_LINE_MAX + sizeof(CLIENTS_HEAD))
#define STOPPING "421 4.3.2 this host is stopping, try again later\r\n"
#define TOO_LONG "421 4.4.2 waited too long for you\r\n"
#define STOP_AGAIN_MS 500 /* one that was told just before it began to wait is told again */

struct door {
	struct loop_watch watch;
	struct listener *listener;
	const struct config_listen *listen;
	bool is_local; /* `submission`: the client is a user of this host */
};

struct listener {
	const struct config *config;
	const char *program;				   /* smtpd or submit */
	const char *intake, *lookup, *auth, *verify, *log; /* paths, as seen after confinement */
	struct config_listen local; /* what `submission` is, in the words of `listen` */
	struct loop_watch master;
	struct loop *loop;
	pid_t pid; /* its own */
	struct clients *clients;
	struct lobby *lobby; /* NULL: everybody gets a session at once */
	char greeting[SESSION_HELO_MAX + 64];
	struct feeder feeder;
	struct loop_timer pause;
	struct loop_timer stop;
	struct loop_timer sweep;
	struct loop_timer tickets;
	int64_t stop_at_ms;
	uint64_t last_us; /* of the youngest session's id */
	bool is_closing;
	int status; /* to exit with */
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
	uid_t uid;

	if (clients_uid(address, &uid)) {
		snprintf(text, INET6_ADDRSTRLEN, SESSION_LOCAL_CLIENT "%u", (unsigned)uid);
		return;
	}
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

/* in a process that was forked: what master hears, and the doors, are the listener's */
static void
leave(void *owner)
{
	struct listener *l = owner;

	loop_leave(l->loop);
	close(l->master.fd);
	for (size_t i = 0; i < l->door_count; i++)
		close(l->doors[i].watch.fd);
}

_Noreturn static void
become_session(struct listener *l, const struct session_start *start)
{
	/* told to stop when the listener ends; nothing was said yet, if it has done so already */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0 || getppid() != l->pid)
		_exit(EXIT_OS);
	/* lines that `log` had no room for are the listener's to send */
	if (events_waiting())
		events_start(l->program, l->log);
	leave(l);
	if (l->feeder.drop.directory >= 0)
		close(l->feeder.drop.directory);
	lobby_leave(l->lobby);
	confine_child();
	session_serve(start);
	_exit(0);
}

/* after each change of how many there are */
static void
tell_shortage(const struct listener *l)
{
	shortage_tell(clients_own(l->clients) + clients_inherited(l->clients),
		      l->config->limits.sessions);
}

static void
give_session(struct listener *l, const struct door *d, int fd,
	     const struct sockaddr_storage *client, bool is_greeted)
{
	struct session_start start = {
		.config = l->config,
		.listen = d->listen,
		.intake = l->intake,
		.lookup = l->lookup,
		.auth = l->auth,
		.verify = l->verify,
		.fd = fd,
		.client = *client,
		.is_greeted = is_greeted,
		.is_local = d->is_local,
		.tls = tls_find(d->listen),
		.started_us = (uint64_t)clock_wall_us(),
	};

	if (d->is_local && !clients_uid(client, &start.uid)) {
		close(fd);
		return;
	}

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
	tell_shortage(l);
}

static void
end_if_done(struct listener *l)
{
	if (l->is_closing && clients_own(l->clients) == 0 && lobby_count(l->lobby) == 0 &&
	    l->feeder.pid == 0)
		loop_stop(l->loop);
}

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
	feeder_close(&l->feeder, false);
}

/* ---- the table, to the next listener and from the one before ---- */

/* a memfd with the table; -1: it cannot be had, and the next one begins with nothing */
static int
write_table(const struct listener *l)
{
	struct buffer text;
	int fd = memfd_create("clients", MFD_CLOEXEC);

	buffer_init(&text, TABLE_MAX(l->config->limits.sessions));
	clients_write(l->clients, &text);
	struct span left = buffer_get(&text);
	while (fd >= 0 && left.len > 0) {
		ssize_t n = write(fd, left.at, left.len);
		if (n <= 0)
			break;
		left = span_skip(left, (size_t)n);
	}
	if (fd >= 0 && (text.failed || left.len > 0)) {
		close(fd);
		fd = -1;
	}
	buffer_free(&text);
	return fd;
}

static void
leave_table(struct listener *l)
{
	int fd = write_table(l);

	if (channel_send(l->master.fd, SPAN("T"), &fd, fd >= 0 ? 1 : 0) != CHANNEL_OK || fd < 0)
		EVENT("table-lost", event_string("reason", "the table of clients cannot be left"));
	if (fd >= 0)
		close(fd);
}

static bool
lives(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != ESRCH;
}

static void
sweep(struct loop_timer *t)
{
	struct listener *l = t->owner;

	clients_sweep(l->clients, lives);
	if (clients_inherited(l->clients) > 0)
		loop_timer_set(l->loop, t, loop_now_ms(l->loop) + SWEEP_MS);
}

static void
take_table(struct listener *l, int fd)
{
	struct stat st;
	size_t max = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
	char *text = max <= TABLE_MAX(l->config->limits.sessions) ? malloc(max + 1) : NULL;
	size_t len = 0;
	ssize_t n = 0;

	while (text != NULL && len < max && (n = pread(fd, text + len, max - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (text == NULL || n < 0 || clients_read(l->clients, span_from(text, len)) != 0)
		EVENT("table-lost", event_string("reason", "the table of clients cannot be read"));
	free(text);
	sweep(&l->sweep);
}

/* a word of master: "T", what the listener before us has left */
static void
master_ready(struct loop_watch *w, uint32_t events)
{
	static char word[CHANNEL_MAX];
	struct listener *l = w->owner;
	struct channel_fds fds;
	size_t len;
	(void)events;

	switch (channel_receive(w->fd, word, &len, &fds)) {
	case CHANNEL_OK:
		if (word[0] == 'T' && fds.count == 1)
			take_table(l, fds.fd[0]);
		channel_close_fds(&fds);
		return;
	case CHANNEL_AGAIN:
		return;
	case CHANNEL_CLOSED:
	case CHANNEL_BROKEN:
		/* master is dead: the kernel ends us */
		loop_unwatch(l->loop, w);
		return;
	}
}

/* ---- sessions that have ended ---- */

static void
make_way(struct listener *l)
{
	if (l->is_closing)
		return;
	l->status = LISTENER_SESSION_DIED;
	close_doors(l);
	lobby_clear(l->lobby, STOPPING);
	leave_table(l);
}

/* whom it served is said here, since its own last lines may have died with it */
static void
tell_died(const struct listener *l, pid_t pid, int signal)
{
	struct sockaddr_storage client;
	char name[INET6_ADDRSTRLEN] = "";

	if (clients_find(l->clients, pid, &client))
		name_of(&client, name);
	EVENT("session-died", event_number("pid", pid), event_string("client", name),
	      event_number("signal", signal));
}

static void
session_ended(void *owner)
{
	struct listener *l = owner;
	bool has_died = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSIGNALED(status))
			tell_died(l, pid, WTERMSIG(status));
		if (!feeder_ended(&l->feeder, pid, status))
			clients_remove(l->clients, pid);
		has_died = has_died || WIFSIGNALED(status);
	}
	tell_shortage(l);
	if (has_died)
		make_way(l);
	end_if_done(l);
}

/* a session, or 421 */
static void
serve_client(struct listener *l, const struct door *d, int fd,
	     const struct sockaddr_storage *client, bool is_greeted)
{
	enum clients_answer answer = clients_ask(l->clients, client, &d->listen->limits);

	/* nobody is turned away for a session that has ended, and only was not reaped yet */
	if (answer != CLIENTS_WELCOME) {
		session_ended(l);
		clients_sweep(l->clients, lives);
		answer = clients_ask(l->clients, client, &d->listen->limits);
	}
	switch (answer) {
	case CLIENTS_WELCOME:
		give_session(l, d, fd, client, is_greeted);
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

/* ---- those who have said nothing yet ---- */

static void
guest_speaks(void *owner, const void *door, int fd, const struct sockaddr_storage *client)
{
	struct listener *l = owner;
	const struct door *d = door;

	clients_unwait(l->clients, client);
	if (fd >= 0)
		serve_client(l, d, fd, client, !d->listen->implicit_tls);
	else
		pause_all(l, "accept", EMFILE);
	end_if_done(l);
}

static void
guest_ended(void *owner, const struct sockaddr_storage *client, const char *how)
{
	struct listener *l = owner;
	char name[INET6_ADDRSTRLEN];

	clients_unwait(l->clients, client);
	name_of(client, name);
	EVENT("idle-ended", event_string("client", name), event_string("reason", how));
	end_if_done(l);
}

/* into the lobby, greeted where we speak first; false: it was not, and *is_greeted says whether it was greeted */
static bool
let_wait(struct listener *l, const struct door *d, int fd, const struct sockaddr_storage *client,
	 bool *is_greeted)
{
	bool is_implicit = d->listen->implicit_tls;
	uint64_t time_ms = d->listen->limits.command_time;
	char byte;

	*is_greeted = false;
	/* what it has said before the greeting is the session's to judge */
	if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	    clients_wait(l->clients, client) != 0)
		return false;
	if (is_implicit && time_ms > STARTTLS_HANDSHAKE_MS)
		time_ms = STARTTLS_HANDSHAKE_MS;
	/* the socket is new, and its buffer empty */
	if (!is_implicit)
		*is_greeted = send(fd, l->greeting, strlen(l->greeting),
				   MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)strlen(l->greeting);
	if ((is_implicit || *is_greeted) &&
	    lobby_take(l->lobby, fd, d, client, loop_now_ms(l->loop) + (int64_t)time_ms,
		       is_implicit ? NULL : TOO_LONG) == 0)
		return true;
	clients_unwait(l->clients, client);
	return false;
}

static void
take_client(struct listener *l, const struct door *d, int fd, const struct sockaddr_storage *client)
{
	bool is_greeted = false;

	if (!d->is_local && l->lobby != NULL && clients_own(l->clients) >= LOBBY_FROM &&
	    clients_ask(l->clients, client, &d->listen->limits) == CLIENTS_WELCOME &&
	    let_wait(l, d, fd, client, &is_greeted))
		return;
	serve_client(l, d, fd, client, is_greeted);
}

/* who the kernel says has connected, in the place of an address; false: it does not say, and the connection is closed */
static bool
ask_uid(int fd, struct sockaddr_storage *client)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 || len != sizeof(who)) {
		close(fd);
		return false;
	}
	clients_local(client, who.uid);
	return true;
}

static void
door_ready(struct loop_watch *w, uint32_t events)
{
	struct door *d = w->owner;
	struct listener *l = d->listener;
	(void)events;

	for (int i = 0; i < ACCEPT_BATCH && l->pause.slot == 0 && !l->is_closing; i++) {
		struct sockaddr_storage client = {0};
		socklen_t len = sizeof(client);
		int fd = accept4(w->fd, (struct sockaddr *)&client, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			if (!d->is_local)
				clients_plain(&client);
			else if (!ask_uid(fd, &client))
				continue;
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
	lobby_clear(l->lobby, STOPPING);
	feeder_close(&l->feeder, true);
	l->stop_at_ms = loop_now_ms(l->loop) + STOP_MS;
	stop_sessions(&l->stop);
	end_if_done(l);
}

static void
on_retire(void *owner)
{
	struct listener *l = owner;

	if (!l->is_closing) {
		close_doors(l);
		leave_table(l);
	}
	end_if_done(l);
}

static void
renew_tickets(struct loop_timer *t)
{
	struct listener *l = t->owner;

	tls_renew_tickets();
	loop_timer_set(l->loop, t, loop_now_ms(l->loop) + TLS_TICKETS_MS);
}

/* ---- start ---- */

static void
add_door(struct listener *l, int fd, const struct config_listen *listen, bool is_local)
{
	struct door *d = &l->doors[l->door_count++];

	*d = (struct door){.listener = l, .listen = listen, .is_local = is_local};
	d->watch = (struct loop_watch){.fd = fd, .ready = door_ready, .owner = d};
}

static void
set_feeder(struct listener *l, int drop)
{
	l->feeder = (struct feeder){
		.drop = {.directory = drop,
			 .program = l->program,
			 .log = l->log,
			 .session = {.config = l->config,
				     .listen = &l->local,
				     .intake = l->intake,
				     .lookup = l->lookup,
				     .is_local = true}},
		.loop = l->loop,
		.leave = leave,
		.owner = l,
	};
}

struct listener *
listener_new(const struct start *s, const struct config *config, int drop)
{
	struct listener *l =
		calloc(1, sizeof(*l) + (config->listen_count + 1) * sizeof(l->doors[0]));

	if (l == NULL)
		fatal(EXIT_OS, errno, "memory of the listener");
	l->config = config;
	l->intake = start_path(s, "intake");
	l->lookup = start_path(s, "lookup");
	l->auth = start_path(s, "auth");
	l->verify = start_path(s, "verify");
	l->log = start_path(s, "log");
	l->clients = clients_new(config->limits.sessions, LOBBY_MAX);
	shortage_start();
	if (l->clients == NULL)
		fatal(EXIT_OS, errno, "memory of the clients");
	l->loop = loop_new();
	l->pid = getpid();
	l->pause.fire = resume_all;
	l->pause.owner = l;
	l->stop.fire = stop_sessions;
	l->stop.owner = l;
	l->sweep.fire = sweep;
	l->sweep.owner = l;
	l->tickets.fire = renew_tickets;
	l->tickets.owner = l;
	l->program = s->program;
	l->master = (struct loop_watch){
		.fd = start_listen(s, "master")->fd, .ready = master_ready, .owner = l};
	snprintf(l->greeting, sizeof(l->greeting), "220 " SESSION_GREETING "\r\n",
		 config->hostname);
	set_feeder(l, drop);
	if (strcmp(s->program, "submit") == 0) {
		l->local.limits = config->limits;
		add_door(l, start_listen(s, "submission")->fd, &l->local, true);
		return l;
	}
	l->lobby = lobby_new(&(struct lobby_owner){
		.loop = l->loop, .speaks = guest_speaks, .ended = guest_ended, .owner = l});
	for (size_t i = 0; i < config->listen_count; i++) {
		char name[START_NAME_MAX];
		snprintf(name, sizeof(name), "tcp.%zu", i);
		/* master has told of those that this machine cannot have */
		const struct start_listen *door = start_listen_find(s, name);
		if (door != NULL)
			add_door(l, door->fd, &config->listens[i], false);
	}
	return l;
}

int
listener_serve(struct listener *l)
{
	loop_signal(l->loop, SIGCHLD, session_ended, l);
	loop_signal(l->loop, SIGTERM, on_stop, l);
	loop_signal(l->loop, SIGUSR1, on_retire, l);
	for (size_t i = 0; i < l->door_count; i++)
		loop_watch(l->loop, &l->doors[i].watch, EPOLLIN);
	loop_watch(l->loop, &l->master, EPOLLIN);
	if (tls_has_tickets())
		loop_timer_set(l->loop, &l->tickets, loop_now_ms(l->loop) + TLS_TICKETS_MS);
	/* what the start has freed: else each session would join the small pieces, all over a heap that it must copy for it */
	malloc_trim(0);
	session_prepare();
	feeder_begin(&l->feeder);
	loop_run(l->loop);
	events_end();
	return l->status;
}
