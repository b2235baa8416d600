/* events, trace: peers are heard as the kernel knows them, cut off when they are wrong, and asked questions are answered by a child */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/trace.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "log/events.h"
#include "log/output.h"
#include "log/trace.h"

#define DEADLINE_MS 10000
#define LOG_MAX (1u << 20)

static char directory[] = "/tmp/culver-events-XXXXXX";
static char store_path[64], log_path[64], log_socket[64], trace_socket[64];
static struct loop *loop;
static struct output output;
static struct events *events;
static struct trace *trace;
static struct start start;
static char logged[LOG_MAX];

/* ---- the program, in this process ---- */

static int
listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 64) < 0 || chmod(path, 0666) < 0)
		return -1;
	return fd;
}

static int
setup(void **state)
{
	static struct config c;
	static char hostname[] = "mx.example.org";
	int own[2];
	(void)state;
	if (mkdir(store_path, 0700) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, own) < 0)
		return -1;
	events_start_on("log", own[0]);
	c = (struct config){.hostname = hostname,
			    .log_sink = CONFIG_LOG_FILE,
			    .log_file = log_path,
			    .log_format = CONFIG_LOG_TEXT};
	c.limits.trace_size = 1u << 20;
	memset(&start, 0, sizeof(start));
	start.admin_uid = getuid();
	start.admin_gid = (gid_t)-1;
	start.listen_count = 2;
	start.listens[0] = (struct start_listen){.name = "log",
						 .fd = listen_on(log_socket),
						 .peers = {{getuid(), "master"}},
						 .peer_count = 1};
	start.listens[1] = (struct start_listen){
		.name = "trace", .fd = listen_on(trace_socket), .anybody = true};
	if (start.listens[0].fd < 0 || start.listens[1].fd < 0)
		return -1;
	loop = loop_new();
	output_open(&output, loop, &c, open(store_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0, 0);
	events = events_serve(loop, &start.listens[0], &output, own[1]);
	trace = trace_serve(loop, &start, &output.store);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	trace_free(trace);
	events_free(events);
	output_end(&output);
	loop_free(loop);
	close(start.listens[0].fd);
	close(start.listens[1].fd);
	events_start("log", NULL);
	for (uint64_t i = 1; i <= STORE_PARTS; i++) {
		char name[STORE_NAME_MAX], path[128];
		store_name(i, name);
		snprintf(path, sizeof(path), "%s/%s", store_path, name);
		unlink(path);
	}
	rmdir(store_path);
	unlink(log_path);
	unlink(log_socket);
	unlink(trace_socket);
	return 0;
}

static void
read_log(void)
{
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, logged, sizeof(logged) - 1);
	if (fd >= 0)
		close(fd);
	logged[n > 0 ? n : 0] = '\0';
}

/* the loop turns until the condition holds; looked at in each tick */
struct until {
	struct loop_timer tick;
	bool (*holds)(void *owner);
	void *owner;
	int64_t deadline_ms;
	bool held;
};

static void
until_tick(struct loop_timer *t)
{
	struct until *u = t->owner;
	u->held = u->holds(u->owner);
	if (u->held || loop_now_ms(loop) > u->deadline_ms)
		loop_stop(loop);
	else
		loop_timer_set(loop, t, loop_now_ms(loop) + 2);
}

static void
run_until(bool (*holds)(void *owner), void *owner)
{
	struct until u = {
		.holds = holds, .owner = owner, .deadline_ms = clock_monotonic_ms() + DEADLINE_MS};
	u.tick = (struct loop_timer){.fire = until_tick, .owner = &u};
	loop_timer_set(loop, &u.tick, 0);
	loop_run(loop);
	loop_timer_clear(loop, &u.tick);
	if (!u.held)
		print_error("the log:\n%s\n", logged);
	assert_true(u.held);
}

static bool
log_says(void *text)
{
	read_log();
	return strstr(logged, text) != NULL;
}

static bool
is_ended(void *fd)
{
	char byte[16];
	return recv(*(int *)fd, byte, sizeof(byte), MSG_DONTWAIT) == 0;
}

/* ---- peers ---- */

static int
peer(const char *path, const char *hello)
{
	int fd = channel_connect(path, clock_monotonic_ms() + DEADLINE_MS);
	assert_true(fd >= 0);
	if (hello != NULL)
		assert_int_equal(channel_send(fd, span_of(hello), NULL, 0), CHANNEL_OK);
	return fd;
}

