/*
 * harness - a master in a test: its own directory, true processes that stand in for the programs
 *
 * Included by the tests of this folder that start programs.  PROGRAMS/NAME is a link to the test itself: main() calls stand_in() when it finds itself
 * called by the name of a program.  A stand-in does what DIRECTORY/NAME.does says and writes what it hears to DIRECTORY/said.
 */
#ifndef TESTS_UNIT_MASTER_HARNESS_H
#define TESTS_UNIT_MASTER_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/state.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "master/master.h"
#include "master/places.h"

#define UNTIL_MS 20000 /* a test that has waited so long has failed */
#define LOOK_MS 2      /* between two looks at what a test waits for */

struct harness {
	struct master m;
	char directory[64];
	char config_path[96], programs_path[96];
};

static struct harness h;

/* ---- what the programs do ---- */

static void
say(const char *directory, const char *program, const char *what)
{
	char path[200], line[100];
	int len = snprintf(line, sizeof(line), "%s %s\n", program, what);
	snprintf(path, sizeof(path), "%s/said", directory);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		_exit(99);
	close(fd);
}

/* the directory stands in the configuration: runtime DIRECTORY/run */
static void
stand_in_directory(char *to, size_t size)
{
	char text[8192];
	ssize_t len = pread(START_CONFIG_FD, text, sizeof(text) - 1, 0);
	if (len < 0)
		_exit(98);
	text[len] = '\0';
	const char *at = strstr(text, "\nruntime ");
	const char *end = at == NULL ? NULL : strstr(at, "/run\n");
	if (end == NULL || (size_t)(end - at - 9) >= size)
		_exit(97);
	memcpy(to, at + 9, (size_t)(end - at - 9));
	to[end - at - 9] = '\0';
}

static int
master_socket(void)
{
	static char text[65536];
	static struct start s;
	ssize_t len = pread(START_ROW_FD, text, sizeof(text), 0);
	if (len <= 0 || start_decode(span_from(text, (size_t)len), &s) != 0)
		_exit(96);
	return s.listens[s.listen_count - 1].fd;
}

/*
 * DOES: words. fail: exit 3 at once; silent: never says that it serves; deaf: passes over SIGTERM; forks: a child of its own that would live on;
 * leaves: the first one leaves a descriptor for the next, and stays until it is told to stop
 */
static _Noreturn void
stand_in(const char *program)
{
	char directory[100], path[200], does[100] = "", word[16];
	sigset_t signals;
	stand_in_directory(directory, sizeof(directory));
	int master = master_socket();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	int heard = signalfd(-1, &signals, SFD_CLOEXEC);
	snprintf(path, sizeof(path), "%s/%s.does", directory, program);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, does, sizeof(does) - 1) < 0)
		_exit(95);
	if (strstr(does, "fail") != NULL)
		_exit(3);
	if (strstr(does, "forks") != NULL && fork() == 0) {
		for (;;)
			pause();
	}
	say(directory, program, "starts");
	if (strstr(does, "silent") == NULL && write(master, "Y", 1) != 1)
		_exit(94);
	if (strstr(does, "leaves") != NULL) {
		if (unlink(path) != 0 || channel_send(master, SPAN("T"), &heard, 1) != CHANNEL_OK)
			_exit(91);
		say(directory, program, "leaves");
	}
	for (;;) {
		struct pollfd wait[2] = {{.fd = heard, .events = POLLIN},
					 {.fd = master, .events = POLLIN}};
		struct signalfd_siginfo info;
		if (poll(wait, 2, -1) < 0)
			_exit(93);
		if (wait[1].revents != 0) {
			ssize_t n = read(master, word, sizeof(word));
			if (n <= 0)
				_exit(92); /* master is dead */
			say(directory, program,
			    word[0] == 'R'   ? "reloads"
			    : word[0] == 'T' ? "inherits"
					     : "?");
		}
		if (wait[0].revents == 0 || read(heard, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGUSR1) {
			say(directory, program, "retires");
			_exit(0);
		}
		if (strstr(does, "deaf") != NULL)
			continue;
		say(directory, program, "is told to stop");
		say(directory, program, "ends");
		_exit(0);
	}
}

/* main's first line: is this a stand-in? */
static void
stand_in_if_called_so(char **argv)
{
	if (trust_find(argv[0]) != NULL)
		stand_in(argv[0]);
}

/* ---- the test's side ---- */

