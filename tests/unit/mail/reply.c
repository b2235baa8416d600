/*
 * reply - what a peer answers, line by line
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mail/reply.h"

static int
feed(struct reply *r, const char *line)
{
	return reply_line(r, span_of(line));
}

static void
a_reply_of_one_line_is_complete(void **state)
{
	struct reply r;
	(void)state;

	reply_start(&r);
	assert_int_equal(feed(&r, "250 2.1.5 fine, thank you"), 0);
	assert_true(r.complete);
	assert_int_equal(r.code, 250);
	assert_string_equal(r.status, "2.1.5");
	assert_string_equal(r.text, "fine, thank you");
	/* nothing may follow */
	assert_int_equal(feed(&r, "250 more"), -1);
}

static void
a_code_alone_is_a_reply(void **state)
{
	static const char *const lines[] = {"250", "250 ", "354 "};
	(void)state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct reply r;

		reply_start(&r);
		assert_int_equal(feed(&r, lines[i]), 0);
		assert_true(r.complete);
		assert_string_equal(r.text, "");
	}
}

static void
lines_are_joined_and_lose_their_status(void **state)
{
	struct reply r;
	(void)state;

	reply_start(&r);
	assert_int_equal(feed(&r, "550-5.7.1 Your message was refused,"), 0);
	assert_false(r.complete);
	assert_int_equal(feed(&r, "550-5.7.1 see"), 0);
	assert_int_equal(feed(&r, "550 5.7.1 https://example.org/"), 0);
	assert_true(r.complete);
	assert_string_equal(r.status, "5.7.1");
	assert_string_equal(r.text, "Your message was refused, see https://example.org/");
}

static void
a_status_of_another_class_is_text(void **state)
{
	struct reply r;
	(void)state;

	reply_start(&r);
	assert_int_equal(feed(&r, "450 5.1.1 liar"), 0);
	assert_string_equal(r.status, "");
	assert_string_equal(r.text, "5.1.1 liar");
}

static void
nonsense_is_no_reply(void **state)
{
	static const char *const lines[] = {"",	   "2",	   "25",      "hello", "150 no", "650 no",
					    "2x0", "250x", "250\tno", " 250",  "0250 x", "-250 x"};
	(void)state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct reply r;

		reply_start(&r);
		assert_int_equal(feed(&r, lines[i]), -1);
	}
}

static void
codes_of_two_classes_are_no_reply(void **state)
{
	struct reply r;
	(void)state;

	reply_start(&r);
	assert_int_equal(feed(&r, "250-yes"), 0);
	assert_int_equal(feed(&r, "550 no"), -1);
}

static void
a_reply_without_an_end_is_refused(void **state)
{
	struct reply r;
	int n = 0;
	(void)state;

	reply_start(&r);
	while (feed(&r, "250-and more") == 0)
		n++;
	assert_int_equal(n, REPLY_LINES_MAX);
}

static void
bytes_of_strangers_become_printable_and_bounded(void **state)
{
	static char line[REPLY_LINE_MAX];
	struct reply r;
	(void)state;

	memset(line, 0xe4, sizeof(line) - 1);
	memcpy(line, "550 a\tb\033[2J", 11);
	reply_start(&r);
	assert_int_equal(feed(&r, line), 0);
	assert_int_equal(strlen(r.text), REPLY_TEXT_MAX);
	assert_memory_equal(r.text, "a b?[2J?", 8);
}

static void
a_verdict_has_a_status_even_if_the_peer_gave_none(void **state)
{
	static const struct {
		const char *line;
		enum fate fate;
		const char *status;
	} cases[] = {
		{"250 ok", FATE_DELIVERED, "2.0.0"},	  {"450 later", FATE_DEFERRED, "4.0.0"},
		{"550 never", FATE_FAILED, "5.0.0"},	  {"354 go on", FATE_DEFERRED, "4.0.0"},
		{"552 5.2.2 full", FATE_FAILED, "5.2.2"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply r;
		struct verdict v;

		reply_start(&r);
		assert_int_equal(feed(&r, cases[i].line), 0);
		reply_verdict(&r, &v);
		assert_int_equal(v.fate, cases[i].fate);
		assert_string_equal(v.status, cases[i].status);
	}
}

static void
a_status_has_three_numbers_of_three_digits(void **state)
{
	static const char *const good[] = {"2.0.0", "5.123.456", "4.4.2"};
	static const char *const bad[] = {"",	    "5",     "5.1",	"5.1.",
					  "5..1",   "3.1.1", "5.1.1.1", "5.1234.1",
					  "5.1.1 ", "5.a.1", "55.1.1"};
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(status_is_valid(span_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(status_is_valid(span_of(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_of_one_line_is_complete),
		cmocka_unit_test(a_code_alone_is_a_reply),
		cmocka_unit_test(lines_are_joined_and_lose_their_status),
		cmocka_unit_test(a_status_of_another_class_is_text),
		cmocka_unit_test(nonsense_is_no_reply),
		cmocka_unit_test(codes_of_two_classes_are_no_reply),
		cmocka_unit_test(a_reply_without_an_end_is_refused),
		cmocka_unit_test(bytes_of_strangers_become_printable_and_bounded),
		cmocka_unit_test(a_verdict_has_a_status_even_if_the_peer_gave_none),
		cmocka_unit_test(a_status_has_three_numbers_of_three_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
