/*
 * compose - the notice as people and programs read it
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounce/compose.h"

#define MESSAGE_MAX (32u << 20)

static struct notice notice;
static struct buffer message;
static bool may_be_whole = true;

static void
start(const char *sender, const char *to)
{
	memset(&notice, 0, sizeof(notice));
	notice.hostname = "mail.example.org";
	notice.id = 0x5A1B2C3D4E5F6;
	notice.arrived_us = 1764000000000000;
	notice.now_us = 1764000060000000;
	notice.sender = span_of(sender);
	snprintf(notice.to, sizeof(notice.to), "%s", to);
	notice_start(&notice);
}

static void
add_failure(const char *address, const char *original, unsigned code, const char *status,
	    const char *reply, const char *host)
{
	struct jobs_failure f = {
		.number = 1,
		.address = span_of(address),
		.original = span_of(original),
		.code = code,
		.status = span_of(status),
		.reply = span_of(reply),
		.host = span_of(host),
		.at_us = 1764000050000000,
	};

	notice_add(&notice, &f);
}

/* the whole message in `message`, which ends with a NUL */
static void
make(const char *original, size_t size)
{
	struct compose_original o;
	struct composed c;
	struct span bytes =
		span_from(original, size < COMPOSE_WHOLE_MAX ? size : COMPOSE_WHOLE_MAX);

	assert_int_equal(compose_original(&o, bytes, size, may_be_whole), 0);
	assert_int_equal(compose(&c, &notice, &o), 0);
	buffer_init(&message, MESSAGE_MAX);
	buffer_span(&message, buffer_get(&c.head));
	buffer_span(&message, buffer_get(&notice.status));
	buffer_span(&message, buffer_get(&c.tail));
	buffer_char(&message, '\0');
	assert_false(message.failed);
	compose_free(&c);
	buffer_free(&o.text);
}

static void
end(void)
{
	buffer_free(&message);
	notice_free(&notice);
}

static void
assert_has(const char *text)
{
	if (strstr(message.at, text) == NULL)
		fail_msg("`%s` is not in:\n%s", text, message.at);
}

static void
assert_has_not(const char *text)
{
	if (strstr(message.at, text) != NULL)
		fail_msg("`%s` is in:\n%s", text, message.at);
}

