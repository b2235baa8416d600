/*
 * jobs-parent - the parent in a process of its own, the test as queue-manager
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs-agent.h"
#include "common/protocol/jobs-parent.h"
#include "common/system/clock.h"

#define WAIT_MS 10000
#define AGENTS 5

static struct {
	char directory[64];
	char path[100];
	int listener;
	int parent; /* its connection */
	pid_t pid;
	char in[CHANNEL_MAX];
} t;

static bool
may_serve(void *owner, const struct jobs_want *want, struct jobs_cannot *cannot)
{
	(void)owner;
	if (!span_equal(want->hosts, SPAN("nowhere:25")))
		return true;
	*cannot = (struct jobs_cannot){FATE_FAILED, SPAN("5.4.4"), SPAN("there is no such place")};
	return false;
}

/* an agent that waits for the close or for a signal, and says with a LEAVE that it saw one: then it waits for the close */
static int
serve(void *owner, const struct jobs_want *want, int channel)
{
	static struct jobs_agent_end end;
	(void)owner;

	if (jobs_agent_start(&end, channel) == -1)
		return 1;
	if (jobs_agent_wait(&end, -1, clock_monotonic_ms() + 2 * WAIT_MS) == JOBS_EVENT_END &&
	    !span_equal(want->hosts, SPAN("stubborn:25"))) {
		jobs_agent_leave(&end);
		return 0;
	}
	if (span_equal(want->hosts, SPAN("stubborn:25")))
		jobs_agent_wait(&end, -1, clock_monotonic_ms());
	while (span_equal(want->hosts, SPAN("stubborn:25")))
		pause();
	return 0;
}

static void
serve_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", t.path);
	t.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(t.listener >= 0);
	assert_int_equal(bind(t.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(t.listener, 8), 0);
}

static int
accept_one(void)
{
	struct pollfd p = {t.listener, POLLIN, 0};
	struct channel_peer peer;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	return channel_accept(t.listener, &peer);
}

static void
receive(int fd, enum jobs_type type, void *message, uint32_t *request)
{
	struct wire_header h;
	size_t len = 0;

	assert_int_equal(channel_receive_wait(fd, t.in, &len, NULL, clock_monotonic_ms() + WAIT_MS),
			 CHANNEL_OK);
	assert_int_equal(wire_peek(span_from(t.in, len), &h), 0);
	assert_int_equal(h.type, type);
	*request = h.request;
	assert_int_equal(
		wire_decode(span_from(t.in, len), wire_find(jobs_calls, (uint16_t)type), message),
		0);
}

static void
expect_close(int fd)
{
	size_t len = 0;

	assert_int_equal(channel_receive_wait(fd, t.in, &len, NULL, clock_monotonic_ms() + WAIT_MS),
			 CHANNEL_CLOSED);
	close(fd);
}

static void
accept_parent(void)
{
	struct jobs_parent m;
	uint32_t request;

	t.parent = accept_one();
	assert_true(t.parent >= 0);
	receive(t.parent, JOBS_PARENT, &m, &request);
	assert_int_equal(m.kind, JOBS_SMTP);
}

static void
start(bool with_socket)
{
	struct jobs_parent_program program = {
		.kind = JOBS_SMTP,
		.path = t.path,
		.agents_max = AGENTS,
		.may_serve = may_serve,
		.serve = serve,
	};

	strcpy(t.directory, "/tmp/culver-jobs-XXXXXX");
	assert_non_null(mkdtemp(t.directory));
	snprintf(t.path, sizeof(t.path), "%s/jobs", t.directory);
	if (with_socket)
		serve_socket();
	t.pid = fork();
	assert_true(t.pid >= 0);
	if (t.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		jobs_parent_run(&program);
		_exit(0);
	}
	if (with_socket)
		accept_parent();
}

static void
expect_parent_ends(void)
{
	int status;

	assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(t.listener);
	unlink(t.path);
	rmdir(t.directory);
}

static void
want(uint32_t number, const char *hosts)
{
	struct jobs_want m = {JOBS_SMTP, span_of(hosts), SPAN_NONE, SPAN_NONE};

	assert_int_equal(
		wire_send(t.parent, wire_find(jobs_orders, JOBS_WANT), 0, number, &m, NULL),
		CHANNEL_OK);
}

