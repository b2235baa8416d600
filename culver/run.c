/*
 * run - finds master and becomes it, or starts it and waits until it is ready
 *
 * Called by main.c, sandbox.c and tls.c.  Promises: what is wrong with the configuration is said before anything is started, every mistake of
 * it; `start` returns 0 only when every program serves, and else says why not.
 */
#include "culver/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/state.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "culver/installed.h"

#define ARGUMENTS_MAX 16

struct command {
	struct installed installed;
	char config[PATH_MAX + START_PATH_MAX];
	char ready_fd[16];
	char *argv[ARGUMENTS_MAX];
	size_t argc;
	char runtime[START_PATH_MAX];
};

static void
add(struct command *c, const char *argument)
{
	c->argv[c->argc++] = (char *)(uintptr_t)argument;
	c->argv[c->argc] = NULL;
}

/* master leaves this directory: a path must not depend on it */
static int
absolute(const char *path, char *to, size_t size)
{
	char here[PATH_MAX];
	int len;
	if (path[0] == '/') {
		len = snprintf(to, size, "%s", path);
	} else {
		if (getcwd(here, sizeof(here)) == NULL) {
			fprintf(stderr, "culver: the present directory: %s\n", strerror(errno));
			return -1;
		}
		len = snprintf(to, size, "%s/%s", here, path);
	}
	if (len < START_PATH_MAX && len < (int)size)
		return 0;
	fprintf(stderr, "culver: %s: too long a path\n", path);
	return -1;
}

/* 0, or the exit status after a sentence */
static int
prepare(const struct culver_options *o, int argc, struct command *c)
{
	*c = (struct command){.argc = 0};
	if (argc > 1)
		return options_usage(o, "no argument is expected here");
	if (installed_find(&c->installed) != 0 ||
	    absolute(o->config, c->config, sizeof(c->config)) != 0)
		return EXIT_CONFIGURATION;
	struct config *config = options_config(o);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	snprintf(c->runtime, sizeof(c->runtime), "%s", config->runtime);
	config_free(config);
	add(c, "master");
	add(c, "--config");
	add(c, c->config);
	add(c, "--programs");
	add(c, c->installed.programs);
	if (c->installed.build_tree)
		add(c, "--build-tree");
	if (o->strict)
		add(c, "--strict");
	return 0;
}

static int
become_master(struct command *c)
{
	execv(c->installed.master, c->argv);
	fprintf(stderr, "culver: %s: %s\n", c->installed.master, strerror(errno));
	return EXIT_OS;
}

int
verb_run(const struct culver_options *o, int argc, char **argv)
{
	static struct command c;
	(void)argv;
	int status = prepare(o, argc, &c);
	if (status != 0)
		return status;
	add(&c, "--stderr");
	return become_master(&c);
}

int
run_probe(const struct culver_options *o)
{
	static struct command c;
	int status = prepare(o, 1, &c);
	if (status != 0)
		return status;
	add(&c, "--stderr");
	add(&c, "--probe");
	return become_master(&c);
}

int
run_after_kill(const struct culver_options *o)
{
	static struct command c;
	int status = prepare(o, 1, &c);
	if (status != 0)
		return status;
	add(&c, "--stderr");
	add(&c, "--after-kill");
	return become_master(&c);
}

int
run_explain(const struct culver_options *o, const char *domain)
{
	static struct command c;
	int status = prepare(o, 1, &c);
	if (status != 0)
		return status;
	add(&c, "--explain");
	add(&c, domain);
	if (o->tries)
		add(&c, "--try");
	return become_master(&c);
}

/* ---- start ---- */

/* which programs do not serve yet; on stderr */
static void
say_who_is_missing(const struct command *c)
{
	struct state *s = calloc(1, sizeof(*s));
	if (s == NULL || state_read(c->runtime, s) != 0) {
		fprintf(stderr, "culver: master has not got so far as to start the programs\n");
		free(s);
		return;
	}
	for (size_t i = 0; i < s->program_count; i++) {
		if (s->programs[i].condition != STATE_SERVING)
			fprintf(stderr, "culver: %s is %s\n", s->programs[i].name,
				state_condition_name(s->programs[i].condition));
	}
	free(s);
}

/* what the programs say on stderr is passed on, as long as we are here */
static bool
pass_on(int from)
{
	char text[4096];
	ssize_t n = read(from, text, sizeof(text));
	if (n <= 0)
		return n < 0 && errno == EINTR;
	fwrite(text, 1, (size_t)n, stderr);
	return true;
}

/* 0: ready; 1: master has given up; -1: the time is over */
static int
wait_ready(int ready, int errors)
{
	int64_t deadline = clock_monotonic_ms() + RUN_READY_MS;
	char word[16];
	struct pollfd wait[2] = {{.fd = ready, .events = POLLIN}, {.fd = errors, .events = POLLIN}};
	for (;;) {
		int64_t left = deadline - clock_monotonic_ms();
		if (left <= 0)
			return -1;
		if (poll(wait, 2, (int)left) < 0 && errno != EINTR)
			return -1;
		if (wait[1].revents != 0 && !pass_on(errors))
			wait[1].fd = -1;
		if (wait[0].revents != 0) {
			ssize_t n = read(ready, word, sizeof(word));
			return n > 0 ? 0 : 1;
		}
	}
}

static _Noreturn void
start_child(struct command *c, int ready, int errors)
{
	int null = open("/dev/null", O_RDWR);
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || fcntl(ready, F_SETFD, 0) != 0 ||
	    dup2(errors, 2) < 0) {
		fprintf(stderr, "culver: descriptors: %s\n", strerror(errno));
		_exit(EXIT_OS);
	}
	_exit(become_master(c));
}

/* master closed `ready` without a word: it ends, and its status is ours */
static int
failed(pid_t pid, int errors)
{
	int status;
	while (pass_on(errors)) {
	}
	if (waitpid(pid, &status, 0) != pid)
		return EXIT_OS;
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	return EXIT_OS;
}

int
verb_start(const struct culver_options *o, int argc, char **argv)
{
	static struct command c;
	int ready[2], errors[2];
	(void)argv;
	int status = prepare(o, argc, &c);
	if (status != 0)
		return status;
	pid_t running = state_master(c.runtime);
	if (running > 0) {
		fprintf(stderr, "culver: runs already (master %lld)\n", (long long)running);
		return 1;
	}
	if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
		fprintf(stderr, "culver: pipe: %s\n", strerror(errno));
		return EXIT_OS;
	}
	snprintf(c.ready_fd, sizeof(c.ready_fd), "%d", ready[1]);
	add(&c, "--ready-fd");
	add(&c, c.ready_fd);
	pid_t pid = fork();
	if (pid < 0) {
		fprintf(stderr, "culver: fork: %s\n", strerror(errno));
		return EXIT_OS;
	}
	if (pid == 0)
		start_child(&c, ready[1], errors[1]);
	close(ready[1]);
	close(errors[1]);
	switch (wait_ready(ready[0], errors[0])) {
	case 0:
		printf("culver runs (master %lld)\n", (long long)pid);
		return 0;
	case 1:
		fprintf(stderr, "culver: did not start\n");
		return failed(pid, errors[0]);
	default:
		fprintf(stderr,
			"culver: started (master %lld), but after %d seconds not every program "
			"serves\n",
			(long long)pid, RUN_READY_MS / 1000);
		say_who_is_missing(&c);
		return EXIT_TRY_LATER;
	}
}
