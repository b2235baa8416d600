/*
 * download - see the header; called by policies.c
 */
#include "fetch/download.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

#define FIRST 3u /* below are /dev/null and stderr */

/* of a child, or of the one that is being heard; as its struct lies in memory */
static _Alignas(max_align_t) char result[DOWNLOAD_RESULT_MAX];

/* ---- the child ---- */

/* every descriptor from FIRST on but two: the others are connections of other clients; without a draft `b` is a second `a` */
static void
close_all_but(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if ((low > FIRST && close_range(FIRST, low - 1, 0) != 0) ||
	    (high > low + 1 && close_range(low + 1, high - 1, 0) != 0) ||
	    close_range(high + 1, ~0u, 0) != 0)
		_exit(EXIT_OS);
}

_Noreturn static void
run(int back, int draft, const struct download_means *means, const struct download_work *work)
{
	confine_child();
	close_all_but(back, draft >= 0 ? draft : back);
	memset(result, 0, sizeof(result));
	work->run(work->what, means, draft, result);
	/* whoever started us has gone: nobody is to be told */
	_exit(send(back, result, work->result_size, MSG_NOSIGNAL) == (ssize_t)work->result_size
		      ? 0
		      : EXIT_OS);
}

/* ---- the parent ---- */

/* the child is gone, or about to go; its status, -1: there is none */
static int
reap(struct download *d)
{
	int status = -1;

	/* what it has told is not believed of one that goes on: it has the draft open */
	kill(d->pid, SIGKILL);
	while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	loop_timer_clear(d->loop, &d->given_up);
	loop_unwatch(d->loop, &d->result);
	close(d->result.fd);
	d->pid = 0;
	return status;
}

static void
result_ready(struct loop_watch *w, uint32_t events)
{
	struct download *d = w->owner;
	size_t size = d->work->result_size;
	ssize_t n = recv(w->fd, result, sizeof(result), MSG_DONTWAIT);
	int status;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	status = reap(d);
	bool is_whole = n == (ssize_t)size && d->work->is_sound(result);
	if (!is_whole)
		EVENT("download-died",
		      event_number("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
		      event_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
	d->done(d, is_whole ? result : NULL);
	/* it may have been a secret, and the next one may be shorter */
	explicit_bzero(result, sizeof(result));
}

static void
give_up(struct loop_timer *t)
{
	struct download *d = t->owner;

	EVENT("download-slow", event_number("ms", DOWNLOAD_MS));
	(void)reap(d);
	d->done(d, NULL);
}

int
download_start(struct download *d, struct loop *loop, const struct download_means *means,
	       const struct download_work *work, int draft)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	events_flush();
	pid_t pid = fork();
	if (pid == 0)
		run(pair[1], draft, means, work);
	int error = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		errno = error;
		return -1;
	}
	d->loop = loop;
	d->work = work;
	d->pid = pid;
	d->result = (struct loop_watch){.fd = pair[0], .ready = result_ready, .owner = d};
	d->given_up = (struct loop_timer){.fire = give_up, .owner = d};
	loop_watch(loop, &d->result, EPOLLIN);
	loop_timer_set(loop, &d->given_up, loop_now_ms(loop) + DOWNLOAD_MS);
	return 0;
}

void
download_abandon(struct download *d)
{
	if (d->pid != 0)
		(void)reap(d);
}
