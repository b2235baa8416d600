/*
 * session - whole dialogues, with an intake and a lookup that behave or do not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtpd/shortage.h"
#include "tests/unit/smtpd/driver.h"

#include "common/system/events.h"

#define RELAY "127.0.0.1"
#define STRANGER "192.0.2.1"

static struct driver driver;

/* ---- our side of the connection ---- */

static void
begin(struct driver *d, const char *address, const char *early)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	if (early != NULL)
		assert_int_equal(write(pair[0], early, strlen(early)), strlen(early));
	d->session = fork();
	if (d->session == 0) {
		struct session_start start = driver_session(d, pair[1], address);
		close(pair[0]);
		session_prepare();
		session_serve(&start);
		_exit(0);
	}
	close(pair[1]);
	d->client = pair[0];
}

static void
say(struct driver *d, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(d->client, text, len, MSG_NOSIGNAL);
		assert_true(n > 0);
		text += n;
		len -= (size_t)n;
	}
}

static bool
read_byte(int fd, char *c)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, DRIVER_WAIT_MS) != 1)
		fail_msg("nothing comes");
	return read(fd, c, 1) == 1;
}

static bool
read_line_of(int fd, char *to, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read_byte(fd, &to[n]) && to[n] != '\n')
		n++;
	to[n < size ? n : size - 1] = '\0';
	return n > 0;
}

/* the next reply must begin so (its last line, when it has several) */
static void
expect(struct driver *d, const char *reply)
{
	do {
		if (!read_line_of(d->client, d->text, sizeof(d->text)))
			fail_msg("closed instead of %s", reply);
		assert_true(strlen(d->text) >= 5 && strlen(d->text) <= 511);
		assert_int_equal(d->text[strlen(d->text) - 1], '\r');
	} while (d->text[3] == '-');
	if (strncmp(d->text, reply, strlen(reply)) != 0)
		fail_msg("instead of %s: %s", reply, d->text);
}

static void
ask(struct driver *d, const char *command, const char *reply)
{
	say(d, command, strlen(command));
	say(d, "\r\n", 2);
	expect(d, reply);
}

static void
expect_end(struct driver *d)
{
	char c;

	assert_false(read_byte(d->client, &c));
	close(d->client);
	d->client = -1;
	int status;
	assert_int_equal(waitpid(d->session, &status, 0), d->session);
	assert_int_equal(status, 0);
	d->session = 0;
}

static void
expect_told(struct driver *d, const char *line)
{
	if (!read_line_of(d->told, d->text, sizeof(d->text)))
		fail_msg("the intake has ended instead of %s", line);
	if (strncmp(d->text, line, strlen(line)) != 0)
		fail_msg("instead of %s: %s", line, d->text);
}

static void
greeted(struct driver *d, enum fault fault, const char *address)
{
	driver_start(d, fault, true);
	begin(d, address, NULL);
	expect(d, "220 mx.example.org ESMTP");
	ask(d, "EHLO client.example", "250 ");
}

static void
quit(struct driver *d)
{
	ask(d, "QUIT", "221 2.0.0 ");
	expect_end(d);
	driver_stop(d);
}

static void
enveloped(struct driver *d, enum fault fault)
{
	greeted(d, fault, STRANGER);
	ask(d, "MAIL FROM:<a@b.example> SIZE=100", "250 2.1.0 ");
	ask(d, "RCPT TO:<c@example.org>", "250 2.1.5 ");
}

/* ---- dialogues ---- */

