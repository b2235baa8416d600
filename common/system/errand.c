/*
 * errand - see errand.h
 */
#include "common/system/errand.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"

static void
result_ready(struct loop_watch *w, uint32_t events)
{
	struct errand *e = w->owner;

	(void)events;
	e->heard(e);
}

static void
give_up(struct loop_timer *t)
{
	struct errand *e = t->owner;

	e->late(e);
}

int
errand_start(struct errand *e, struct loop *loop, int64_t time_ms,
	     void (*work)(const void *what, int back), const void *what)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	events_flush(); /* what waits is told once */
	pid_t pid = fork();
	if (pid == 0) {
		work(what, pair[1]);
		_exit(EXIT_SOFTWARE); /* it was not to come back */
	}
	int error = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		errno = error;
		return -1;
	}
	e->loop = loop;
	e->pid = pid;
	e->result = (struct loop_watch){.fd = pair[0], .ready = result_ready, .owner = e};
	e->given_up = (struct loop_timer){.fire = give_up, .owner = e};
	loop_watch(loop, &e->result, EPOLLIN);
	loop_timer_set(loop, &e->given_up, loop_now_ms(loop) + time_ms);
	return 0;
}

int
errand_end(struct errand *e)
{
	int status = -1;

	if (e->pid == 0)
		return 0;
	/* one that has told its result and goes on is not waited for; of one that has ended the status stays */
	kill(e->pid, SIGKILL);
	while (waitpid(e->pid, &status, 0) < 0 && errno == EINTR)
		;
	loop_timer_clear(e->loop, &e->given_up);
	loop_unwatch(e->loop, &e->result);
	close(e->result.fd);
	e->pid = 0;
	return status;
}
