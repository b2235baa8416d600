/*
 * header - the fields at the top of a message
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mail/header.h"

static void
assert_span(struct span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.at, text, s.len);
}

static void
fields_come_in_their_order_with_their_continuations(void **state)
{
	struct span rest =
		SPAN("From: a@x\r\nSubject: one\r\n two\r\n\tthree\r\nTo:b@x\r\n\r\nBody: no\r\n");
	struct span name, value, whole;
	(void)state;

	assert_true(header_field(&rest, &name, &value, &whole));
	assert_span(name, "From");
	assert_span(value, "a@x");
	assert_span(whole, "From: a@x\r\n");
	assert_true(header_field(&rest, &name, &value, NULL));
	assert_span(name, "Subject");
	assert_span(value, "one\r\n two\r\n\tthree");
	assert_true(header_field(&rest, &name, &value, NULL));
	assert_span(value, "b@x");
	assert_false(header_field(&rest, &name, &value, NULL));
	assert_span(rest, "\r\nBody: no\r\n");
}

static void
a_line_that_is_no_field_ends_the_fields(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "\r\n",
					    "no colon\r\n",
					    ": no name\r\n",
					    " leading: blank\r\n",
					    "two words: x\r\n"};
	(void)state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct span rest = span_of(texts[i]);
		struct span name, value;

		assert_false(header_field(&rest, &name, &value, NULL));
		assert_int_equal(rest.len, strlen(texts[i]));
	}
}

static void
old_and_odd_spellings_are_read(void **state)
{
	struct span rest = SPAN("Old \t: value\nEmpty:\nLast:x");
	struct span name, value;
	(void)state;

	assert_true(header_field(&rest, &name, &value, NULL));
	assert_span(name, "Old");
	assert_span(value, "value");
	assert_true(header_field(&rest, &name, &value, NULL));
	assert_span(value, "");
	assert_true(header_field(&rest, &name, &value, NULL));
	assert_span(value, "x");
	assert_int_equal(rest.len, 0);
}

static void
a_field_is_found_whatever_its_case_but_not_in_the_body(void **state)
{
	struct span text = SPAN("A: 1\r\nmessage-id: <x@y>\r\nA: 2\r\n\r\nX-Body: here\r\n");
	struct span value;
	(void)state;

	assert_true(header_find(text, "Message-ID", &value));
	assert_span(value, "<x@y>");
	assert_true(header_find(text, "a", &value));
	assert_span(value, "1");
	assert_false(header_find(text, "X-Body", &value));
}

static void
the_body_begins_behind_the_first_empty_line(void **state)
{
	(void)state;
	assert_int_equal(header_end(SPAN("A: 1\r\n\r\nbody\r\n\r\n")), 8);
	assert_int_equal(header_end(SPAN("A: 1\n\nbody")), 6);
	assert_int_equal(header_end(SPAN("\r\nbody")), 2);
	assert_int_equal(header_end(SPAN("A: 1\r\n")), 6);
	assert_int_equal(header_end(SPAN_NONE), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_in_their_order_with_their_continuations),
		cmocka_unit_test(a_line_that_is_no_field_ends_the_fields),
		cmocka_unit_test(old_and_odd_spellings_are_read),
		cmocka_unit_test(a_field_is_found_whatever_its_case_but_not_in_the_body),
		cmocka_unit_test(the_body_begins_behind_the_first_empty_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