static void
a_message_is_kept_before_250(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, FAULT_NONE);
	ask(d, "DATA", "354 ");
	ask(d, "Subject: x\r\n\r\n..\r\nb\xe4\r\n.", "250 2.0.0 kept as 5000000000001");
	expect_told(d, "OPEN 100");
	expect_told(d, "ENVELOPE from=a@b.example helo=client.example with=ESMTP client=192.0.2.1 "
		       "high=1 size=21 ok");
	expect_told(d, "TO c@example.org");
	expect_told(d, "COMMIT 1");
	expect_told(d, "KEEP");
	/* the connection to the intake serves the next one too */
	ask(d, "HELO [192.0.2.1]", "250 mx.example.org");
	ask(d, "MAIL FROM:<>", "250 2.1.0 ");
	ask(d, "RCPT TO:<postmaster>", "250 2.1.5 ");
	ask(d, "DATA", "354 ");
	ask(d, ".", "250 2.0.0 kept as 5000000000002");
	expect_told(d, "OPEN 0");
	expect_told(d,
		    "ENVELOPE from= helo=[192.0.2.1] with=SMTP client=192.0.2.1 high=0 size=0 ok");
	expect_told(d, "TO postmaster@mx.example.org");
	expect_told(d, "COMMIT 1");
	expect_told(d, "KEEP");
	ask(d, "QUIT", "221 ");
	expect_end(d);
	expect_told(d, "GONE");
	driver_stop(d);
}

static void
commands_have_their_turn(void **state)
{
	struct driver *d = &driver;
	(void)state;

	driver_start(d, FAULT_NONE, true);
	begin(d, STRANGER, NULL);
	expect(d, "220 ");
	ask(d, "MAIL FROM:<a@b.example>", "503 5.5.1 ");
	ask(d, "RCPT TO:<c@example.org>", "503 5.5.1 ");
	ask(d, "DATA", "503 5.5.1 ");
	ask(d, "EHLO", "501 5.5.4 ");
	ask(d, "EHLO bad name", "501 5.5.4 ");
	ask(d, "EHLO \xc3\xa4", "501 5.5.4 ");
	ask(d, "ehlo my_pc.example", "250 HELP");
	ask(d, "RCPT TO:<c@example.org>", "503 5.5.1 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 2.1.0 ");
	ask(d, "MAIL FROM:<a@b.example>", "503 5.5.1 ");
	ask(d, "DATA", "554 5.5.1 ");
	ask(d, "RCPT TO:<nobody@example.org>", "550 5.1.1 <nobody@example.org>: no such user");
	ask(d, "DATA", "554 5.5.1 ");
	ask(d, "RSET", "250 2.0.0 ");
	ask(d, "RCPT TO:<c@example.org>", "503 5.5.1 ");
	ask(d, "EXPN list", "502 5.5.1 ");
	ask(d, "XYZZY", "500 5.5.2 ");
	ask(d, " NOOP", "500 5.5.2 ");
	ask(d, "", "500 5.5.2 ");
	ask(d, "noop whatever", "250 2.0.0 ");
	ask(d, "HELP", "214 2.0.0 ");
	ask(d, "VRFY c@example.org", "252 2.1.5 ");
	quit(d);
}

