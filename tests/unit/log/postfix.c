/* postfix: the words by which programs that read Postfix's logs know what has happened */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "log/postfix.h"

static struct origin origin = {.program = "queue-manager", .pid = 412};
static struct line line;
static struct buffer room, out;

static const char *
words(const char *text)
{
	char with_time[4096];

	snprintf(with_time, sizeof(with_time), "1795507351123456 %s", text);
	assert_int_equal(line_parse(span_of(with_time), &line, &room), LINE_OK);
	buffer_clear(&out);
	render_postfix(&out, &origin, &line);
	buffer_char(&out, '\0');
	return out.at;
}

/* of that program from now on */
static void
by(const char *program)
{
	snprintf(origin.program, sizeof(origin.program), "%s", program);
}

static void
a_session_is_told_from_connect_to_disconnect(void **state)
{
	(void)state;
	assert_string_equal(words("connected session=S1 client=192.0.2.1"),
			    "smtpd[412]: connect from unknown[192.0.2.1]\n");
	assert_string_equal(words("disconnected session=S1 client=192.0.2.1 reason=quit verb=QUIT "
				  "commands=5 messages=1"),
			    "smtpd[412]: disconnect from unknown[192.0.2.1] commands=5\n");
	assert_string_equal(words("disconnected session=S1 client=2001:db8::1 reason=lost "
				  "verb=AUTH commands=2 messages=0"),
			    "smtpd[412]: lost connection after AUTH from unknown[2001:db8::1]\n"
			    "smtpd[412]: disconnect from unknown[2001:db8::1] commands=2\n");
	assert_string_equal(words("connected session=S1 client=uid:1000"), "");
}

static void
refusals_have_the_words_by_which_they_are_counted(void **state)
{
	(void)state;
	by("smtpd");
	assert_string_equal(
		words("refused session=S1 client=192.0.2.1 verb=RCPT helo=x.test from=a@b.test "
		      "to=c@d.test code=550 status=5.7.1 reason=\"<c@d.test>: this host does not "
		      "relay for you\""),
		"smtpd[412]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.7.1 <c@d.test>: "
		"Relay "
		"access denied; from=<a@b.test> to=<c@d.test> proto=ESMTP helo=<x.test>\n");
	assert_string_equal(
		words("refused session=S1 client=192.0.2.1 verb=DATA helo=x.test from=a@b.test "
		      "to=c@d.test code=550 status=5.1.1 reason=\"<c@d.test>: no such user here\""),
		"smtpd[412]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1 <c@d.test>: "
		"Recipient "
		"address rejected: User unknown in local recipient table; from=<a@b.test> "
		"to=<c@d.test> "
		"proto=ESMTP helo=<x.test>\n");
	assert_string_equal(
		words("refused session=S1 client=192.0.2.1 verb=MAIL helo=\"\" from=\"\" "
		      "to=\"\" code=503 status=5.5.1 reason=\"not now: say EHLO\""),
		"smtpd[412]: NOQUEUE: reject: MAIL from unknown[192.0.2.1]: 503 5.5.1 Command "
		"rejected: not now: say EHLO; from=<> proto=ESMTP helo=<>\n");
}

static void
a_message_is_told_from_client_to_removed(void **state)
{
	(void)state;
	by("queue-manager");
	assert_string_equal(
		words("queued id=66107 from=a@b.test size=400 recipients=2 "
		      "origin=network client=192.0.2.1 login=ann"),
		"smtpd[412]: 66107: client=unknown[192.0.2.1], sasl_method=AUTH, "
		"sasl_username=ann\n"
		"qmgr[412]: 66107: from=<a@b.test>, size=400, nrcpt=2 (queue active)\n");
	assert_string_equal(
		words("queued id=66107 from=ann@b.test size=400 recipients=1 "
		      "origin=local client=\"\" login=\"\" uid=1000"),
		"pickup[412]: 66107: uid=1000 from=<ann@b.test>\n"
		"qmgr[412]: 66107: from=<ann@b.test>, size=400, nrcpt=1 (queue active)\n");
	assert_string_equal(words("accepted id=66107 client=192.0.2.1"), "");
	assert_string_equal(
		words("delivered id=66107 to=c@d.test host=mx.d.test[192.0.2.5]:25 code=250 "
		      "status=2.0.0 "
		      "reply=ok delay_ms=1234"),
		"smtp[412]: 66107: to=<c@d.test>, relay=mx.d.test[192.0.2.5]:25, delay=1.23, "
		"delays=0/0/0/1.23, dsn=2.0.0, status=sent (250 2.0.0 ok)\n");
	assert_string_equal(words("delivered id=66107 to=c@d.test host=/home/c/Maildir code=250 "
				  "status=2.0.0 reply=delivered delay_ms=7"),
			    "local[412]: 66107: to=<c@d.test>, relay=local, delay=0.00, "
			    "delays=0/0/0/0.00, dsn=2.0.0, status=sent (delivered)\n");
	assert_string_equal(words("deferred id=66107 to=c@d.test host=\"\" code=0 status=4.4.1 "
				  "reply=\"cannot connect\" delay_ms=60000 next=later"),
			    "error[412]: 66107: to=<c@d.test>, relay=none, delay=60.00, "
			    "delays=0/0/0/60.00, dsn=4.4.1, status=deferred (cannot connect)\n");
	assert_string_equal(words("notified id=66107 notice=66108"),
			    "bounce[412]: 66107: sender non-delivery notification: 66108\n");
	assert_string_equal(words("done id=66107"), "qmgr[412]: 66107: removed\n");
}

