/* events: nobody waits for log; what is lost is counted and told */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"

static char path[64];
static char room[CHANNEL_MAX + 1];

static int
serve(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	strcpy(a.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* the lines that are there now, as one string */
static const char *
received(int fd)
{
	static char all[1 << 20];
	size_t len, at = 0;
	while (channel_receive(fd, room, &len, NULL) == CHANNEL_OK && at + len < sizeof(all)) {
		memcpy(all + at, room, len);
		at += len;
	}
	all[at] = '\0';
	return all;
}

static void
events_say_hello_and_then_what_happened(void **state)
{
	struct channel_peer peer;
	(void)state;
	int listener = serve();
	events_start("tester", path);
	EVENT("delivered", event_id(0x62D0F6A3E1CAB), event_text("to", SPAN("a b@c")),
	      event_number("size", -5));
	assert_true(events_waiting());
	events_flush();
	assert_false(events_waiting());
	int fd = channel_accept(listener, &peer);
	assert_true(fd >= 0);
	const char *all = received(fd);
	assert_non_null(strstr(all, " hello program=tester\n"));
	assert_non_null(strstr(all, " delivered id=62D0F6A3E1CAB to=\"a b@c\" size=-5\n"));
	/* log is restarted: the next event finds the new one */
	close(fd);
	close(listener);
	listener = serve();
	EVENT("second", event_number("n", 2));
	events_flush();
	fd = channel_accept(listener, &peer);
	assert_true(fd >= 0);
	assert_non_null(strstr(received(fd), " second n=2\n"));
	close(fd);
	close(listener);
}

static void
a_log_that_does_not_read_is_not_waited_for(void **state)
{
	struct channel_peer peer;
	unsigned lost = 0;
	(void)state;
	int listener = serve();
	events_start("tester", path);
	int64_t start = clock_monotonic_ms();
	for (int i = 0; i < 20000; i++) {
		EVENT("flood", event_number("n", i),
		      event_string("text", "abcdefghijklmnopqrstuvwxyz"));
		if (i % 16 == 0)
			events_flush();
	}
	assert_true(clock_monotonic_ms() - start < 2000);
	int fd = channel_accept(listener, &peer);
	assert_true(fd >= 0);
	const char *all = received(fd);
	assert_null(strstr(all, "events-lost"));
	EVENT("after", event_number("n", 1));
	events_flush();
	EVENT("after", event_number("n", 2));
	events_flush();
	all = received(fd);
	const char *told = strstr(all, " events-lost program=tester count=");
	assert_non_null(told);
	assert_int_equal(sscanf(told, " events-lost program=tester count=%u", &lost), 1);
	assert_true(lost > 0 && lost < 20000);
	close(fd);
	close(listener);
}

static void
lines_are_held_for_a_moment_and_no_longer(void **state)
{
	struct channel_peer peer;
	(void)state;
	int listener = serve();
	events_start("tester", path);
	assert_true(events_hold() == INT64_MAX);
	EVENT("first", event_number("n", 1));
	int64_t start_ms = clock_monotonic_ms(), wait_ms;
	while ((wait_ms = events_hold()) != INT64_MAX) {
		assert_true(wait_ms > 0 && wait_ms <= EVENTS_HOLD_MS);
		EVENT("next", event_number("n", 2));
		poll(NULL, 0, (int)wait_ms);
	}
	assert_true(clock_monotonic_ms() - start_ms >= EVENTS_HOLD_MS);
	int fd = channel_accept(listener, &peer);
	assert_true(fd >= 0);
	const char *all = received(fd);
	assert_non_null(strstr(all, " first n=1\n"));
	assert_non_null(strstr(all, " next n=2\n"));
	close(fd);
	/* where nobody takes them, they are tried again, not all the time */
	close(listener);
	unlink(path);
	EVENT("third", event_number("n", 3));
	poll(NULL, 0, EVENTS_HOLD_MS);
	assert_true(events_hold() == EVENTS_HOLD_MS);
	assert_true(events_waiting());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_say_hello_and_then_what_happened),
		cmocka_unit_test(a_log_that_does_not_read_is_not_waited_for),
		cmocka_unit_test(lines_are_held_for_a_moment_and_no_longer),
	};
	snprintf(path, sizeof(path), "/tmp/culver-events-%d", (int)getpid());
	int failed = cmocka_run_group_tests_name("system/events", tests, NULL, NULL);
	unlink(path);
	return failed;
}