static void
parameters_are_checked(void **state)
{
	struct driver *d = &driver;
	(void)state;

	greeted(d, FAULT_NONE, STRANGER);
	ask(d, "MAIL FROM:<a@b.example> SIZE=1048577", "552 5.3.4 ");
	ask(d, "MAIL FROM:<a@b.example> SIZE=-1", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> SIZE=5 SIZE=5", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> BODY=BINARYMIME", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> SMTPUTF8=yes", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> RET=SOME", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> RET=FULL RET=FULL", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> ENVID=", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> ENVID=a=b", "501 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> AUTH=<>", "555 5.5.4 ");
	ask(d, "MAIL FROM:<\xc3\xa4@b.example>", "553 5.6.7 ");
	ask(d, "MAIL FROM:<\xc3\xff@b.example> SMTPUTF8", "501 5.1.7 ");
	ask(d, "MAIL FROM:<a>", "501 5.1.7 ");
	ask(d, "MAIL FROM:<postmaster>", "501 5.1.7 ");
	ask(d, "MAIL FROM:", "501 5.1.7 ");
	ask(d, "MAIL TO:<a@b.example>", "501 5.5.4 ");
	ask(d, "MAIL FROM: a@b.example  body=8bitmime size=1048576", "250 2.1.0 ");
	ask(d, "RCPT TO:<c@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> NOTIFY=SUCCESS,SUCCESS", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> NOTIFY=SUCCESS,", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> NOTIFY", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> ORCPT=c@example.org", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> ORCPT=utf-8;\xc3\xa4@example.org", "501 5.5.4 ");
	ask(d, "RCPT TO:<c@example.org> SIZE=3", "555 5.5.4 ");
	ask(d, "RCPT TO:<\xc3\xa4@example.org>", "553 5.6.7 ");
	ask(d, "RCPT TO:<>", "501 5.1.3 ");
	ask(d, "RCPT TO:<c>", "501 5.1.3 ");
	ask(d, "RCPT TO:<\xff@example.org>", "501 5.1.3 ");
	ask(d, "RCPT FROM:<c@example.org>", "501 5.5.4 ");
	ask(d, "DATA now", "501 5.5.4 ");
	quit(d);
}

static void
tls_is_waived_by_the_header_and_demanded_within_tls_alone(void **state)
{
	static const struct {
		const char *header;
		bool waives;
	} cases[] = {
		{"TLS-Required: No", true},
		{"tls-required:NO \t", true},
		{"TLS-Required: Yes", false},
		{"TLS-Required: Nothing", false},
		{"X-TLS-Required: No", false},
		{"TLS-Required:", false},
		{"Subject: x\r\n\r\nTLS-Required: No", false},
	};
	struct driver *d = &driver;
	char text[200];
	(void)state;

	greeted(d, FAULT_NONE, STRANGER);
	ask(d, "MAIL FROM:<a@b.example> REQUIRETLS", "530 5.7.10 ");
	ask(d, "MAIL FROM:<a@b.example> REQUIRETLS=yes", "501 5.5.4 ");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(d, "MAIL FROM:<a@b.example>", "250 ");
		ask(d, "RCPT TO:<c@example.org>", "250 ");
		ask(d, "DATA", "354 ");
		snprintf(text, sizeof(text), "%s\r\n\r\nx\r\n.", cases[i].header);
		ask(d, text, "250 2.0.0 ");
		expect_told(d, "OPEN 0");
		snprintf(text, sizeof(text),
			 "ENVELOPE from=a@b.example helo=client.example with=ESMTP "
			 "client=192.0.2.1 high=0 size=%zu%s ok",
			 strlen(cases[i].header) + 7, cases[i].waives ? " demand=2" : "");
		expect_told(d, text);
		expect_told(d, "TO c@example.org");
		expect_told(d, "COMMIT 1");
		expect_told(d, "KEEP");
	}
	quit(d);
}

static void
what_is_said_of_notices_goes_with_the_message(void **state)
{
	struct driver *d = &driver;
	(void)state;

	greeted(d, FAULT_NONE, STRANGER);
	ask(d, "MAIL FROM:<\xc3\xa4@B.example> SMTPUTF8 ret=hdrs ENVID=QQ+2B1", "250 2.1.0 ");
	ask(d, "RCPT TO:<c@example.org> notify=success,Delay ORCPT=RFC822;C+2Bd@example.org",
	    "250 2.1.5 ");
	ask(d, "RCPT TO:<d\xc3\xa4@example.org> NOTIFY=NEVER ORCPT=utf-8;d\xc3\xa4@example.org",
	    "250 2.1.5 ");
	ask(d, "RCPT TO:<e@example.org>", "250 2.1.5 ");
	ask(d, "DATA", "354 ");
	ask(d, "x\r\n.", "250 2.0.0 kept as 5000000000001");
	expect_told(d, "OPEN 0");
	expect_told(d, "ENVELOPE from=\xc3\xa4@b.example helo=client.example with=UTF8SMTP "
		       "client=192.0.2.1 high=0 size=3 utf8 ret=2 envid=QQ+1 ok");
	expect_told(d, "TO c@example.org notify=10 orcpt=rfc822;C+d@example.org");
	expect_told(d, "TO d\xc3\xa4@example.org notify=1 orcpt=utf-8;d\xc3\xa4@example.org");
	expect_told(d, "TO e@example.org");
	expect_told(d, "COMMIT 3");
	expect_told(d, "KEEP");
	/* of the next message nothing of it is left, and who says HELO has none of it */
	ask(d, "MAIL FROM:<\xc3\xa4@b.example>", "553 5.6.7 ");
	ask(d, "HELO client.example", "250 ");
	ask(d, "MAIL FROM:<a@b.example> SMTPUTF8", "555 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example> SIZE=3", "555 5.5.4 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org> NOTIFY=NEVER", "555 5.5.4 ");
	quit(d);
}

