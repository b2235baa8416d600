/*
 * serve - see serve.h
 */
#include "local/runner/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/config/mailbox.h"
#include "common/protocol/runner.h"
#include "common/system/channel.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "common/system/passwd.h"
#include "local/become.h"
#include "local/runner/groups.h"
#include "local/runner/run.h"

/* one connection */
struct bound {
	struct serve *serve;
	struct bound *next, **link;
	struct loop_watch watch;
	char user[PASSWD_NAME_MAX + 1]; /* empty: not bound yet */
	enum runner_what what;
	const struct config_delivery *delivery; /* of RUNNER_DOMAIN */
	char virtual[PASSWD_NAME_MAX + 1];	/* a virtual user, for whom it is */
	char home[MAILBOX_HOME_MAX + 1];	/* and his home */
};

struct serve {
	const struct start *start;
	const struct config *config;
	const struct start_listen *listen;
	struct loop *loop;
	struct loop_watch door;
	struct bound *first;
	size_t bound, children;
	struct groups groups;
	struct loop_timer sweep; /* groups that could not be removed yet */
	bool ending;
	pid_t pid; /* of this process, not of its children */
	char in[CHANNEL_MAX];
};

static void
end_when_empty(struct serve *s)
{
	if (s->ending && s->bound == 0 && s->children == 0)
		loop_stop(s->loop);
}

static void
let_go(struct bound *b, const char *reason)
{
	struct serve *s = b->serve;

	if (reason != NULL)
		EVENT("runner-refused", event_string("reason", reason));
	loop_unwatch(s->loop, &b->watch);
	close(b->watch.fd);
	*b->link = b->next;
	if (b->next != NULL)
		b->next->link = b->link;
	free(b);
	s->bound--;
	end_when_empty(s);
}

/* ---- the child ---- */

/* become - whom the connection is for; what NSS does not know, or root, is nobody here */
static void
become(const struct bound *b, struct passwd_user *user)
{
	if (passwd_find(span_of(b->user), user) != PASSWD_FOUND)
		fatal(EXIT_TRY_LATER, 0, "there is no user %s now", b->user);
	if (b->serve->start->as_root)
		become_user(user);
	else if (user->uid != getuid())
		fatal(EXIT_SOFTWARE, 0, "%s is not who runs this", b->user);
}

static _Noreturn void
be_child(struct bound *b, struct groups_files group)
{
	struct passwd_user user;
	struct run r = {.channel = b->watch.fd,
			.config = b->serve->config,
			.user = &user,
			.group = group,
			.delivery = b->what == RUNNER_DOMAIN ? b->delivery : NULL,
			.virtual = b->virtual,
			.home = b->home[0] != '\0' ? b->home : user.home};

	become(b, &user);
	/* becoming the user has switched it off */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fatal(EXIT_OS, errno, "end with the parent");
	if (getppid() != b->serve->pid)
		_exit(EXIT_UNAVAILABLE);
	events_flush();
	_exit(run_serve(&r));
}

/* ---- the parent ---- */

static void
start_child(struct bound *b)
{
	struct serve *s = b->serve;
	struct groups_files group = groups_make(&s->groups);
	pid_t pid;

	events_flush(); /* or the child would tell them again */
	pid = fork();
	if (pid == 0)
		be_child(b, group);
	groups_forked(&s->groups, pid);
	if (group.procs >= 0) {
		close(group.procs);
		close(group.kill);
	}
	if (pid > 0) {
		s->children++;
		EVENT("runner-started", event_number("pid", pid), event_string("user", b->user));
	}
	let_go(b, pid < 0 ? "the system has no room for another process" : NULL);
}

/* take_bind - a sentence: it is none that may be */
static const char *
take_bind(struct bound *b, struct span datagram)
{
	const struct config_domain *domain;
	struct runner_bind bind;
	struct wire_header h;

	if (wire_peek(datagram, &h) < 0 || h.type != RUNNER_BIND ||
	    wire_decode(datagram, wire_find(runner_calls, RUNNER_BIND), &bind) < 0 ||
	    span_copy(bind.user, b->user, sizeof(b->user)) < 0 ||
	    span_copy(bind.virtual, b->virtual, sizeof(b->virtual)) < 0 ||
	    span_copy(bind.home, b->home, sizeof(b->home)) < 0)
		return "malformed message";
	b->what = (enum runner_what)bind.what;
	if (b->what == RUNNER_LINE)
		return NULL;
	domain = config_domain_find(b->serve->config, bind.domain);
	b->delivery = domain != NULL ? config_delivery_find(domain, bind.delivery) : NULL;
	return b->delivery != NULL && b->delivery->ending == CONFIG_PIPE
		       ? NULL
		       : "the configuration has no command for that domain";
}