static size_t
count(const char *text)
{
	size_t n = 0;

	for (const char *at = message.at; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}

/* CRLF everywhere, no line of more than 998 bytes in what we wrote */
static void
assert_lines(void)
{
	size_t begin = 0;

	for (size_t i = 0; i + 1 < message.len; i++) {
		if (message.at[i] == '\r')
			assert_int_equal(message.at[i + 1], '\n');
		if (message.at[i] != '\n')
			continue;
		assert_true(i > 0 && message.at[i - 1] == '\r');
		assert_true(i - begin <= 1000);
		begin = i + 1;
	}
	assert_int_equal(begin, message.len - 1);
}

static const char small[] =
	"From: a@example.com\r\nSubject: Lunch\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n";

static void
a_notice_has_its_three_parts_and_says_who_failed_and_why(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	add_failure("nobody@example.net", "", 550, "5.1.1", "no such user",
		    "mx.example.net[192.0.2.1]:25");
	make(small, strlen(small));
	assert_lines();
	assert_has("From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n");
	assert_has("To: <a@example.com>\r\n");
	assert_has("Auto-Submitted: auto-replied\r\n");
	assert_has("In-Reply-To: <1@example.com>\r\n");
	assert_has(
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_");
	assert_has("Content-Type: text/plain; charset=us-ascii\r\n");
	assert_has("Subject:     Lunch\r\n");
	assert_has("    nobody@example.net\r\n        There is no such mailbox.");
	assert_has("The server mx.example.net said:\r\n            550 5.1.1 no such user\r\n");
	assert_has("Content-Type: message/delivery-status\r\n");
	assert_has("Reporting-MTA: dns; mail.example.org\r\nX-Culver-Id: "
		   "5A1B2C3D4E5F6\r\nArrival-Date: ");
	assert_has("\r\n\r\nFinal-Recipient: rfc822; nobody@example.net\r\nAction: "
		   "failed\r\nStatus: 5.1.1\r\n"
		   "Remote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 550 5.1.1 no such "
		   "user\r\n"
		   "Last-Attempt-Date: ");
	assert_has("Content-Type: message/rfc822\r\n");
	assert_has("Hello\r\n");
	assert_has_not("8bit");
	assert_has_not("Original-Recipient");
	assert_has_not("double");
	end();
}

static void
every_boundary_is_the_announced_one_and_there_are_four(void **state)
{
	char line[128];
	const char *at;
	(void)state;

	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make(small, strlen(small));
	at = strstr(message.at, "boundary=\"");
	assert_non_null(at);
	snprintf(line, sizeof(line), "\r\n--%.*s", (int)strcspn(at + 10, "\""), at + 10);
	assert_int_equal(count(line), 4);
	strcat(line, "--\r\n");
	assert_int_equal(count(line), 1);
	assert_int_equal(strcmp(message.at + message.len - 1 - strlen(line), line), 0);
	end();
}

static void
a_boundary_that_the_message_has_is_not_taken(void **state)
{
	char original[512];
	(void)state;

	snprintf(original, sizeof(original), "A: b\r\n\r\n--=_%llX.%llX.0\r\n--=_%llX.%llX.1--\r\n",
		 0x5A1B2C3D4E5F6ULL, 1764000060000000ULL, 0x5A1B2C3D4E5F6ULL, 1764000060000000ULL);
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make(original, strlen(original));
	assert_has(".2\"\r\n");
	end();
}

static void
our_own_reason_is_no_smtp_reply(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "boss@example.com", 0, "4.4.7",
		    "cannot connect to mx[192.0.2.1]:25: Connection refused", "");
	make(small, strlen(small));
	assert_has("Final-Recipient: rfc822; boss@example.com\r\nX-Actual-Recipient: rfc822; "
		   "b@example.net\r\n");
	assert_has_not("Original-Recipient");
	assert_has("Diagnostic-Code: x-culver; cannot connect to mx[192.0.2.1]:25: Connection\r\n  "
		   "  refused\r\n");
	assert_has("(you wrote to boss@example.com)");
	assert_has("It was tried for as long as mail is tried here");
	assert_has_not("Remote-MTA");
	end();
}

static void
a_reply_is_led_by_its_code_once(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.7.1", "550 5.7.1 go away",
		    "192.0.2.1[192.0.2.1]:25");
	add_failure("c@example.net", "", 550, "5.7.1", "5.7.1 go away", "/home/c/Maildir");
	make(small, strlen(small));
	assert_int_equal(count("smtp; 550 5.7.1 go away\r\n"), 2);
	assert_int_equal(count("Remote-MTA: dns; [192.0.2.1]\r\n"), 1);
	end();
}

static void
what_strangers_wrote_cannot_begin_a_line_or_a_field(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	add_failure("b\r\nAction: delivered@example.net", "", 550, "5.1.1",
		    "no\r\n\r\n--=_x\r\n\xe4\xf6", "mx\r\nX: y[1]:25");
	make(small, strlen(small));
	assert_lines();
	assert_has_not("\r\nAction: delivered");
	assert_has_not("\r\nX: y");
	assert_has_not("\r\n--=_x");
	assert_has("\?\?--=_x\?\?\?\?");
	end();
}

static void
an_eight_bit_message_is_declared_as_such(void **state)
{
	static const char original[] = "Subject: \xc3\xa4\r\n\r\nGr\xc3\xbc\xc3\x9f"
				       "e\r\n";
	(void)state;

	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make(original, strlen(original));
	assert_int_equal(count("Content-Transfer-Encoding: 8bit\r\n"), 2);
	assert_has("Gr\xc3\xbc\xc3\x9f"
		   "e\r\n");
	end();
}

static void
of_a_large_message_only_the_head_comes_back(void **state)
{
	size_t size = 200000;
	char *original = malloc(size);
	(void)state;

	assert_non_null(original);
	memset(original, 'x', size);
	memcpy(original, small, strlen(small));
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make(original, size);
	assert_has("Content-Type: text/rfc822-headers\r\n");
	assert_has("Message-ID: <1@example.com>\r\n");
	assert_has_not("Hello");
	assert_true(message.len < 10000);
	end();
	free(original);
}

