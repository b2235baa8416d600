/*
 * hang - see hang.h; setitimer(2): what ends by a signal ends in the kernel's killable waits, too
 */
#include "local/hang.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "common/system/events.h"
#include "local/pipe.h"

static void
set_timer(uint64_t ms)
{
	const struct itimerval timer = {.it_value = {.tv_sec = (time_t)(ms / 1000),
						     .tv_usec = (suseconds_t)(ms % 1000 * 1000)}};

	if (setitimer(ITIMER_REAL, &timer, NULL) < 0)
		EVENT("agent-trouble", event_string("reason", strerror(errno)));
}

void
hang_begin(const struct config *c, enum jobs_kind kind)
{
	uint64_t ms = c->limits.mailbox_time + HANG_GRACE_MS;

	/* a command has its own time, and runner some for its answer */
	if (kind != JOBS_MAILBOX)
		ms += c->limits.pipe_time + PIPE_GRACE_MS;
	set_timer(ms);
}

void
hang_end(void)
{
	set_timer(0);
}