static int
accept_agent(uint32_t number)
{
	struct jobs_agent m;
	uint32_t request;
	int fd = accept_one();

	assert_true(fd >= 0);
	receive(fd, JOBS_AGENT, &m, &request);
	assert_int_equal(m.want, number);
	return fd;
}

static void
stop(void)
{
	kill(t.pid, SIGTERM);
	expect_close(t.parent);
	expect_parent_ends();
}

static void
an_agent_comes_for_each_want_and_ends_at_the_close(void **state)
{
	(void)state;
	start(true);
	for (uint32_t i = 1; i <= AGENTS; i++) {
		want(i, "192.0.2.1:25");
		close(accept_agent(i));
	}
	stop();
}

static void
what_cannot_be_served_is_answered_with_its_number(void **state)
{
	struct jobs_cannot m;
	uint32_t request;
	int agents[AGENTS];
	(void)state;

	start(true);
	want(7, "nowhere:25");
	receive(t.parent, JOBS_CANNOT, &m, &request);
	assert_int_equal(request, 7);
	assert_int_equal(m.fate, FATE_FAILED);
	/* more than may be */
	for (uint32_t i = 0; i < AGENTS; i++) {
		want(8 + i, "192.0.2.1:25");
		agents[i] = accept_agent(8 + i);
	}
	want(8 + AGENTS, "192.0.2.1:25");
	receive(t.parent, JOBS_CANNOT, &m, &request);
	assert_int_equal(request, 8 + AGENTS);
	assert_int_equal(m.fate, FATE_DEFERRED);
	for (size_t i = 0; i < AGENTS; i++)
		close(agents[i]);
	stop();
}

static void
a_queue_manager_that_goes_and_comes_is_found_again(void **state)
{
	(void)state;
	start(false);
	serve_socket();
	accept_parent();
	/* gone, with its socket kept by master */
	close(t.parent);
	accept_parent();
	want(1, "192.0.2.1:25");
	close(accept_agent(1));
	stop();
}

static void
nonsense_ends_the_connection_and_not_the_parent(void **state)
{
	struct jobs_want other = {JOBS_NOTICE, SPAN_NONE, SPAN_NONE, SPAN_NONE};
	(void)state;

	start(true);
	assert_int_equal(channel_send(t.parent, SPAN("nonsense"), NULL, 0), CHANNEL_OK);
	expect_close(t.parent);
	accept_parent();
	assert_int_equal(wire_send(t.parent, wire_find(jobs_orders, JOBS_WANT), 0, 1, &other, NULL),
			 CHANNEL_OK);
	expect_close(t.parent);
	accept_parent();
	assert_int_equal(channel_send(t.parent, SPAN("x"), &t.listener, 1), CHANNEL_OK);
	expect_close(t.parent);
	accept_parent();
	want(1, "192.0.2.1:25");
	close(accept_agent(1));
	stop();
}

/* SIGTERM and SIGUSR1 reach the agents, and the parent waits for them */
static void
agents_are_told_to_end(void **state)
{
	static const int signals[] = {SIGTERM, SIGUSR1};
	uint32_t request;
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		int agent;

		start(true);
		want(1, "192.0.2.1:25");
		agent = accept_agent(1);
		kill(t.pid, signals[i]);
		expect_close(t.parent);
		receive(agent, JOBS_LEAVE, NULL, &request);
		close(agent); /* as queue-manager does */
		expect_parent_ends();
	}
}

static void
an_agent_that_does_not_end_is_killed(void **state)
{
	int agent;
	int64_t from_ms;
	(void)state;

	start(true);
	want(1, "stubborn:25");
	agent = accept_agent(1);
	from_ms = clock_monotonic_ms();
	kill(t.pid, SIGTERM);
	expect_close(t.parent);
	expect_parent_ends();
	assert_true(clock_monotonic_ms() - from_ms >= JOBS_PARENT_GRACE_MS);
	expect_close(agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_comes_for_each_want_and_ends_at_the_close),
		cmocka_unit_test(what_cannot_be_served_is_answered_with_its_number),
		cmocka_unit_test(a_queue_manager_that_goes_and_comes_is_found_again),
		cmocka_unit_test(nonsense_ends_the_connection_and_not_the_parent),
		cmocka_unit_test(agents_are_told_to_end),
		cmocka_unit_test(an_agent_that_does_not_end_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
