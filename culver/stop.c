/*
 * stop - finds the master by the file it holds locked, signals it by a pidfd, waits for what follows
 *
 * Called by main.c.  Promises: no other process is ever signalled (the lock is asked for again once the pidfd is open); 0 only
 * when it has happened.
 */
#include "culver/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/protocol/state.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "culver/run.h"

/* the pidfd of the living master; -1 after a sentence, *status is the exit status then */
static int
open_master(const char *runtime, pid_t *pid, int *status)
{
	*pid = state_master(runtime);
	if (*pid == 0) {
		fprintf(stderr, "culver: not running (no master holds %s/" STATE_PID_FILE ")\n",
			runtime);
		*status = EXIT_UNAVAILABLE;
		return -1;
	}
	int fd = *pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, *pid, 0);
	/* between the two it may have ended, and its number be another's */
	if (fd >= 0 && state_master(runtime) != *pid) {
		close(fd);
		errno = ESRCH;
		fd = -1;
	}
	if (fd < 0) {
		fprintf(stderr, "culver: %s/" STATE_PID_FILE ": %s\n", runtime, strerror(errno));
		*status = 1;
	}
	return fd;
}

static int
send_signal(int pidfd, pid_t pid, int signal)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return 0;
	fprintf(stderr, "culver: master %lld: %s\n", (long long)pid, strerror(errno));
	return -1;
}

/*
 * was_killed - is there what an ordered stop would have removed, of a system that is ours to put in order?
 *
 * Of a master that is killed while we look nothing is known; whoever stops it again finds out.
 */
static bool
was_killed(const char *runtime)
{
	char path[START_PATH_MAX + START_NAME_MAX];
	struct stat st;
	snprintf(path, sizeof(path), "%s/" STATE_PID_FILE, runtime);
	return state_master(runtime) == 0 && lstat(path, &st) == 0 && st.st_uid == geteuid();
}

int
verb_stop(const struct culver_options *o, int argc, char **argv)
{
	int status;
	pid_t pid;
	(void)argv;
	if (argc > 1)
		return options_usage(o, "no argument is expected here");
	const char *runtime = options_runtime(o);
	if (runtime == NULL)
		return 1;
	if (was_killed(runtime)) {
		fprintf(stderr, "culver: its master was killed; from now on sendmail may leave "
				"mail for the next start\n");
		return run_after_kill(o);
	}
	if (o->after_kill)
		return 0;
	int fd = open_master(runtime, &pid, &status);
	if (fd < 0)
		return status;
	status = 1;
	if (send_signal(fd, pid, SIGTERM) == 0) {
		int64_t deadline = clock_monotonic_ms() + STOP_WAIT_MS;
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int n = -1;
		for (int64_t left = STOP_WAIT_MS; left > 0;
		     left = deadline - clock_monotonic_ms()) {
			n = poll(&wait, 1, (int)left);
			if (n >= 0 || errno != EINTR)
				break;
		}
		if (n == 1) {
			printf("culver has stopped\n");
			status = 0;
		} else {
			fprintf(stderr, "culver: master %lld has not ended after %d seconds\n",
				(long long)pid, STOP_WAIT_MS / 1000);
			status = EXIT_TRY_LATER;
		}
	}
	close(fd);
	return status;
}

/* ---- reload ---- */

/*
 * wait_state - reads RUNTIME/state until `is_enough` of it
 *
 * Woken by each replacement of the file; 0, or -1 when the time is over or master has ended.
 */
static int
wait_state(int notify, int pidfd, const char *runtime, struct state *s, uint64_t than,
	   bool (*is_enough)(const struct state *s, uint64_t than), int64_t wait_ms)
{
	int64_t deadline = clock_monotonic_ms() + wait_ms;
	char events[4096] __attribute__((aligned(8)));
	struct pollfd wait[2] = {{.fd = notify, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	for (;;) {
		if (state_read(runtime, s) == 0 && is_enough(s, than))
			return 0;
		int64_t left = deadline - clock_monotonic_ms();
		if (left <= 0 || wait[1].revents != 0)
			return -1;
		if (poll(wait, 2, (int)left) < 0 && errno != EINTR)
			return -1;
		if (wait[0].revents != 0 && read(notify, events, sizeof(events)) < 0 &&
		    errno != EINTR)
			return -1;
	}
}

static bool
has_decided(const struct state *s, uint64_t than)
{
	return s->reloads > than;
}

static bool
serves(const struct state *s, uint64_t than)
{
	(void)than;
	return s->ready;
}

static int
say_outcome(int notify, int pidfd, const char *runtime, struct state *s)
{
	if (s->reload_refused) {
		fprintf(stderr,
			"culver: the new configuration was refused, the old one goes on: %s\n",
			s->reload_reason);
		return 1;
	}
	if (wait_state(notify, pidfd, runtime, s, 0, serves, RELOAD_READY_MS) != 0) {
		fprintf(stderr, "culver: the configuration was taken, but not every program "
				"serves: culver status\n");
		return EXIT_TRY_LATER;
	}
	printf("the configuration was taken (generation %llu)\n",
	       (unsigned long long)s->generation);
	return 0;
}

int
verb_reload(const struct culver_options *o, int argc, char **argv)
{
	int status = 1;
	pid_t pid;
	(void)argv;
	if (argc > 1)
		return options_usage(o, "no argument is expected here");
	struct config *c = options_config(o);
	if (c == NULL)
		return 1;
	const char *runtime = options_runtime(o);
	config_free(c);
	if (runtime == NULL)
		return 1;
	struct state *s = calloc(1, sizeof(*s));
	int notify = inotify_init1(IN_CLOEXEC);
	int fd = open_master(runtime, &pid, &status);
	if (fd < 0)
		goto out;
	if (s == NULL || notify < 0 || inotify_add_watch(notify, runtime, IN_MOVED_TO) < 0 ||
	    state_read(runtime, s) != 0) {
		fprintf(stderr, "culver: %s: %s\n", runtime, strerror(errno));
		goto out;
	}
	/* master reads the file it was started with, and we have checked another */
	if (o->config_given && access(s->config, R_OK) == 0) {
		char *given = realpath(o->config, NULL), *its = realpath(s->config, NULL);
		bool same = given != NULL && its != NULL && strcmp(given, its) == 0;
		free(given);
		free(its);
		if (!same) {
			fprintf(stderr, "culver: the running master reads %s, not %s\n", s->config,
				o->config);
			goto out;
		}
	}
	uint64_t before = s->reloads;
	if (send_signal(fd, pid, SIGHUP) != 0)
		goto out;
	if (wait_state(notify, fd, runtime, s, before, has_decided, RELOAD_WAIT_MS) != 0)
		fprintf(stderr, "culver: master has not answered after %d seconds, or has ended\n",
			RELOAD_WAIT_MS / 1000);
	else
		status = say_outcome(notify, fd, runtime, s);
out:
	if (fd >= 0)
		close(fd);
	if (notify >= 0)
		close(notify);
	free(s);
	return status;
}
