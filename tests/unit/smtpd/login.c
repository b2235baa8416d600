/*
 * login - AUTH with an auth that behaves, or does not
 *
 * The auth of this test answers by the response it is given: see `answer`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text/base64.h"
#include "smtpd/login.h"
#include "tests/unit/smtpd/driver.h"

#define LINE_MAX_BYTES 20000

static struct driver driver;
static char auth_path[120], line[LINE_MAX_BYTES];
static pid_t auth;

/* ---- auth ---- */

static void
answer(int fd, uint32_t request, struct span response)
{
	const struct auth_challenge more = {.data = response};
	const struct auth_success success = {.login = SPAN("ann@example.org")};
	const struct auth_failure wrong = {.reason = AUTH_WRONG}, malformed = {AUTH_MALFORMED},
				  binding = {AUTH_BINDING}, downgrade = {AUTH_DOWNGRADE};
	const struct auth_trouble trouble = {.guesses = 0}, guesses = {.guesses = 1};

	if (span_equal(response, SPAN("success")))
		driver_answer(fd, auth_answers, AUTH_SUCCESS, request, &success, NULL);
	else if (span_equal(response, SPAN("late success")))
		driver_answer(fd, auth_answers, AUTH_SUCCESS, request + 1, &success, NULL);
	else if (span_equal(response, SPAN("wrong")))
		driver_answer(fd, auth_answers, AUTH_FAILURE, request, &wrong, NULL);
	else if (span_equal(response, SPAN("malformed")))
		driver_answer(fd, auth_answers, AUTH_FAILURE, request, &malformed, NULL);
	else if (span_equal(response, SPAN("binding")))
		driver_answer(fd, auth_answers, AUTH_FAILURE, request, &binding, NULL);
	else if (span_equal(response, SPAN("downgrade")))
		driver_answer(fd, auth_answers, AUTH_FAILURE, request, &downgrade, NULL);
	else if (span_equal(response, SPAN("trouble")))
		driver_answer(fd, auth_answers, AUTH_TROUBLE, request, &trouble, NULL);
	else if (span_equal(response, SPAN("guesses")))
		driver_answer(fd, auth_answers, AUTH_TROUBLE, request, &guesses, NULL);
	else if (span_equal(response, SPAN("a question")))
		driver_answer(fd, auth_calls, AUTH_CANCEL, request, NULL, NULL);
	else
		driver_answer(fd, auth_answers, AUTH_CHALLENGE, request, &more, NULL);
}

static bool
serve_one(int fd)
{
	static char in[CHANNEL_MAX];
	struct auth_start start;
	struct auth_continue more;
	struct wire_header h;
	size_t len;

	if (channel_receive_wait(fd, in, &len, NULL, INT64_MAX) != CHANNEL_OK ||
	    wire_peek(span_from(in, len), &h) == -1)
		return false;
	struct span datagram = span_from(in, len), response;
	if (h.type == AUTH_START) {
		if (wire_decode(datagram, wire_find(auth_calls, AUTH_START), &start) == -1 ||
		    !span_equal(start.client, SPAN("127.0.0.1")))
			return false;
		response = start.response;
	} else {
		if (wire_decode(datagram, wire_find(auth_calls, AUTH_CONTINUE), &more) == -1)
			return false;
		response = more.response;
	}
	if (span_equal(response, SPAN("die")))
		return false;
	if (span_equal(response, SPAN("garbage")))
		return send(fd, "garbage", 7, MSG_NOSIGNAL) == 7;
	answer(fd, h.request, response);
	return true;
}

_Noreturn static void
serve(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		while (serve_one(fd))
			continue;
		close(fd);
	}
}

/* ---- the client ---- */

static void
begin(bool has_auth)
{
	static char origin[] = "example.org";
	int pair[2], listener;

	driver_start(&driver, FAULT_NONE, true);
	snprintf(auth_path, sizeof(auth_path), "%s/auth", driver.folder);
	driver.config.auth.may_be_clear = true;
	driver.config.origin = origin;
	driver.config.extension = '+';
	driver.listen.role = CONFIG_SUBMISSION;
	driver.listen.offers_auth = true;
	auth = 0;
	if (has_auth) {
		listener = driver_listener(auth_path);
		auth = fork();
		if (auth == 0)
			serve(listener);
		close(listener);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	driver.session = fork();
	if (driver.session == 0) {
		struct session_start start = driver_session(&driver, pair[1], "127.0.0.1");
		start.auth = has_auth ? auth_path : NULL;
		close(pair[0]);
		session_prepare();
		session_serve(&start);
		_exit(0);
	}
	close(pair[1]);
	driver.client = pair[0];
}

static void
end(void)
{
	if (auth > 0) {
		kill(auth, SIGKILL);
		waitpid(auth, NULL, 0);
	}
	unlink(auth_path);
	driver_stop(&driver);
}

static bool
read_line(void)
{
	struct pollfd p = {.fd = driver.client, .events = POLLIN};
	size_t n = 0;

	for (;;) {
		if (poll(&p, 1, DRIVER_WAIT_MS) != 1)
			fail_msg("nothing comes");
		if (n + 1 == sizeof(line) || read(driver.client, &line[n], 1) != 1)
			return false;
		if (line[n++] == '\n')
			break;
	}
	line[n - 2] = '\0';
	return true;
}

static void
expect(const char *reply)
{
	do {
		if (!read_line())
			fail_msg("closed instead of %s", reply);
	} while (line[3] == '-');
	if (strncmp(line, reply, strlen(reply)) != 0)
		fail_msg("instead of %s: %s", reply, line);
}

static void
ask(const char *command, const char *reply)
{
	char text[LINE_MAX_BYTES];
	int len = snprintf(text, sizeof(text), "%s\r\n", command);

	assert_true(write(driver.client, text, (size_t)len) == len);
	expect(reply);
}

/* a response of that text, as base64 behind `before` */
static void
respond(const char *before, const char *response, const char *reply)
{
	char command[LINE_MAX_BYTES];
	int len = snprintf(command, sizeof(command), "%s", before);

	base64_encode(span_of(response), command + len);
	ask(command, reply);
}

static void
greeted(bool has_auth)
{
	begin(has_auth);
	expect("220 ");
	ask("EHLO client.example", "250 ");
}

/* ---- what is promised ---- */

static void
every_answer_of_auth_has_its_reply(void **state)
{
	static const char *const replies[][2] = {
		{"wrong", "535 5.7.8"},
		{"malformed", "501 5.5.2"},
		{"binding", "535 5.7.8 channel"},
		{"downgrade", "535 5.7.8 channel binding is offered"},
		{"trouble", "454 4.7.0 pa"},
		{"guesses", "454 4.7.0 too"},
		{"success", "235 2.7.0"}};
	(void)state;
	greeted(true);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		respond("AUTH PLAIN ", replies[i][0], replies[i][1]);
	ask("MAIL FROM:<ann@example.org>", "250");
	end();
}

static void
what_is_no_answer_is_no_login(void **state)
{
	static const char *const wrong[] = {"garbage", "die", "late success", "a question"};
	(void)state;
	greeted(true);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		respond("AUTH PLAIN ", wrong[i], "454 4.7.0");
		respond("AUTH LOGIN ", "go on", "334 Z28gb24=");
		respond("", wrong[i], "454 4.7.0");
		ask("MAIL FROM:<ann@example.org>", "530 5.7.0");
	}
	respond("AUTH PLAIN ", "success", "235");
	end();
}