static void
strangers_do_not_relay_and_are_told_nothing(void **state)
{
	struct driver *d = &driver;
	(void)state;

	greeted(d, FAULT_NONE, STRANGER);
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<x@elsewhere.example>", "550 5.7.1 ");
	ask(d, "RCPT TO:<trouble@example.org>",
	    "451 4.3.0 <trouble@example.org>: a table is broken");
	ask(d, "VRFY nobody@example.org", "252 ");
	quit(d);
	greeted(d, FAULT_NONE, RELAY);
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<x@elsewhere.example>", "250 2.1.5 ");
	ask(d, "VRFY <nobody@example.org>", "550 5.1.1 ");
	ask(d, "VRFY c@example.org", "250 2.1.5 <c@example.org>");
	ask(d, "VRFY x@elsewhere.example", "252 2.1.5 ");
	quit(d);
}

static void
pipelined_recipients_are_answered_in_their_order(void **state)
{
	struct driver *d = &driver;
	static char group[400000], wanted[40];
	int n = 0;
	(void)state;

	greeted(d, FAULT_NONE, STRANGER);
	n += snprintf(group + n, sizeof(group) - (size_t)n, "MAIL FROM:<a@b.example>\r\n");
	for (int i = 0; i < 1000; i++)
		n += snprintf(group + n, sizeof(group) - (size_t)n,
			      i % 10 == 3   ? "RCPT TO:<nobody%d@example.org>\r\n"
			      : i % 10 == 7 ? "RCPT TO:<c0@example.org>\r\n"
					    : "RCPT TO:<c%d@example.org>\r\n",
			      i);
	n += snprintf(group + n, sizeof(group) - (size_t)n, "DATA\r\n");
	say(d, group, (size_t)n);
	expect(d, "250 2.1.0 ");
	for (int i = 0; i < 1000; i++) {
		snprintf(wanted, sizeof(wanted), "550 5.1.1 <nobody%d@", i);
		expect(d, i % 10 == 3 ? wanted : "250 2.1.5 ");
	}
	expect(d, "354 ");
	ask(d, "x\r\n.", "250 2.0.0 ");
	expect_told(d, "OPEN");
	/* 800, and c0 once */
	expect_told(d, "ENVELOPE");
	for (int i = 0; i < 1000; i++) {
		if (i % 10 == 3 || i % 10 == 7)
			continue;
		snprintf(wanted, sizeof(wanted), "TO c%d@example.org", i);
		expect_told(d, wanted);
	}
	expect_told(d, "COMMIT 800");
	quit(d);
}

static void
talk_out_of_turn_ends_the_session(void **state)
{
	/* clang-format off */
	static const char *const groups[] = {
		"EHLO x.example\r\nMAIL FROM:<a@b.example>\r\n",
		"NOOP\r\nMAIL FROM:<a@b.example>\r\n",
		"VRFY x\r\nNOOP\r\n",
		"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@example.org>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n",
	};
	/* clang-format on */
	struct driver *d = &driver;
	(void)state;

	driver_start(d, FAULT_NONE, true);
	begin(d, STRANGER, "EHLO early.example\r\n");
	expect(d, "554 5.5.1 ");
	shutdown(d->client, SHUT_WR);
	expect_end(d);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		begin(d, STRANGER, NULL);
		expect(d, "220 ");
		ask(d, "EHLO client.example", "250 ");
		say(d, groups[i], strlen(groups[i]));
		if (i == 3) {
			expect(d, "250 ");
			expect(d, "250 ");
		}
		expect(d, "554 5.5.1 ");
		shutdown(d->client, SHUT_WR);
		expect_end(d);
	}
	driver_stop(d);
}