static void
a_head_without_end_is_cut_at_a_line(void **state)
{
	size_t size = 200000;
	char *original = malloc(size);
	(void)state;

	assert_non_null(original);
	for (size_t i = 0; i < size; i += 10)
		memcpy(original + i, "X: 56789\r\n", 10);
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make(original, size);
	assert_lines();
	assert_true(message.len > 40000 && message.len < 60000);
	end();
	free(original);
}

static void
line_ends_of_the_original_do_not_matter(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make("A: b\n\nbare\rcr and end", 21);
	assert_lines();
	assert_has("A: b\r\n\r\nbare\r\ncr and end\r\n");
	end();
	start("a@example.com", "a@example.com");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make("", 0);
	assert_lines();
	end();
}

static void
a_message_without_sender_makes_a_double_bounce_that_says_so(void **state)
{
	struct compose_original o;
	(void)state;

	start("", "postmaster@example.org");
	add_failure("b@example.net", "", 550, "5.1.1", "no", "");
	make(small, strlen(small));
	assert_has("double bounce");
	assert_has("To: <postmaster@example.org>\r\n");
	/* and is known again when it fails itself */
	assert_int_equal(
		compose_original(&o, span_from(message.at, message.len - 1), message.len - 1, true),
		0);
	assert_true(compose_is_double(&o));
	buffer_free(&o.text);
	end();
}

static void
thousands_of_failures_are_cut_for_people_and_whole_for_programs(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	for (int i = 0; i < 5000; i++) {
		char address[64];

		snprintf(address, sizeof(address), "r%d@example.net", i);
		add_failure(address, "", 550, "5.1.1", "no such user",
			    "mx.example.net[192.0.2.1]:25");
	}
	make(small, strlen(small));
	assert_int_equal(count("Final-Recipient: "), 5000);
	assert_int_equal(count("    There is no such mailbox."), NOTICE_PEOPLE_MAX);
	assert_has("... and 4950 more");
	assert_has_not("has room");
	end();
}

static void
there_is_a_bound_to_the_report_and_it_says_so(void **state)
{
	char reply[JOBS_REPLY_MAX + 1];
	size_t n = NOTICE_STATUS_MAX / 600;
	char text[128];
	(void)state;

	memset(reply, 'x', sizeof(reply) - 1);
	reply[sizeof(reply) - 1] = '\0';
	start("a@example.com", "a@example.com");
	for (size_t i = 0; i < n; i++)
		add_failure("b@example.net", "", 550, "5.1.1", reply,
			    "mx.example.net[192.0.2.1]:25");
	assert_true(notice.reported < notice.count);
	assert_true(notice.status.len <= NOTICE_STATUS_MAX);
	make(small, strlen(small));
	assert_int_equal(count("Final-Recipient: "), notice.reported);
	snprintf(text, sizeof(text), "has room for the first %llu of %llu",
		 (unsigned long long)notice.reported, (unsigned long long)n);
	assert_has(text);
	end();
}

static void
add_action(enum jobs_action action, const char *address, const char *orcpt)
{
	struct jobs_failure f = {
		.number = 1,
		.address = span_of(address),
		.original = SPAN_NONE,
		.code = action == JOBS_ACTION_EXPANDED ? 0 : 250,
		.status = action == JOBS_ACTION_DELAYED ? SPAN("4.2.0") : SPAN("2.0.0"),
		.reply = action == JOBS_ACTION_EXPANDED ? SPAN_NONE : SPAN("so be it"),
		.host = SPAN("mx.example.net[192.0.2.1]:25"),
		.at_us = 1764000050000000,
		.action = action,
		.orcpt = span_of(orcpt),
		.until_us = 1764400050000000,
	};

	notice_add(&notice, &f);
}

