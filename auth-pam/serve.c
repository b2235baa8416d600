/*
 * serve - see serve.h
 */
#include "auth-pam/serve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth-pam/question.h"
#include "common/system/channel.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"

struct serve {
	const struct start_listen *listen;
	const char *service;
	struct loop *loop;
	struct loop_watch door;
	bool is_open, is_ending;
	size_t questions;
	pid_t pid; /* of this process, not of its children */
};

static void
set_door(struct serve *s)
{
	bool is_open = !s->is_ending && s->questions < SERVE_QUESTIONS_MAX;

	if (is_open && !s->is_open)
		loop_watch(s->loop, &s->door, EPOLLIN);
	if (!is_open && s->is_open)
		loop_unwatch(s->loop, &s->door);
	s->is_open = is_open;
	if (s->is_ending && s->questions == 0)
		loop_stop(s->loop);
}

static _Noreturn void
be_child(const struct serve *s, int fd)
{
	/* a question without an asker is none */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(EXIT_OS);
	if (getppid() != s->pid)
		_exit(EXIT_UNAVAILABLE);
	_exit(question_answer(fd, s->service));
}

static void
door_ready(struct loop_watch *w, uint32_t events)
{
	struct serve *s = w->owner;
	struct channel_peer who;
	int fd = channel_accept(w->fd, &who);

	(void)events;
	if (fd < 0)
		return;
	if (!start_may_connect(s->listen, who.uid)) {
		EVENT("client-refused", event_number("pid", who.pid), event_number("uid", who.uid));
		close(fd);
		return;
	}
	events_flush(); /* or the child would tell them again */
	pid_t pid = fork();
	if (pid == 0)
		be_child(s, fd);
	if (pid < 0)
		EVENT("no-process", event_string("errno", strerror(errno)));
	close(fd);
	s->questions += pid > 0;
	set_door(s);
}

static void
on_child(void *owner)
{
	struct serve *s = owner;
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0) {
		s->questions--;
		if (WIFSIGNALED(status))
			EVENT("question-died", event_number("signal", WTERMSIG(status)));
	}
	set_door(s);
}

static void
on_retire(void *owner)
{
	struct serve *s = owner;

	s->is_ending = true;
	set_door(s);
}

/* questions end with us (PR_SET_PDEATHSIG): auth, which asked them, is stopped with us */
static void
on_stop(void *owner)
{
	struct serve *s = owner;

	loop_stop(s->loop);
}

void
serve(const struct start_listen *listen, const char *service)
{
	struct serve s = {
		.listen = listen, .service = service, .loop = loop_new(), .pid = getpid()};

	s.door = (struct loop_watch){.fd = listen->fd, .ready = door_ready, .owner = &s};
	loop_signal(s.loop, SIGCHLD, on_child, &s);
	loop_signal(s.loop, SIGTERM, on_stop, &s);
	loop_signal(s.loop, SIGUSR1, on_retire, &s);
	set_door(&s);
	loop_run(s.loop);
	loop_free(s.loop);
}