static void
bound_ready(struct loop_watch *w, uint32_t events)
{
	struct bound *b = w->owner;
	struct serve *s = b->serve;
	const char *wrong = NULL;
	size_t len;
	char byte;

	(void)events;
	if (b->user[0] != '\0') {
		/* the child reads it, not we */
		if (recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
			start_child(b);
		else
			let_go(b, NULL);
		return;
	}
	switch (channel_receive(w->fd, s->in, &len, NULL)) {
	case CHANNEL_AGAIN:
		return;
	case CHANNEL_OK:
		wrong = take_bind(b, span_from(s->in, len));
		if (wrong != NULL)
			let_go(b, wrong);
		return;
	case CHANNEL_CLOSED:
		let_go(b, NULL);
		return;
	case CHANNEL_BROKEN:
		let_go(b, "malformed message");
		return;
	}
}

static void
door_ready(struct loop_watch *w, uint32_t events)
{
	struct serve *s = w->owner;
	struct channel_peer who;
	int fd = channel_accept(w->fd, &who);
	struct bound *b;

	(void)events;
	if (fd < 0)
		return;
	b = start_may_connect(s->listen, who.uid) && s->bound < SERVE_BOUND_MAX
		    ? calloc(1, sizeof(*b))
		    : NULL;
	if (b == NULL) {
		EVENT("runner-refused", event_number("uid", who.uid),
		      event_string("reason", "it may not connect, or there are too many"));
		close(fd);
		return;
	}
	b->serve = s;
	b->watch = (struct loop_watch){.fd = fd, .ready = bound_ready, .owner = b};
	b->next = s->first;
	b->link = &s->first;
	if (b->next != NULL)
		b->next->link = &b->next;
	s->first = b;
	s->bound++;
	loop_watch(s->loop, &b->watch, EPOLLIN);
}

/* ---- signals ---- */

/* what was killed takes a moment to die */
static void
sweep(struct loop_timer *t)
{
	struct serve *s = t->owner;

	if (!groups_sweep(&s->groups))
		loop_timer_set(s->loop, t, loop_now_ms(s->loop) + SERVE_SWEEP_MS);
}

static void
on_child(void *owner)
{
	struct serve *s = owner;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		s->children--;
		groups_ended(&s->groups, pid);
		if (WIFSIGNALED(status))
			EVENT("runner-ended", event_number("pid", pid),
			      event_number("signal", WTERMSIG(status)));
		else
			EVENT("runner-ended", event_number("pid", pid),
			      event_number("status", WEXITSTATUS(status)));
	}
	sweep(&s->sweep);
	end_when_empty(s);
}

static void
on_retire(void *owner)
{
	struct serve *s = owner;

	s->ending = true;
	loop_unwatch(s->loop, &s->door);
	end_when_empty(s);
}

/* what runs still ends with us (PR_SET_PDEATHSIG): local, which asked for it, is stopped before */
static void
on_stop(void *owner)
{
	struct serve *s = owner;

	loop_stop(s->loop);
}

void
serve(const struct start *start, const struct config *c)
{
	static struct serve s; /* one a process; large */

	s.start = start;
	s.pid = getpid();
	s.config = c;
	s.listen = start_listen(start, "runner");
	s.loop = loop_new();
	s.door = (struct loop_watch){.fd = s.listen->fd, .ready = door_ready, .owner = &s};
	loop_signal(s.loop, SIGCHLD, on_child, &s);
	loop_signal(s.loop, SIGTERM, on_stop, &s);
	loop_signal(s.loop, SIGUSR1, on_retire, &s);
	s.sweep = (struct loop_timer){.fire = sweep, .owner = &s};
	groups_open(&s.groups, c);
	sweep(&s.sweep);
	loop_watch(s.loop, &s.door, EPOLLIN);
	loop_run(s.loop);
	groups_close(&s.groups);
}