static void
write_file(const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", h.directory, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

__attribute__((unused)) static void
program_does(const char *program, const char *what)
{
	char name[64];
	snprintf(name, sizeof(name), "%s.does", program);
	write_file(name, what);
}

/* how often this line was said */
__attribute__((unused)) static size_t
said(const char *line)
{
	char path[200], text[200];
	size_t count = 0;
	snprintf(path, sizeof(path), "%s/said", h.directory);
	FILE *f = fopen(path, "re");
	while (f != NULL && fgets(text, sizeof(text), f) != NULL) {
		text[strcspn(text, "\n")] = '\0';
		count += strcmp(text, line) == 0;
	}
	if (f != NULL)
		fclose(f);
	return count;
}

static void
write_config(const char *spool, const char *runtime, const char *trace, const char *more)
{
	char text[1000];
	snprintf(text, sizeof(text),
		 "hostname a.example\nspool %s/%s\nruntime %s/%s\ntrace %s/%s\n"
		 "drop %s/drop\nroot-mail %s/root\nlog %s/log {\n\tformat text\n}\n%s",
		 h.directory, spool, h.directory, runtime, h.directory, trace, h.directory,
		 h.directory, h.directory, more);
	write_file("culver.conf", text);
}

static bool (*awaited)(void);
static int64_t awaited_until_ms;

static void
look(struct loop_timer *t)
{
	if (awaited() || clock_monotonic_ms() > awaited_until_ms)
		loop_stop(h.m.loop);
	else
		loop_timer_set(h.m.loop, t, clock_monotonic_ms() + LOOK_MS);
}

/* turns of the loop until `what` holds, which fails the test when it never does */
static void
until(bool (*what)(void))
{
	static struct loop_timer t;
	t = (struct loop_timer){.fire = look};
	awaited = what;
	awaited_until_ms = clock_monotonic_ms() + UNTIL_MS;
	loop_timer_set(h.m.loop, &t, clock_monotonic_ms());
	loop_run(h.m.loop);
	loop_timer_clear(h.m.loop, &t);
	/* a stop that has come to its end ends the loop, too */
	assert_true(awaited());
}

static void
on_child(void *owner)
{
	programs_reap(owner);
}

__attribute__((unused)) static bool
is_ready(void)
{
	return h.m.is_ready;
}

static bool
all_are_gone(void)
{
	return h.m.processes == NULL;
}

__attribute__((unused)) static struct program *
program_of(const char *name)
{
	return &h.m.programs[trust_find(name) - trust_map];
}

__attribute__((unused)) static pid_t
pid_of(const char *name)
{
	const struct process *p = program_of(name)->process;
	return p == NULL ? 0 : p->pid;
}

static void
make_links(void)
{
	char self[200], path[200];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(len > 0);
	self[len] = '\0';
	assert_int_equal(mkdir(h.programs_path, 0755), 0);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		snprintf(path, sizeof(path), "%s/%s", h.programs_path, trust_map[i].program);
		assert_int_equal(symlink(self, path), 0);
	}
}

static int
set_up(void **state)
{
	struct buffer text, why;
	(void)state;
	h = (struct harness){.m = {.generation = 1, .pid_fd = -1}};
	strcpy(h.directory, "/tmp/culver-master-XXXXXX");
	if (mkdtemp(h.directory) == NULL)
		return -1;
	snprintf(h.config_path, sizeof(h.config_path), "%s/culver.conf", h.directory);
	snprintf(h.programs_path, sizeof(h.programs_path), "%s/programs", h.directory);
	make_links();
	write_config("spool", "run", "trace", "");
	h.m.options = (struct master_options){
		.config = h.config_path, .programs = h.programs_path, .ready_fd = -1};
	buffer_init(&text, CONFIG_TEXT_MAX);
	buffer_init(&why, 4096);
	config_defaults_find(&h.m.defaults, false);
	h.m.config = reload_text(&h.m, &text, &why);
	if (h.m.config == NULL)
		fail_msg("%.*s", SPAN_ARG(buffer_get(&why)));
	h.m.config_fd = exec_memfd("culver.conf", buffer_get(&text));
	if (h.m.config_fd < 0 || trust_people_find(false, &h.m.people, &why) != 0 ||
	    places_make(h.m.config, &h.m.people, &why) != 0)
		fail_msg("%.*s", SPAN_ARG(buffer_get(&why)));
	buffer_free(&text);
	buffer_free(&why);
	h.m.loop = loop_new();
	report_init(&h.m);
	loop_signal(h.m.loop, SIGCHLD, on_child, &h.m);
	return 0;
}

static int
tear_down(void **state)
{
	char command[100];
	(void)state;
	for (struct process *p = h.m.processes; p != NULL; p = p->next)
		kill(-p->pid, SIGKILL);
	programs_stop(&h.m);
	if (h.m.processes != NULL)
		until(all_are_gone);
	sockets_close(&h.m.sockets, h.m.config->runtime);
	close(h.m.config_fd);
	config_free(h.m.config);
	loop_free(h.m.loop);
	snprintf(command, sizeof(command), "rm -rf %s", h.directory);
	return system(command);
}

#endif