static void
limits_end_with_a_reason(void **state)
{
	struct driver *d = &driver;
	static char line[10000];
	(void)state;

	driver_start(d, FAULT_NONE, true);
	d->listen.limits.errors = 3;
	d->listen.limits.commands = 5;
	d->listen.limits.recipients = 2;
	d->listen.limits.command_time = 300;
	begin(d, STRANGER, NULL);
	expect(d, "220 ");
	memset(line, 'x', sizeof(line) - 1);
	ask(d, line, "500 5.5.2 ");
	ask(d, "NO\rOP", "500 5.5.2 ");
	ask(d, "GARBAGE", "500 5.5.2 ");
	expect(d, "421 4.7.0 ");
	expect_end(d);
	begin(d, STRANGER, NULL);
	expect(d, "220 ");
	for (int i = 0; i < 5; i++)
		ask(d, "NOOP", "250 ");
	expect(d, "421 4.7.0 ");
	expect_end(d);
	begin(d, STRANGER, NULL);
	expect(d, "220 ");
	expect(d, "421 4.4.2 ");
	expect_end(d);
	d->listen.limits.commands = 50;
	begin(d, STRANGER, NULL);
	expect(d, "220 ");
	ask(d, "EHLO client.example", "250 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<1@example.org>", "250 ");
	ask(d, "RCPT TO:<1@example.org>", "250 ");
	ask(d, "RCPT TO:<2@example.org>", "250 ");
	ask(d, "RCPT TO:<3@example.org>", "452 4.5.3 ");
	ask(d, "DATA", "354 ");
	ask(d, ".", "250 2.0.0 ");
	quit(d);
}

static void
content_is_refused_after_its_true_end(void **state)
{
	static const char *const cases[][2] = {
		{"a\n.\nQUIT\r\n.", "550 5.6.11 "},
		{"a\r\n.\r\r\nQUIT\r\n.", "550 5.6.11 "},
		{"Received: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\nReceived: "
		 "5\r\nReceived: 6\r\n.",
		 "554 5.4.6 "},
	};
	struct driver *d = &driver;
	static char big[(1 << 20) + 4000];
	(void)state;

	greeted(d, FAULT_NONE, RELAY);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(d, "MAIL FROM:<a@b.example>", "250 ");
		ask(d, "RCPT TO:<c@example.org>", "250 ");
		ask(d, "DATA", "354 ");
		ask(d, cases[i][0], cases[i][1]);
		expect_told(d, "OPEN");
		expect_told(d, "ABANDON");
	}
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 ");
	ask(d, "DATA", "354 ");
	say(d, "a\r\n\0.\r\nb\r\n", 10);
	ask(d, ".", "550 5.6.0 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 ");
	ask(d, "DATA", "354 ");
	memset(big, 'x', 3000);
	memcpy(big + 3000, "\r\n.", 4);
	ask(d, big, "550 5.6.0 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 ");
	ask(d, "DATA", "354 ");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i % 100 == 98 ? '\r' : i % 100 == 99 ? '\n' : 'x';
	say(d, big, sizeof(big) - sizeof(big) % 100);
	ask(d, ".", "552 5.3.4 ");
	quit(d);
}

static void
chunks_are_joined_as_they_were_counted(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, FAULT_NONE);
	/* a dot is only a dot; a CRLF may be cut in two; the next command follows the last byte */
	ask(d, "BDAT 16\r\nSubject: x\r\n\r\n.\rBDAT 4 LAST\r\n\nb\r\nNOOP", "250 2.0.0 16 bytes");
	expect(d, "250 2.0.0 kept as 5000000000001");
	expect(d, "250 ");
	expect_told(d, "OPEN 100");
	expect_told(d, "ENVELOPE from=a@b.example helo=client.example with=ESMTP client=192.0.2.1 "
		       "high=0 size=20 ok");
	expect_told(d, "TO c@example.org");
	expect_told(d, "COMMIT 1");
	expect_told(d, "KEEP");
	/* nothing but chunks and the ways out, until the last */
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 ");
	say(d, "BDAT 3\r\nab\r", 11);
	expect(d, "250 2.0.0 3 bytes");
	ask(d, "DATA", "503 5.5.1 ");
	ask(d, "RCPT TO:<c@example.org>", "503 5.5.1 ");
	ask(d, "RSET", "250 ");
	expect_told(d, "OPEN");
	expect_told(d, "ABANDON");
	ask(d, "BDAT 6 LAST\r\nQUIT", "503 5.5.1 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "BDAT 6 LAST\r\nQUIT", "554 5.5.1 ");
	ask(d, "RSET", "250 ");
	quit(d);
}

