/*
 * run - see run.h
 */
#include "local/runner/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/runner.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "local/runner/environment.h"

/* where the channel and the files of the group are moved; all above is closed */
#define CHANNEL_FD 3
#define GROUP_PROCS_FD 4
#define GROUP_KILL_FD 5
#define ARENA_MAX (1u << 20)
#define STATUS_NOT_FOUND 127 /* as the shell says it */
#define SEND_MS 60000
#define DRAIN_MAX 65536 /* bytes looked at when a command has ended */

/* a command that runs */
struct command {
	pid_t pid; /* also of its session */
	int pidfd;
	int output;
	char said[RUNNER_OUTPUT_MAX];
	size_t said_len;
};

/* ---- the command's side ---- */

static void
limit(int resource, uint64_t value)
{
	struct rlimit now, to = {value, value};

	/* an ordinary user cannot raise what he was given */
	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max < value)
		to.rlim_cur = to.rlim_max = now.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &to) < 0)
		_exit(EXIT_OS);
}

static void
set_limits(const struct config_limits *l)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, RUN_DESCRIPTORS);
	limit(RLIMIT_NPROC, l->pipe_processes);
	limit(RLIMIT_CPU, l->pipe_time / 1000 + 1);
#ifndef CULVER_SANITIZE
	limit(RLIMIT_AS, l->pipe_memory);
#endif
}

static void
default_signals(void)
{
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		(void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
be_command(const struct run *r, const struct environment *e, pid_t parent, int input, int output)
{
	/* a kernel before 5.16 goes by who writes, and not by who opened: then the limits of each process are all */
	if (r->group.procs >= 0 && write(r->group.procs, "0", 1) < 0 && errno != EACCES)
		_exit(EXIT_OS);
	if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent ||
	    dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
	    syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
		_exit(EXIT_OS);
	default_signals();
	umask(077);
	if (chdir(r->home) < 0 && chdir("/") < 0)
		_exit(EXIT_OS);
	set_limits(&r->config->limits);
	execve(e->arguments[0], e->arguments, e->variables);
	dprintf(2, "%s: %s\n", e->arguments[0], strerror(errno));
	_exit(STATUS_NOT_FOUND);
}

/* ---- our side ---- */

/* start - -1 and errno */
static int
start(const struct run *r, const struct environment *e, int input, struct command *c)
{
	pid_t parent = getpid();
	int output[2], error;

	*c = (struct command){.pidfd = -1};
	if (pipe2(output, O_CLOEXEC) < 0)
		return -1;
	c->output = output[0];
	c->pid = fork();
	error = errno;
	if (c->pid == 0)
		be_command(r, e, parent, input, output[1]);
	close(output[1]);
	if (c->pid > 0) {
		c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
		error = errno;
	}
	if (c->pidfd >= 0 && fcntl(c->output, F_SETFL, O_NONBLOCK) == 0)
		return 0;
	close(c->output);
	errno = error;
	return -1;
}

/* listen_to - what it says; the beginning is kept, the rest goes by; false: there is nothing more now */
static bool
listen_to(struct command *c)
{
	char piece[4096];
	ssize_t n = read(c->output, piece, sizeof(piece));
	size_t room = sizeof(c->said) - c->said_len;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if ((size_t)n < room)
		room = (size_t)n;
	memcpy(c->said + c->said_len, piece, room);
	c->said_len += room;
	return true;
}

/* wait_for - until it has ended, its time is over, or nobody waits for it; *late says whether we gave up */
static void
wait_for(const struct run *r, struct command *c, bool *late)
{
	int64_t deadline_ms = clock_monotonic_ms() + (int64_t)r->config->limits.pipe_time;
	struct pollfd p[] = {{c->pidfd, POLLIN, 0}, {c->output, POLLIN, 0}, {r->channel, 0, 0}};

	for (*late = false; !*late;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int n = poll(p, 3, left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);

		if (n < 0 && errno != EINTR)
			*late = true;
		if (n > 0 && p[0].revents != 0)
			return;
		if (n > 0 && p[1].revents != 0 && !listen_to(c))
			p[1].fd = -1; /* it has closed what it could speak through, and goes on */
		if ((n > 0 && p[2].revents != 0) || left <= 0)
			*late = true;
	}
}

/* kill_listed - the children whose pids stand in `list` */
static void
kill_listed(const char *list)
{
	char *end;

	for (const char *at = list; *at != '\0'; at = end) {
		long pid = strtol(at, &end, 10);

		/* the last number of a full list may be cut: a whole one has a blank behind it */
		if (end == at || *end != ' ')
			return;
		(void)kill((pid_t)pid, SIGKILL);
		end++;
	}
}

/*
 * kill_children - all that the command has left: since we are the reaper of what loses its parent, whatever it forked becomes ours
 *
 * What forks as fast as it is killed meets its limit of processes.
 */
static void
kill_children(void)
{
	int64_t deadline_ms = clock_monotonic_ms() + RUN_KILL_MS;
	const struct timespec look = {.tv_nsec = 100000000};
	char path[64], list[4096];
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD); /* blocked since serve.c */
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	while (clock_monotonic_ms() < deadline_ms) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, list, sizeof(list) - 1) : -1;
		pid_t gone;

		if (fd >= 0)
			close(fd);
		list[n > 0 ? n : 0] = '\0';
		kill_listed(list);
		while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (gone < 0)
			return; /* no child is left */
		(void)sigtimedwait(&child, NULL, &look);
	}
}