static void
without_auth_there_is_454_and_not_a_login(void **state)
{
	(void)state;
	greeted(false);
	respond("AUTH PLAIN ", "success", "454 4.7.0");
	ask("MAIL FROM:<ann@example.org>", "530");
	end();
}

static void
a_cancelled_exchange_leaves_nothing_behind(void **state)
{
	(void)state;
	greeted(true);
	for (int i = 0; i < 3; i++) {
		respond("AUTH LOGIN ", "go on", "334");
		ask("*", "501 5.7.0");
	}
	respond("AUTH LOGIN ", "go on", "334");
	respond("", "success", "235");
	end();
}

static void
a_challenge_may_be_longer_than_a_reply(void **state)
{
	char response[1501], encoded[BASE64_SIZE(sizeof(response)) + 5] = "334 ";
	(void)state;
	memset(response, 'x', sizeof(response) - 1);
	response[sizeof(response) - 1] = '\0';
	base64_encode(span_of(response), encoded + 4);
	greeted(true);
	respond("AUTH LOGIN ", response, encoded);
	respond("", "success", "235");
	end();
}

static void
the_fifth_failure_is_the_last(void **state)
{
	(void)state;
	greeted(true);
	for (int i = 0; i < 4; i++)
		respond("AUTH PLAIN ", i % 2 ? "wrong" : "malformed", i % 2 ? "535" : "501");
	respond("AUTH PLAIN ", "trouble", "454");
	respond("AUTH PLAIN ", "wrong", "535");
	expect("421 4.7.0");
	assert_false(read_line());
	end();
}

static void
a_login_sends_as_itself(void **state)
{
	(void)state;
	greeted(true);
	respond("AUTH PLAIN ", "success", "235");
	ask("MAIL FROM:<ann@example.org>", "250");
	ask("RCPT TO:<x@elsewhere.example>", "250");
	ask("RSET", "250");
	ask("MAIL FROM:<ann+tag@example.org>", "250");
	ask("RSET", "250");
	ask("MAIL FROM:<>", "250");
	ask("RSET", "250");
	ask("MAIL FROM:<bob@example.org>", "553 5.7.1");
	ask("MAIL FROM:<ann@example.net>", "553 5.7.1");
	ask("MAIL FROM:<an@example.org>", "553 5.7.1");
	ask("MAIL FROM:<\"ann+x\"@example.org.net>", "553 5.7.1");
	end();
}

static void
nobody_logs_in_where_somebody_may_listen(void **state)
{
	(void)state;
	begin(true);
	expect("220 ");
	ask("HELO client.example", "250 ");
	respond("AUTH PLAIN ", "success", "503 5.5.1");
	end();
	driver.config.auth.may_be_clear = false;
	struct session s = {.config = &driver.config, .listen = &driver.listen};
	s.address.ss_family = AF_INET;
	((struct sockaddr_in *)&s.address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_false(login_is_private(&s));
	driver.config.auth.may_be_clear = true;
	assert_true(login_is_private(&s));
	((struct sockaddr_in *)&s.address)->sin_addr.s_addr = htonl(0xc0000201);
	assert_false(login_is_private(&s));
	s.address.ss_family = AF_INET6;
	((struct sockaddr_in6 *)&s.address)->sin6_addr = in6addr_loopback;
	assert_true(login_is_private(&s));
	((struct sockaddr_in6 *)&s.address)->sin6_addr = in6addr_any;
	assert_false(login_is_private(&s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_of_auth_has_its_reply),
		cmocka_unit_test(what_is_no_answer_is_no_login),
		cmocka_unit_test(without_auth_there_is_454_and_not_a_login),
		cmocka_unit_test(a_cancelled_exchange_leaves_nothing_behind),
		cmocka_unit_test(a_challenge_may_be_longer_than_a_reply),
		cmocka_unit_test(the_fifth_failure_is_the_last),
		cmocka_unit_test(a_login_sends_as_itself),
		cmocka_unit_test(nobody_logs_in_where_somebody_may_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