static void
chunks_are_read_away_when_they_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{"BDAT 4\r\na\nb\n", "550 5.6.11 "},
		{"BDAT 2 LAST\r\na\r", "550 5.6.11 "},
	};
	struct driver *d = &driver;
	(void)state;

	greeted(d, FAULT_NONE, RELAY);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(d, "MAIL FROM:<a@b.example>", "250 ");
		ask(d, "RCPT TO:<c@example.org>", "250 ");
		say(d, cases[i][0], strlen(cases[i][0]));
		expect(d, cases[i][1]);
		expect_told(d, "OPEN");
		expect_told(d, "ABANDON");
		ask(d, "RSET", "250 ");
	}
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 ");
	say(d, "BDAT 3\r\na\0b", 11);
	say(d, "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n", 33);
	expect(d, "250 2.0.0 3 bytes");
	expect(d, "250 2.0.0 6 bytes");
	expect(d, "550 5.6.0 ");
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 ");
	say(d, "BDAT 3\r\na\nbBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n", 44);
	expect(d, "550 5.6.11 ");
	expect(d, "503 5.5.1 ");
	expect(d, "503 5.5.1 ");
	/* where a chunk ends is not known: nothing of it may be taken for a command */
	ask(d, "BDAT all\r\nQUIT", "501 5.5.4 ");
	expect_end(d);
	driver_stop(d);
}

/* ---- the promise, with each trouble in turn ---- */

static void
a_refusal_comes_before_the_data(void **state)
{
	static const struct {
		enum fault fault;
		const char *reply;
	} cases[] = {
		{FAULT_REFUSES_OPEN, "452 4.3.1 the disk is full"},
		{FAULT_CLOSES_AT_OPEN, "451 4.3.0 "},
		{FAULT_GARBAGE, "451 4.3.0 "},
	};
	struct driver *d = &driver;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enveloped(d, cases[i].fault);
		ask(d, "DATA", cases[i].reply);
		ask(d, "MAIL FROM:<a@b.example>", "250 2.1.0 ");
		quit(d);
	}
}

static void
a_queue_manager_that_was_restarted_is_asked_again(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, FAULT_CLOSES_AT_OPEN_ONCE);
	ask(d, "DATA", "354 ");
	ask(d, "x\r\n.", "250 2.0.0 ");
	quit(d);
}

static void
what_is_not_on_the_disk_is_not_accepted(void **state)
{
	static const struct {
		enum fault fault;
		const char *reply, *told;
	} cases[] = {
		{FAULT_FULL_FILE, "452 4.3.1 ", "ABANDON"},
		{FAULT_CLOSES_AT_COMMIT, "451 4.3.0 ", "GONE"},
		{FAULT_REFUSES_COMMIT, "452 4.3.1 the disk is full", NULL},
		{FAULT_NO_SYNC, "451 4.3.0 ", "ABANDON"},
	};
	struct driver *d = &driver;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enveloped(d, cases[i].fault);
		ask(d, "DATA", "354 ");
		ask(d, "x\r\n.", cases[i].reply);
		expect_told(d, "OPEN 100");
		if (cases[i].fault != FAULT_FULL_FILE) {
			expect_told(d, "ENVELOPE");
			expect_told(d, "TO c@example.org");
			expect_told(d, "COMMIT 1");
		}
		if (cases[i].told != NULL)
			expect_told(d, cases[i].told);
		/* and never KEEP */
		ask(d, "QUIT", "221 ");
		expect_end(d);
		if (cases[i].fault != FAULT_CLOSES_AT_COMMIT)
			expect_told(d, "GONE");
		driver_stop(d);
	}
}

static void
what_is_on_the_disk_is_accepted_though_nobody_hears_keep(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, FAULT_CLOSES_AFTER_QUEUED);
	ask(d, "DATA", "354 ");
	ask(d, "x\r\n.", "250 2.0.0 kept as 5000000000001");
	quit(d);
}

/* the content of a message that is queued, and the answer to it */
static void
hand_in(struct driver *d, const char *reply)
{
	ask(d, "DATA", "354 ");
	ask(d, "x\r\n.", reply);
	expect_told(d, "OPEN 100");
	expect_told(d, "ENVELOPE");
	expect_told(d, "TO c@example.org");
	expect_told(d, "COMMIT 1 early");
}

