/*
 * lobby - who speaks is handed over, who leaves, waits too long or is crowded out goes, and no place is lost
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "smtpd/lobby.h"

#define PLACES 3
#define LONG_MS 60000
#define GOODBYE "421 too long\r\n"

static struct {
	struct loop *loop;
	struct lobby *lobby;
	struct loop_timer timeout;
	char told[400];
	int fd; /* that was handed over last */
} t;

static const char door[] = "the door";

static void
tell(const char *what)
{
	snprintf(t.told + strlen(t.told), sizeof(t.told) - strlen(t.told), "%s ", what);
	loop_stop(t.loop);
}

static void
speaks(void *owner, const void *at, int fd, const struct sockaddr_storage *client)
{
	assert_ptr_equal(owner, &t);
	assert_ptr_equal(at, door);
	assert_int_equal(client->ss_family, AF_INET);
	assert_in_range(fd, 0, LOBBY_DESCRIPTOR - 1);
	t.fd = fd;
	tell("speaks");
}

static void
ended(void *owner, const struct sockaddr_storage *client, const char *how)
{
	(void)owner;
	assert_int_equal(client->ss_family, AF_INET);
	tell(how);
}

static void
too_late(struct loop_timer *timer)
{
	(void)timer;
	fail_msg("nothing happened; until then: %s", t.told);
}

static int
set_up(void **state)
{
	struct rlimit few;

	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	t.timeout.fire = too_late;
	loop_timer_set(t.loop, &t.timeout, clock_monotonic_ms() + LONG_MS);
	if (getrlimit(RLIMIT_NOFILE, &few) != 0)
		return -1;
	few.rlim_cur = LOBBY_DESCRIPTOR + PLACES;
	if (setrlimit(RLIMIT_NOFILE, &few) != 0)
		return -1;
	t.lobby = lobby_new(&(struct lobby_owner){
		.loop = t.loop, .speaks = speaks, .ended = ended, .owner = &t});
	return t.lobby != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	lobby_clear(t.lobby, "");
	loop_timer_clear(t.loop, &t.timeout);
	loop_free(t.loop);
	return 0;
}

/* the client's end */
static int
enter(int64_t wait_ms, const char *farewell)
{
	struct sockaddr_storage client = {.ss_family = AF_INET};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(lobby_take(t.lobby, ends[0], door, &client, clock_monotonic_ms() + wait_ms,
				    farewell),
			 0);
	return ends[1];
}

static void
expect(const char *told)
{
	while (strcmp(t.told, told) != 0 && strncmp(t.told, told, strlen(t.told)) == 0)
		loop_run(t.loop);
	assert_string_equal(t.told, told);
	t.told[0] = '\0';
}

static void
expect_text(int client, const char *text)
{
	char in[100];
	ssize_t n = recv(client, in, sizeof(in), 0);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(in, text, strlen(text));
	close(client);
}

static void
who_speaks_is_handed_over_with_what_he_said(void **state)
{
	int client = enter(LONG_MS, GOODBYE);

	(void)state;
	assert_int_equal(lobby_count(t.lobby), 1);
	assert_int_equal(write(client, "EHLO x\r\n", 8), 8);
	expect("speaks ");
	assert_int_equal(lobby_count(t.lobby), 0);
	expect_text(t.fd, "EHLO x\r\n");
	close(client);
}

static void
who_leaves_is_gone(void **state)
{
	(void)state;
	close(enter(LONG_MS, GOODBYE));
	expect("left ");
	assert_int_equal(lobby_count(t.lobby), 0);
}

static void
who_waits_too_long_is_told_unless_he_was_to_begin_with_tls(void **state)
{
	int plain = enter(1, GOODBYE), secret = enter(1, NULL);

	(void)state;
	expect("timeout timeout ");
	expect_text(plain, GOODBYE);
	expect_text(secret, "");
}

static void
of_many_the_one_that_has_waited_longest_makes_room(void **state)
{
	int clients[3 * PLACES];

	(void)state;
	for (int i = 0; i < 3 * PLACES; i++)
		clients[i] = enter(LONG_MS, GOODBYE);
	assert_int_equal(lobby_count(t.lobby), PLACES);
	expect("crowded crowded crowded crowded crowded crowded ");
	for (int i = 0; i < 2 * PLACES; i++)
		expect_text(clients[i],
			    "421 4.3.2 too many connections wait here, try again later\r\n");
	for (int i = 2 * PLACES; i < 3 * PLACES; i++) {
		assert_int_equal(write(clients[i], "x", 1), 1);
		expect("speaks ");
		close(t.fd);
		close(clients[i]);
	}
	assert_int_equal(lobby_count(t.lobby), 0);
}

static void
the_end_tells_all(void **state)
{
	int one = enter(LONG_MS, GOODBYE), two = enter(LONG_MS, GOODBYE);

	(void)state;
	lobby_clear(t.lobby, "421 stopping\r\n");
	assert_string_equal(t.told, "stopping stopping ");
	expect_text(one, "421 stopping\r\n");
	expect_text(two, "421 stopping\r\n");
}

static void
a_child_keeps_no_connection_open(void **state)
{
	int client = enter(LONG_MS, GOODBYE), gate[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	pid_t pid = fork();
	if (pid == 0) {
		lobby_leave(t.lobby);
		/* lives on while the parent's end is closed */
		_exit(read(gate[0], &byte, 1) == 1 ? 0 : 1);
	}
	lobby_clear(t.lobby, GOODBYE);
	assert_int_equal(recv(client, &byte, 1, MSG_PEEK), 1);
	char all[100];
	assert_int_equal(recv(client, all, sizeof(all), 0), strlen(GOODBYE));
	struct pollfd p = {client, POLLIN, 0};
	assert_int_equal(poll(&p, 1, LONG_MS), 1);
	assert_int_equal(recv(client, all, sizeof(all), 0), 0);
	assert_int_equal(write(gate[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(client);
	close(gate[0]);
	close(gate[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_speaks_is_handed_over_with_what_he_said, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_waits_too_long_is_told_unless_he_was_to_begin_with_tls, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(of_many_the_one_that_has_waited_longest_makes_room,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_tells_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_child_keeps_no_connection_open, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