static int
descriptors(void)
{
	int count = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

static void
an_event_bears_the_pid_that_the_kernel_attests(void **state)
{
	char expected[64];
	(void)state;
	/* what is sent before the connection is taken has whoever connected: as a session, the child comes later */
	int fd = peer(log_socket, "1 hello program=smtpd\n1795507351123456 serving\n");
	snprintf(expected, sizeof(expected), "smtpd[%d] serving\n", (int)getpid());
	run_until(log_says, expected);
	pid_t pid = fork();
	if (pid == 0)
		_exit(channel_send(fd, SPAN("1795507351123456 connected client=192.0.2.1\n"), NULL,
				   0) == CHANNEL_OK
			      ? 0
			      : 1);
	assert_true(pid > 0);
	snprintf(expected, sizeof(expected), "smtpd[%d] connected client=192.0.2.1\n", (int)pid);
	run_until(log_says, expected);
	assert_null(strstr(logged, "hello"));
	close(fd);
}

static void
a_peer_that_is_wrong_is_ended_and_the_others_are_heard(void **state)
{
	static const char *const wrong[] = {
		"nonsense\n",
		"1 x",
		"1 x\n\n",
		"1 x a=1 a=2\n",
		"1 hello program=master\n1 hello program=smtpd\n",
		"1 hello program=Not-A-Name\n",
		"1 hello program=x more=y\n",
	};
	(void)state;
	int good = peer(log_socket, "1 hello program=lookup\n");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int fd = peer(log_socket, wrong[i]);
		run_until(is_ended, &fd);
		close(fd);
	}
	assert_int_equal(channel_send(good, SPAN("1 table-read\n"), NULL, 0), CHANNEL_OK);
	run_until(log_says, (char[]){"] table-read\n"});
	int count = 0;
	for (const char *at = logged; (at = strstr(at, "] peer-ended ")) != NULL; at++)
		count++;
	assert_int_equal(count, sizeof(wrong) / sizeof(wrong[0]));
	close(good);
}

static void
unwanted_descriptors_end_the_peer_and_stay_nowhere(void **state)
{
	(void)state;
	int first = peer(log_socket, "1 hello program=smtpd\n1 first\n");
	run_until(log_says, (char[]){"] first\n"});
	int before = descriptors();
	for (size_t count = 1; count <= CHANNEL_FDS_MAX; count++) {
		const int fds[CHANNEL_FDS_MAX] = {0, 0, 0, 0};
		int fd = peer(log_socket, "1 hello program=smtpd\n");
		assert_int_equal(channel_send(fd, SPAN("1 x\n"), fds, count), CHANNEL_OK);
		run_until(is_ended, &fd);
		close(fd);
	}
	read_log();
	assert_null(strstr(logged, "] x\n"));
	assert_int_equal(descriptors(), before);
	close(first);
}

static void
who_does_not_say_hello_is_unknown(void **state)
{
	(void)state;
	int fd = peer(log_socket, "1 x\n");
	run_until(log_says, (char[]){" unknown["});
	close(fd);
}

static void
what_was_sent_before_the_end_is_drained(void **state)
{
	(void)state;
	int fd = peer(log_socket, "1 hello program=smtpd\n");
	for (int i = 0; i < 50; i++)
		assert_int_equal(channel_send(fd, SPAN("1 last\n"), NULL, 0), CHANNEL_OK);
	events_drain(events);
	output_end(&output);
	read_log();
	int count = 0;
	for (const char *at = logged; (at = strstr(at, "] last\n")) != NULL; at++)
		count++;
	assert_int_equal(count, 50);
	close(fd);
}

static void
a_stranger_may_not_connect(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		if (chmod(directory, 0755) < 0 || setuid(65534) < 0)
			_exit(2);
		int fd = channel_connect(log_socket, clock_monotonic_ms() + DEADLINE_MS);
		_exit(fd >= 0 && recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);
	}
	run_until(log_says, (char[]){"this user may not connect"});
}

/* ---- trace ---- */

static void
ask(int fd, const char *what)
{
	struct trace_ask m = {.what = span_of(what)};
	assert_int_equal(wire_send(fd, wire_find(trace_calls, TRACE_ASK), 0, 1, &m, NULL),
			 CHANNEL_OK);
}

struct answer {
	int fd;
	uint64_t lines, end;
	bool ended, refused;
};

