/*
 * feeder - see smtpd/feeder.h
 */
#include "smtpd/feeder.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"

/* how its process ends */
enum { FEEDER_DONE = 0, FEEDER_AGAIN = 1 };

_Noreturn static void
become_feeder(struct feeder *f, pid_t parent)
{
	/* what is in hand is ended when the listener is gone */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0 || getppid() != parent)
		_exit(FEEDER_AGAIN);
	if (events_waiting())
		events_start(f->drop.program, f->drop.log);
	f->leave(f->owner);
	confine_child();
	bool is_left = drop_feed(&f->drop);
	events_end();
	_exit(is_left ? FEEDER_AGAIN : FEEDER_DONE);
}

static void
look_again(struct feeder *f)
{
	if (!f->is_closing)
		loop_timer_set(f->loop, &f->again, loop_now_ms(f->loop) + DROP_AGAIN_MS);
}

static void
begin(struct feeder *f)
{
	pid_t parent = getpid();
	events_flush();
	f->drop.last_us = (uint64_t)clock_wall_us();
	pid_t pid = fork();
	if (pid == 0)
		become_feeder(f, parent);
	if (pid < 0) {
		EVENT("paused", event_string("reason", "fork"),
		      event_string("errno", strerror(errno)));
		look_again(f);
		return;
	}
	f->pid = pid;
}

static void
fire(struct loop_timer *t)
{
	begin(t->owner);
}

void
feeder_begin(struct feeder *f)
{
	f->again = (struct loop_timer){.fire = fire, .owner = f};
	if (f->drop.directory >= 0)
		begin(f);
}

bool
feeder_ended(struct feeder *f, pid_t pid, int status)
{
	if (f->pid == 0 || pid != f->pid)
		return false;
	f->pid = 0;
	/* by a signal: what it had in hand is still there */
	if (!WIFEXITED(status) || WEXITSTATUS(status) != FEEDER_DONE)
		look_again(f);
	return true;
}

void
feeder_close(struct feeder *f, bool is_stopping)
{
	f->is_closing = true;
	loop_timer_clear(f->loop, &f->again);
	if (is_stopping && f->pid != 0 && kill(f->pid, SIGTERM) != 0 && errno != ESRCH)
		EVENT("kill-failed", event_number("pid", f->pid),
		      event_string("errno", strerror(errno)));
}