static void
what_is_delivered_already_is_not_synced(void **state)
{
	struct driver *d = &driver;
	(void)state;

	/* its descriptor cannot be synced: 250 shows that nobody tried; and no KEEP is said */
	enveloped(d, EARLY_DELIVERED);
	hand_in(d, "250 2.0.0 kept as 5000000000001");
	ask(d, "QUIT", "221 ");
	expect_end(d);
	expect_told(d, "GONE");
	driver_stop(d);
}

static void
what_all_have_refused_is_handed_back(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, EARLY_REFUSED);
	hand_in(d, "554 5.7.1 not liked there");
	expect_told(d, "ANSWERED");
	/* the session serves on */
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	quit(d);
}

static void
what_is_not_finished_is_kept(void **state)
{
	const enum fault cases[] = {EARLY_NOT, EARLY_REFUSED_WITHOUT_CODE};
	struct driver *d = &driver;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enveloped(d, cases[i]);
		hand_in(d, "250 2.0.0 kept as 5000000000001");
		expect_told(d, "KEEP");
		quit(d);
	}
	enveloped(d, EARLY_CLOSES);
	hand_in(d, "250 2.0.0 kept as 5000000000001");
	expect_told(d, "GONE");
	quit(d);
}

static void
a_verdict_after_the_deadline_is_not_taken_for_the_next_one(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, EARLY_TOO_LATE);
	for (int i = 0; i < 2; i++) {
		if (i > 0) {
			ask(d, "MAIL FROM:<a@b.example> SIZE=100", "250 ");
			ask(d, "RCPT TO:<c@example.org>", "250 ");
		}
		hand_in(d, "250 2.0.0 kept as 500000000000");
		expect_told(d, "KEEP");
	}
	quit(d);
}

static void
nobody_waits_when_sessions_run_short(void **state)
{
	struct driver *d = &driver;
	(void)state;

	shortage_start();
	for (uint64_t sessions = 75; sessions <= 76; sessions++) {
		shortage_tell(sessions, 100);
		enveloped(d, FAULT_NONE);
		ask(d, "DATA", "354 ");
		ask(d, "x\r\n.", "250 ");
		expect_told(d, "OPEN 100");
		expect_told(d, "ENVELOPE");
		expect_told(d, "TO c@example.org");
		expect_told(d, "COMMIT 1");
		assert_int_equal(strcmp(d->text, "COMMIT 1 early") == 0, sessions == 75);
		quit(d);
	}
	shortage_tell(0, 100);
}

static void
a_client_that_leaves_in_the_data_leaves_nothing(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, FAULT_NONE);
	ask(d, "DATA", "354 ");
	say(d, "half a mess", 11);
	shutdown(d->client, SHUT_WR);
	expect_end(d);
	expect_told(d, "OPEN 100");
	expect_told(d, "ABANDON");
	expect_told(d, "GONE");
	driver_stop(d);
}

static void
one_file_serves_mail_after_rset(void **state)
{
	struct driver *d = &driver;
	(void)state;

	enveloped(d, FAULT_NONE);
	ask(d, "RSET", "250 ");
	ask(d, "MAIL FROM:<second@b.example>", "250 ");
	ask(d, "RSET", "250 ");
	ask(d, "MAIL FROM:<third@b.example> SIZE=5000", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 2.1.5 ");
	ask(d, "DATA", "354 ");
	ask(d, "x\r\n.", "250 2.0.0 kept as 5000000000002");
	expect_told(d, "OPEN 100");
	expect_told(d, "ABANDON");
	expect_told(d, "OPEN 5000");
	expect_told(d, "ENVELOPE from=third@b.example");
	quit(d);
}

static void
lookup_gone_is_no_permission(void **state)
{
	struct driver *d = &driver;
	(void)state;

	greeted(d, FAULT_LOOKUP_CLOSES_ONCE, STRANGER);
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "250 2.1.5 ");
	quit(d);
	greeted(d, FAULT_LOOKUP_CLOSES, RELAY);
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<c@example.org>", "451 4.3.0 ");
	ask(d, "VRFY c@example.org", "451 4.3.0 ");
	ask(d, "DATA", "554 5.5.1 ");
	/* the configuration alone knows what is none of ours */
	ask(d, "RCPT TO:<x@elsewhere.example>", "250 2.1.5 ");
	quit(d);
	greeted(d, FAULT_LOOKUP_CLOSES, STRANGER);
	ask(d, "MAIL FROM:<a@b.example>", "250 ");
	ask(d, "RCPT TO:<x@elsewhere.example>", "550 5.7.1 ");
	quit(d);
}

