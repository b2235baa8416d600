/*
 * delivered-to - the loop check and the lines on top
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "local/delivered-to.h"

static bool
has(const char *header, const char *address)
{
	struct delivered_to d = {.count = 0};

	delivered_to_collect(&d, span_of(header));
	return delivered_to_has(&d, span_of(address));
}

static void
a_loop_is_seen_whatever_the_case(void **state)
{
	(void)state;
	assert_true(has("Delivered-To: bob@x.test\r\n\r\n", "bob@x.test"));
	assert_true(has("From: a\r\ndelivered-TO:  Bob@X.test \r\nTo: b\r\n\r\n", "bob@x.test"));
	assert_true(has("Delivered-To: a@b\nDelivered-To:\n bob@x.test\n\n", "bob@x.test"));
}

static void
what_is_no_header_line_is_no_loop(void **state)
{
	(void)state;
	assert_false(has("Subject: x\r\n\r\nDelivered-To: bob@x.test\r\n", "bob@x.test"));
	assert_false(has("X-Delivered-To: bob@x.test\r\n\r\n", "bob@x.test"));
	assert_false(has("Delivered-To: bobby@x.test\r\n\r\n", "bob@x.test"));
	assert_false(has("Subject: x\r\n Delivered-To: bob@x.test\r\n\r\n", "bob@x.test"));
	assert_false(has("", "bob@x.test"));
}

static void
a_message_with_too_many_lines_is_a_loop(void **state)
{
	struct delivered_to d = {.count = 0};
	struct buffer b;

	(void)state;
	buffer_init(&b, 1 << 20);
	for (int i = 0; i <= DELIVERED_TO_MAX; i++)
		buffer_format(&b, "Delivered-To: u%d@x.test\r\n", i);
	delivered_to_collect(&d, buffer_get(&b));
	assert_true(delivered_to_has(&d, SPAN("bob@x.test")));
	buffer_free(&b);
}

static void
check_lines(const char *sender, const char *address, const char *original, const char *expected)
{
	struct buffer b;

	buffer_init(&b, DELIVERED_TO_LINES_MAX);
	delivered_to_lines(&b, span_of(sender), span_of(address), span_of(original));
	assert_false(b.failed);
	assert_int_equal(b.len, strlen(expected));
	assert_memory_equal(b.at, expected, b.len);
	buffer_free(&b);
}

static void
the_lines_on_top_name_sender_and_recipient(void **state)
{
	(void)state;
	check_lines("a@b.test", "bob@x.test", "",
		    "Return-Path: <a@b.test>\nDelivered-To: bob@x.test\n");
	check_lines("", "bob@x.test", "list@x.test",
		    "Return-Path: <>\nDelivered-To: bob@x.test\nX-Original-To: list@x.test\n");
}

static void
no_address_can_forge_a_line(void **state)
{
	(void)state;
	check_lines("a\nX: y", "b\r\nc", "d\x7f\ne",
		    "Return-Path: <a?X: y>\nDelivered-To: b??c\nX-Original-To: d??e\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_is_seen_whatever_the_case),
		cmocka_unit_test(what_is_no_header_line_is_no_loop),
		cmocka_unit_test(a_message_with_too_many_lines_is_a_loop),
		cmocka_unit_test(the_lines_on_top_name_sender_and_recipient),
		cmocka_unit_test(no_address_can_forge_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
