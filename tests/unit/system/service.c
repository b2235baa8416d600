/*
 * service - what its clients may rely on, in a process of its own that sends back what it is sent
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/service.h"

#define WAIT_MS 20000
#define CLIENTS_MAX 2
#define BIG 60000
#define MANY 100 /* answers of that size are more than a socket has room for */

static char folder[] = "/tmp/culver-service-XXXXXX";
static char path[sizeof(folder) + 16];
static char in[CHANNEL_MAX];
static int listener;
static pid_t server;

static int64_t
deadline(void)
{
	return clock_monotonic_ms() + WAIT_MS;
}

/* ---- the server: "many" is answered by MANY datagrams of BIG bytes, "bad" is malformed, all else comes back as it is ---- */

static void
nothing(struct service_client *c)
{
	(void)c;
}

static bool
always(const struct service_client *c)
{
	(void)c;
	return true;
}

static bool
never(const struct service_client *c)
{
	(void)c;
	return false;
}

static const char *
echo(struct service_client *c, struct span datagram)
{
	static char big[BIG];
	const char *wrong = NULL;

	if (span_equal(datagram, SPAN("bad")))
		return "malformed message";
	if (!span_equal(datagram, SPAN("many")))
		return service_send(c, datagram);
	for (int i = 0; i < MANY && wrong == NULL; i++) {
		memset(big, i, sizeof(big));
		wrong = service_send(c, span_from(big, sizeof(big)));
	}
	return wrong;
}

static void
run_server(void)
{
	static const struct service_program program = {
		.client_size = sizeof(struct service_client),
		.stalled_ms = WAIT_MS,
		.stop_ms = WAIT_MS,
		.came = nothing,
		.may_take = always,
		.take = echo,
		.is_busy = never,
		.has_room = nothing,
		.ended = nothing,
	};
	static struct service s;
	struct start_listen listen = {
		.name = "test", .fd = listener, .peers = {{getuid(), "test"}}, .peer_count = 1};
	struct loop *loop = loop_new();

	if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0)
		_exit(98);
	events_start("test", NULL);
	service_open(&s, loop, &program, &listen, CLIENTS_MAX, NULL);
	loop_run(loop);
	service_close(&s);
	loop_free(loop);
	_exit(0);
}

static int
start_server(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 16) < 0)
		return -1;
	server = fork();
	if (server == 0)
		run_server();
	return server > 0 ? 0 : -1;
}

static int
end_status(void)
{
	int status = -1;

	if (waitpid(server, &status, 0) != server)
		return -1;
	server = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int
end_server(void **state)
{
	(void)state;
	close(listener);
	if (server == 0)
		return 0;
	kill(server, SIGTERM);
	return end_status();
}

/* ---- clients ---- */

static int
client(void)
{
	int fd = channel_connect(path, deadline());

	assert_true(fd >= 0);
	return fd;
}

static enum channel_outcome
say(int fd, const char *text)
{
	return channel_send_wait(fd, span_of(text), NULL, 0, deadline());
}

/* what comes is that text */
static void
hears(int fd, const char *text)
{
	size_t len;

	assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_OK);
	assert_true(span_equal(span_from(in, len), span_of(text)));
}

static void
hears_the_end(int fd)
{
	size_t len;

	assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_CLOSED);
}

static void
pause_server(void)
{
	int status;

	assert_int_equal(kill(server, SIGSTOP), 0);
	assert_int_equal(waitpid(server, &status, WUNTRACED), server);
	assert_true(WIFSTOPPED(status));
}

/* ---- promises ---- */

static void
a_question_that_crosses_the_retirement_is_answered(void **state)
{
	int fd = client(), idle = client();

	(void)state;
	assert_int_equal(say(fd, "first"), CHANNEL_OK);
	hears(fd, "first");
	assert_int_equal(say(idle, "first"), CHANNEL_OK);
	hears(idle, "first");
	/* the signal is seen before the question: it lies in the socket, unread */
	pause_server();
	assert_int_equal(say(fd, "crosses"), CHANNEL_OK);
	assert_int_equal(say(fd, "and another"), CHANNEL_OK);
	kill(server, SIGUSR1);
	kill(server, SIGCONT);
	hears(fd, "crosses");
	hears(fd, "and another");
	hears_the_end(fd);
	hears_the_end(idle);
	assert_int_equal(say(fd, "late"), CHANNEL_CLOSED);
	assert_int_equal(end_status(), 0);
	close(fd);
	close(idle);
}

static void
a_retired_one_sends_all_of_its_answers(void **state)
{
	int fd = client();
	size_t len;

	(void)state;
	assert_int_equal(say(fd, "many"), CHANNEL_OK);
	assert_int_equal(say(fd, "after"), CHANNEL_OK);
	assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_OK);
	kill(server, SIGUSR1);
	for (int i = 1; i < MANY; i++) {
		assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_OK);
		assert_int_equal(len, BIG);
		assert_int_equal(in[0], (char)i);
	}
	hears(fd, "after");
	hears_the_end(fd);
	assert_int_equal(end_status(), 0);
	close(fd);
}

static void
the_next_generation_takes_who_waits_in_the_backlog(void **state)
{
	int first = client(), second = client(), third;
	pid_t former;

	(void)state;
	assert_int_equal(say(first, "a"), CHANNEL_OK);
	hears(first, "a");
	assert_int_equal(say(second, "b"), CHANNEL_OK);
	hears(second, "b");
	third = client(); /* one more than it takes */
	assert_int_equal(say(third, "c"), CHANNEL_OK);
	former = server;
	server = fork();
	if (server == 0)
		run_server();
	hears(third, "c");
	kill(former, SIGUSR1);
	hears_the_end(first);
	hears_the_end(second);
	assert_int_equal(waitpid(former, NULL, 0), former);
	assert_int_equal(say(third, "d"), CHANNEL_OK);
	hears(third, "d");
	close(first);
	close(second);
	close(third);
}

static void
one_that_is_malformed_is_ended_and_the_others_go_on(void **state)
{
	int bad = client(), good = client();

	(void)state;
	assert_int_equal(say(bad, "bad"), CHANNEL_OK);
	hears_the_end(bad);
	assert_int_equal(say(good, "good"), CHANNEL_OK);
	hears(good, "good");
	close(bad);
	close(good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_question_that_crosses_the_retirement_is_answered,
						start_server, end_server),
		cmocka_unit_test_setup_teardown(a_retired_one_sends_all_of_its_answers,
						start_server, end_server),
		cmocka_unit_test_setup_teardown(the_next_generation_takes_who_waits_in_the_backlog,
						start_server, end_server),
		cmocka_unit_test_setup_teardown(one_that_is_malformed_is_ended_and_the_others_go_on,
						start_server, end_server),
	};

	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/socket", folder);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
