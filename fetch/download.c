/*
 * download - see the header; called by policies.c
 */
#include "fetch/download.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/confine.h"
#include "common/system/descriptors.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

/* of a child, or of the one that is being heard; as its struct lies in memory */
static _Alignas(max_align_t) char result[DOWNLOAD_RESULT_MAX];

/* ---- the child ---- */

struct task {
	const struct download_means *means;
	const struct download_work *work;
	int draft;
};

static void
run(const void *what, int back)
{
	const struct task *task = what;
	const struct download_work *work = task->work;
	int kept[] = {back, task->draft};

	confine_child();
	descriptors_keep(kept, sizeof(kept) / sizeof(kept[0]));
	memset(result, 0, sizeof(result));
	work->run(work->what, task->means, task->draft, result);
	/* whoever started us has gone: nobody is to be told */
	_exit(send(back, result, work->result_size, MSG_NOSIGNAL) == (ssize_t)work->result_size
		      ? 0
		      : EXIT_OS);
}

/* ---- the parent ---- */

static void
heard(struct errand *e)
{
	struct download *d = e->owner;
	size_t size = d->work->result_size;
	ssize_t n = recv(e->result.fd, result, sizeof(result), MSG_DONTWAIT);
	int status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* what it has told is not believed of one that goes on: it has the draft open */
	status = errand_end(e);
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
late(struct errand *e)
{
	struct download *d = e->owner;

	EVENT("download-slow", event_number("ms", DOWNLOAD_MS));
	(void)errand_end(e);
	d->done(d, NULL);
}

int
download_start(struct download *d, struct loop *loop, const struct download_means *means,
	       const struct download_work *work, int draft)
{
	const struct task task = {means, work, draft};

	d->work = work;
	d->errand.owner = d;
	d->errand.heard = heard;
	d->errand.late = late;
	return errand_start(&d->errand, loop, DOWNLOAD_MS, run, &task);
}

void
download_abandon(struct download *d)
{
	(void)errand_end(&d->errand);
}
