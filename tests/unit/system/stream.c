/* stream: lines end with CRLF alone; answers go out before anybody waits */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/system/clock.h"
#include "common/system/stream.h"

struct ends {
	struct stream s;
	int peer;
};

static void
make(struct ends *e)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(stream_open(&e->s, fd[0]), 0);
	e->peer = fd[1];
	e->s.deadline_ms = clock_monotonic_ms() + 2000;
}

static void
end(struct ends *e)
{
	stream_close(&e->s);
	close(e->peer);
}

static void
say(struct ends *e, const char *text)
{
	assert_int_equal(write(e->peer, text, strlen(text)), strlen(text));
}

static void
lines_end_with_crlf_alone(void **state)
{
	struct ends e;
	struct span line;
	(void)state;
	make(&e);
	say(&e, "EHLO a\r\nbare\nin\rside\r\n\r\nlast\r\n");
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("EHLO a")));
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_BARE);
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_BARE);
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_OK);
	assert_int_equal(line.len, 0);
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("last")));
	e.s.deadline_ms = clock_monotonic_ms() + 20;
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_TIMEOUT);
	close(e.peer);
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_CLOSED);
	stream_close(&e.s);
}

static void
a_long_line_is_read_away_whole(void **state)
{
	struct ends e;
	struct span line;
	(void)state;
	make(&e);
	if (fork() == 0) {
		char many[1000];
		memset(many, 'x', sizeof(many));
		for (int i = 0; i < 300; i++)
			if (write(e.peer, many, sizeof(many)) < 0)
				_exit(1);
		_exit(write(e.peer, "\r\nnext\r\n", 8) == 8 ? 0 : 1);
	}
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_LONG);
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("next")));
	end(&e);
}

static void
answers_are_gathered_until_nothing_is_left_to_read(void **state)
{
	struct ends e;
	struct span line;
	char got[64] = "";
	(void)state;
	make(&e);
	say(&e, "a\r\nb\r\n");
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_OK);
	assert_int_equal(stream_printf(&e.s, "%d first\r\n", 250), STREAM_OK);
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_OK);
	assert_int_equal(recv(e.peer, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(stream_put(&e.s, SPAN("251 second\r\n")), STREAM_OK);
	e.s.deadline_ms = clock_monotonic_ms() + 20;
	assert_int_equal(stream_line(&e.s, 512, &line), STREAM_TIMEOUT);
	assert_int_equal(recv(e.peer, got, sizeof(got), MSG_DONTWAIT), 23);
	assert_string_equal(got, "250 first\r\n251 second\r\n");
	assert_false(stream_has_input(&e.s));
	say(&e, "c");
	assert_true(stream_has_input(&e.s));
	end(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_with_crlf_alone),
		cmocka_unit_test(a_long_line_is_read_away_whole),
		cmocka_unit_test(answers_are_gathered_until_nothing_is_left_to_read),
	};
	return cmocka_run_group_tests_name("system/stream", tests, NULL, NULL);
}