static bool
answered(void *owner)
{
	static char datagram[CHANNEL_MAX];
	struct answer *a = owner;
	struct wire_header h;
	size_t len;
	while (channel_receive(a->fd, datagram, &len, NULL) == CHANNEL_OK) {
		struct span d = span_from(datagram, len);
		struct trace_event m;
		struct trace_end end;
		struct trace_line line;
		assert_int_equal(wire_peek(d, &h), 0);
		if (h.type == TRACE_EVENT) {
			assert_int_equal(wire_decode(d, wire_find(trace_answers, TRACE_EVENT), &m),
					 0);
			while (wire_list_next(&m.lines, &trace_line_shape, &line))
				a->lines++;
		} else if (h.type == TRACE_END) {
			assert_int_equal(wire_decode(d, wire_find(trace_answers, TRACE_END), &end),
					 0);
			a->end = end.count;
			a->ended = true;
		} else {
			assert_int_equal(h.type, TRACE_REFUSED);
			a->refused = true;
		}
	}
	return a->ended || a->refused;
}

static void
a_question_is_answered_with_its_events(void **state)
{
	(void)state;
	int fd = peer(log_socket, "1 hello program=smtpd\n");
	for (int i = 0; i < 1000; i++) {
		char line[64];
		int n = snprintf(line, sizeof(line), "%d x id=0644C2F1B5F3%X to=a@b.c\n", i + 1,
				 i % 2 + 10);
		assert_int_equal(channel_send_wait(fd, span_from(line, (size_t)n), NULL, 0,
						   clock_monotonic_ms()),
				 CHANNEL_OK);
		if (i % 50 == 0)
			events_drain(events);
	}
	assert_int_equal(channel_send(fd, SPAN("1 sent-all\n"), NULL, 0), CHANNEL_OK);
	run_until(log_says, (char[]){"sent-all"});
	struct answer id = {.fd = peer(trace_socket, NULL)},
		      address = {.fd = peer(trace_socket, NULL)};
	ask(id.fd, "0644C2F1B5F3A");
	run_until(answered, &id);
	assert_int_equal(id.lines, 500);
	assert_int_equal(id.end, 500);
	ask(address.fd, "A@b.c");
	run_until(answered, &address);
	assert_int_equal(address.lines, 1000);
	close(id.fd);
	close(address.fd);
	close(fd);
}

static void
a_wrong_question_ends_the_asker(void **state)
{
	(void)state;
	int fd = peer(trace_socket, "nonsense");
	run_until(is_ended, &fd);
	close(fd);
	run_until(log_says, (char[]){"no question of ours"});
}

static void
others_than_administrators_are_refused_with_a_sentence(void **state)
{
	(void)state;
	start.admin_uid = getuid() + 1;
	struct answer a = {.fd = peer(trace_socket, NULL)};
	ask(a.fd, "a@b.c");
	run_until(answered, &a);
	assert_int_equal(a.refused, getuid() != 0);
	close(a.fd);
}

static void
one_user_cannot_take_all_places(void **state)
{
	int fds[TRACE_ASKERS_OF_UID + 1];
	(void)state;
	if (getuid() == 0)
		skip(); /* root may */
	for (size_t i = 0; i <= TRACE_ASKERS_OF_UID; i++)
		fds[i] = peer(trace_socket, NULL);
	struct answer last = {.fd = fds[TRACE_ASKERS_OF_UID]};
	run_until(answered, &last);
	assert_true(last.refused);
	for (size_t i = 0; i <= TRACE_ASKERS_OF_UID; i++)
		close(fds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_event_bears_the_pid_that_the_kernel_attests,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_peer_that_is_wrong_is_ended_and_the_others_are_heard, setup, teardown),
		cmocka_unit_test_setup_teardown(unwanted_descriptors_end_the_peer_and_stay_nowhere,
						setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_say_hello_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_sent_before_the_end_is_drained, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_stranger_may_not_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(a_question_is_answered_with_its_events, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_wrong_question_ends_the_asker, setup, teardown),
		cmocka_unit_test_setup_teardown(
			others_than_administrators_are_refused_with_a_sentence, setup, teardown),
		cmocka_unit_test_setup_teardown(one_user_cannot_take_all_places, setup, teardown),
	};
	/* as confine() leaves it: a child may confine itself further */
	if (mkdtemp(directory) == NULL || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 1;
	snprintf(store_path, sizeof(store_path), "%s/store", directory);
	snprintf(log_path, sizeof(log_path), "%s/culver.log", directory);
	snprintf(log_socket, sizeof(log_socket), "%s/log", directory);
	snprintf(trace_socket, sizeof(trace_socket), "%s/trace", directory);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(directory);
	return failed;
}