static void
each_action_has_its_words(void **state)
{
	static const struct {
		enum jobs_action action;
		const char *subject, *field, *sentence;
	} cases[] = {
		{JOBS_ACTION_DELAYED, "Subject: Your message is delayed\r\n",
		 "Action: delayed\r\nStatus: 4.2.0\r\n", "It could not be delivered yet"},
		{JOBS_ACTION_DELIVERED, "Subject: Your message was delivered\r\n",
		 "Action: delivered\r\nStatus: 2.0.0\r\n", "It was delivered."},
		{JOBS_ACTION_RELAYED, "Subject: Your message was passed on successfully\r\n",
		 "Action: relayed\r\nStatus: 2.0.0\r\n", "It was handed on to mx.example.net, "},
		{JOBS_ACTION_EXPANDED, "Subject: Your message was passed on successfully\r\n",
		 "Action: expanded\r\nStatus: 2.0.0\r\n", "stands for several others"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start("a@example.com", "a@example.com");
		notice.envid = SPAN("QQ 314=159");
		add_action(cases[i].action, "b@example.net", "x400;/c=de b");
		may_be_whole = false;
		make(small, strlen(small));
		may_be_whole = true;
		assert_has(cases[i].subject);
		assert_has(cases[i].field);
		assert_has(cases[i].sentence);
		assert_has("Original-Envelope-Id: QQ 314=159\r\n");
		assert_has("Original-Recipient: x400; /c=de b\r\n"
			   "Final-Recipient: rfc822; b@example.net\r\n");
		assert_has("Content-Type: text/rfc822-headers\r\n");
		assert_has_not("Hello\r\n");
		if (cases[i].action == JOBS_ACTION_DELAYED)
			assert_has("Will-Retry-Until: ");
		else
			assert_has_not("Will-Retry-Until");
		assert_lines();
		end();
	}
}

static void
utf8_is_spelled_as_the_notice_can_bear_it(void **state)
{
	(void)state;
	start("a@example.com", "a@example.com");
	add_action(JOBS_ACTION_FAILED, "\xc3\xa4@example.net", "utf-8;\xc3\xa4@example.net");
	make(small, strlen(small));
	assert_has("Original-Recipient: utf-8; \\x{E4}@example.net\r\n"
		   "Final-Recipient: utf-8; \\x{E4}@example.net\r\n");
	assert_has("Content-Type: message/delivery-status\r\n");
	assert_has_not("8bit");
	end();
	start("\xc3\xb6@example.com", "\xc3\xb6@example.com");
	notice.is_global = true;
	add_action(JOBS_ACTION_FAILED, "\xc3\xa4@example.net", "");
	make(small, strlen(small));
	assert_has("To: <\xc3\xb6@example.com>\r\n");
	assert_has("Final-Recipient: utf-8; \xc3\xa4@example.net\r\n");
	assert_has("Content-Type: message/global-delivery-status\r\n");
	assert_has("Content-Type: text/plain; charset=utf-8\r\n");
	assert_has("Content-Type: message/global\r\n");
	assert_has("Content-Transfer-Encoding: 8bit\r\n");
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notice_has_its_three_parts_and_says_who_failed_and_why),
		cmocka_unit_test(every_boundary_is_the_announced_one_and_there_are_four),
		cmocka_unit_test(a_boundary_that_the_message_has_is_not_taken),
		cmocka_unit_test(our_own_reason_is_no_smtp_reply),
		cmocka_unit_test(a_reply_is_led_by_its_code_once),
		cmocka_unit_test(what_strangers_wrote_cannot_begin_a_line_or_a_field),
		cmocka_unit_test(an_eight_bit_message_is_declared_as_such),
		cmocka_unit_test(of_a_large_message_only_the_head_comes_back),
		cmocka_unit_test(a_head_without_end_is_cut_at_a_line),
		cmocka_unit_test(line_ends_of_the_original_do_not_matter),
		cmocka_unit_test(a_message_without_sender_makes_a_double_bounce_that_says_so),
		cmocka_unit_test(thousands_of_failures_are_cut_for_people_and_whole_for_programs),
		cmocka_unit_test(there_is_a_bound_to_the_report_and_it_says_so),
		cmocka_unit_test(each_action_has_its_words),
		cmocka_unit_test(utf8_is_spelled_as_the_notice_can_bear_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