static void
bare_line_ends_are_repaired_for_those_who_relay(void **state)
{
	static const char *const clients[][2] = {{RELAY, "250 2.0.0 "}, {STRANGER, "550 5.6.11 "}};
	struct driver *d = &driver;
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		driver_start(d, FAULT_NONE, true);
		d->config.repair_line_ends = true;
		begin(d, clients[i][0], NULL);
		expect(d, "220 ");
		ask(d, "HELO client.example", "250 ");
		ask(d, "MAIL FROM:<a@b.example>", "250 ");
		ask(d, "RCPT TO:<c@example.org>", "250 ");
		ask(d, "DATA", "354 ");
		ask(d, "a\n.\nb\r\n.", clients[i][1]);
		expect_told(d, "OPEN 0");
		if (i == 0)
			expect_told(d, "ENVELOPE from=a@b.example helo=client.example with=SMTP "
				       "client=127.0.0.1 "
				       "high=0 size=9 ok");
		quit(d);
	}
}

static void
a_session_that_is_told_to_stop_says_so(void **state)
{
	struct driver *d = &driver;
	(void)state;

	greeted(d, FAULT_NONE, STRANGER);
	assert_int_equal(kill(d->session, SIGTERM), 0);
	expect(d, "421 4.3.2 ");
	expect_end(d);
	driver_stop(d);
	/* what is in hand is finished */
	enveloped(d, FAULT_NONE);
	ask(d, "DATA", "354 ");
	assert_int_equal(kill(d->session, SIGTERM), 0);
	ask(d, "x\r\n.", "250 2.0.0 ");
	expect(d, "421 4.3.2 ");
	expect_end(d);
	driver_stop(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_kept_before_250),
		cmocka_unit_test(commands_have_their_turn),
		cmocka_unit_test(parameters_are_checked),
		cmocka_unit_test(tls_is_waived_by_the_header_and_demanded_within_tls_alone),
		cmocka_unit_test(what_is_said_of_notices_goes_with_the_message),
		cmocka_unit_test(strangers_do_not_relay_and_are_told_nothing),
		cmocka_unit_test(pipelined_recipients_are_answered_in_their_order),
		cmocka_unit_test(talk_out_of_turn_ends_the_session),
		cmocka_unit_test(limits_end_with_a_reason),
		cmocka_unit_test(content_is_refused_after_its_true_end),
		cmocka_unit_test(chunks_are_joined_as_they_were_counted),
		cmocka_unit_test(chunks_are_read_away_when_they_are_refused),
		cmocka_unit_test(a_refusal_comes_before_the_data),
		cmocka_unit_test(a_queue_manager_that_was_restarted_is_asked_again),
		cmocka_unit_test(what_is_not_on_the_disk_is_not_accepted),
		cmocka_unit_test(what_is_on_the_disk_is_accepted_though_nobody_hears_keep),
		cmocka_unit_test(what_is_delivered_already_is_not_synced),
		cmocka_unit_test(what_all_have_refused_is_handed_back),
		cmocka_unit_test(what_is_not_finished_is_kept),
		cmocka_unit_test(a_verdict_after_the_deadline_is_not_taken_for_the_next_one),
		cmocka_unit_test(nobody_waits_when_sessions_run_short),
		cmocka_unit_test(a_client_that_leaves_in_the_data_leaves_nothing),
		cmocka_unit_test(one_file_serves_mail_after_rset),
		cmocka_unit_test(lookup_gone_is_no_permission),
		cmocka_unit_test(bare_line_ends_are_repaired_for_those_who_relay),
		cmocka_unit_test(a_session_that_is_told_to_stop_says_so),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