/* kill_all - all of its group at once; where it has none, its session */
static void
kill_all(const struct run *r, const struct command *c)
{
	if (r->group.kill >= 0)
		(void)!write(r->group.kill, "1", 1);
	(void)kill(-c->pid, SIGKILL);
}

static void
finish(const struct run *r, struct command *c, bool late, struct runner_result *result)
{
	int status = 0;

	if (late)
		kill_all(r, c);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	kill_all(r, c); /* what it has left */
	kill_children();
	for (size_t seen = 0; seen < DRAIN_MAX && listen_to(c); seen += sizeof(c->said))
		;
	result->how = late ? RUNNER_LATE : WIFSIGNALED(status) ? RUNNER_KILLED : RUNNER_EXITED;
	result->value = (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	result->output = span_from(c->said, c->said_len);
	close(c->output);
	close(c->pidfd);
}

/* ---- the channel ---- */

static enum channel_outcome
answer(const struct run *r, uint32_t request, const struct runner_result *result)
{
	return wire_send_wait(r->channel, wire_find(runner_answers, RUNNER_RESULT), 0, request,
			      result, NULL, clock_monotonic_ms() + SEND_MS);
}

/* run_one - false: nobody is there any more, or it is no question */
static bool
run_one(struct run *r, struct arena *arena)
{
	static char in[CHANNEL_MAX];
	struct runner_result result = {.how = RUNNER_CANNOT, .output = SPAN_NONE};
	struct channel_fds fds = {.count = 0};
	struct runner_run ask;
	struct wire_header h;
	struct environment e;
	struct command c;
	size_t len = 0;
	bool late;

	if (channel_receive_wait(r->channel, in, &len, &fds, INT64_MAX) != CHANNEL_OK)
		return false;
	if (wire_peek(span_from(in, len), &h) < 0 || h.type != RUNNER_RUN || fds.count != 1 ||
	    wire_decode(span_from(in, len), wire_find(runner_calls, RUNNER_RUN), &ask) < 0 ||
	    (ask.command.len > 0) != (r->delivery == NULL)) {
		channel_close_fds(&fds);
		return false;
	}
	arena_reset(arena);
	errno = ENOMEM;
	if (environment_make(r, &ask, arena, &e) < 0 || start(r, &e, fds.fd[0], &c) < 0) {
		result.value = (uint64_t)errno;
		channel_close_fds(&fds);
	} else {
		channel_close_fds(&fds);
		wait_for(r, &c, &late);
		finish(r, &c, late, &result);
	}
	return answer(r, h.request, &result) == CHANNEL_OK;
}

/* place - one of our files at its fixed number, closed when a command is executed */
static int
place(int *fd, int at)
{
	if (*fd != at && (*fd < 0 || dup2(*fd, at) < 0))
		return -1;
	*fd = at;
	return fcntl(at, F_SETFD, FD_CLOEXEC);
}

static int
keep_files(struct run *r)
{
	unsigned first = CHANNEL_FD + 1;

	/* out of the way of one another */
	if (r->group.procs >= 0) {
		r->group.procs = fcntl(r->group.procs, F_DUPFD_CLOEXEC, GROUP_KILL_FD + 1);
		r->group.kill = fcntl(r->group.kill, F_DUPFD_CLOEXEC, GROUP_KILL_FD + 1);
		if (r->group.procs < 0 || r->group.kill < 0)
			return -1;
	}
	if (place(&r->channel, CHANNEL_FD) < 0)
		return -1;
	if (r->group.procs >= 0) {
		if (place(&r->group.procs, GROUP_PROCS_FD) < 0 ||
		    place(&r->group.kill, GROUP_KILL_FD) < 0)
			return -1;
		first = GROUP_KILL_FD + 1;
	}
	return (int)syscall(SYS_close_range, first, ~0U, 0U);
}

int
run_serve(struct run *r)
{
	struct arena arena;

	/* the user's process keeps nothing of ours but this one connection, and the two files that put a command into its group */
	if (keep_files(r) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return EXIT_OS;
	arena_init(&arena, ARENA_MAX);
	while (run_one(r, &arena))
		;
	arena_free(&arena);
	return 0;
}