static void
what_strangers_say_cannot_forge_a_line(void **state)
{
	(void)state;
	by("smtpd");
	assert_string_equal(words("refused session=S1 client=192.0.2.1 verb=HELO helo=\"a> "
				  "to=<b\\x0aNov\" from=\"\" "
				  "to=\"\" code=501 status=5.5.4 reason=\"no\\x0asuch; from=<x>\""),
			    "smtpd[412]: NOQUEUE: reject: HELO from unknown[192.0.2.1]: 501 5.5.4 "
			    "Command rejected: "
			    "no?such; from=<x>; from=<> proto=ESMTP helo=<a??to=?b?Nov>\n");
}

static void
ordinary_events_without_a_word_are_left_out_and_trouble_is_not(void **state)
{
	(void)state;
	by("queue-manager");
	assert_string_equal(words("site-learned site=x place=y"), "");
	assert_string_equal(words("disk-low free=3"),
			    "queue-manager[412]: warning: disk-low free=3\n");
}

/* names of events that two programs have */
static void
nobody_is_blamed_for_what_another_program_says(void **state)
{
	(void)state;
	by("auth");
	assert_string_equal(
		words("login-failed session=S1 client=192.0.2.1 login=ann reason=wrong"),
		"submission/smtpd[412]: warning: unknown[192.0.2.1]: SASL PLAIN authentication "
		"failed: "
		"wrong, sasl_username=ann\n");
	assert_string_equal(
		words("login-failed session=S1 client=192.0.2.1 login=ann reason=trouble"),
		"submission/smtpd[412]: warning: unknown[192.0.2.1]: SASL PLAIN authentication "
		"failed: "
		"Connection lost to authentication server, sasl_username=ann\n");
	by("delivery");
	assert_string_equal(words("login-failed host=h login=relay reason=no"),
			    "delivery[412]: warning: login-failed host=h login=relay reason=no\n");
	assert_string_equal(words("tls-failed host=h reason=no"),
			    "delivery[412]: warning: tls-failed host=h reason=no\n");
	by("submit");
	assert_string_equal(words("refused session=S1 client=uid:7 reason=no"), "");
	by("smtpd");
	assert_string_equal(
		words("client-limited client=192.0.2.1 reason=sessions-per-client count=3"),
		"smtpd[412]: warning: Connection concurrency limit exceeded: 3 from "
		"unknown[192.0.2.1] for service smtp\n");
	assert_string_equal(words("client-limited client=192.0.2.1 reason=sessions count=3"),
			    "smtpd[412]: warning: client-limited client=192.0.2.1 reason=sessions "
			    "count=3\n");
}

static void
the_head_is_that_of_syslog(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	buffer_clear(&out);
	render_postfix_head(&out, 1795507351123456, "mx", false);
	buffer_char(&out, '\0');
	assert_string_equal(out.at, "Nov 24 08:02:31 mx postfix/");
	buffer_clear(&out);
	render_postfix_head(&out, 1795507351123456, "mx", true);
	buffer_char(&out, '\0');
	assert_string_equal(out.at, "<22>Nov 24 08:02:31 postfix/");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_told_from_connect_to_disconnect),
		cmocka_unit_test(refusals_have_the_words_by_which_they_are_counted),
		cmocka_unit_test(a_message_is_told_from_client_to_removed),
		cmocka_unit_test(what_strangers_say_cannot_forge_a_line),
		cmocka_unit_test(ordinary_events_without_a_word_are_left_out_and_trouble_is_not),
		cmocka_unit_test(nobody_is_blamed_for_what_another_program_says),
		cmocka_unit_test(the_head_is_that_of_syslog),
	};
	int failed;

	buffer_init(&room, LINE_MAX_BYTES);
	buffer_init(&out, 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&room);
	buffer_free(&out);
	return failed;
}
