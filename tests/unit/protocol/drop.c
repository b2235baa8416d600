/* drop: what is a letter in the drop directory, and what is none */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/protocol/drop.h"

static void
what_is_written_is_read(void **state)
{
	struct buffer text;
	struct drop_head h;
	uint64_t at, length;
	(void)state;
	buffer_init(&text, 10000);
	drop_write_head(&text, SPAN("Ann A."), SPAN("<a@b> RET=HDRS"));
	drop_write_recipient(&text, SPAN("<c@d> NOTIFY=NEVER"));
	drop_write_recipient(&text, SPAN("<e>"));
	drop_write_data(&text);
	size_t head = text.len;
	buffer_string(&text, "Subject: x\r\n\r\nend 3\n");
	drop_write_end(&text, text.len - head);
	struct span all = buffer_get(&text);
	struct span tail = span_skip(all, all.len - 20);
	assert_int_equal(drop_end(tail, all.len, &at, &length), 0);
	assert_int_equal(at, head);
	assert_int_equal(length, 20);
	assert_int_equal(drop_head_read(span_from(all.at, at), &h), 0);
	assert_true(span_equal(h.name, SPAN("Ann A.")));
	assert_true(span_equal(h.mail, SPAN("FROM:<a@b> RET=HDRS")));
	assert_int_equal(h.count, 2);
	struct span rest = h.recipients;
	assert_true(span_equal(drop_recipient(&rest), SPAN("TO:<c@d> NOTIFY=NEVER")));
	assert_true(span_equal(drop_recipient(&rest), SPAN("TO:<e>")));
	assert_int_equal(drop_recipient(&rest).len, 0);
	buffer_free(&text);
}

static void
only_a_whole_last_line_is_an_end(void **state)
{
	static const char *const wrong[] = {
		"",	      "\n",	   "end 1",	  "x\nend 1",
		"x\nend\n",   "x\nend \n", "x\nend -1\n", "x\nend 1 \n",
		"x\nend 3\n", "end 0\n",   "x\nEND 1\n",  "x\nend 1\n\n"};
	uint64_t at, length;
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (drop_end(span_of(wrong[i]), strlen(wrong[i]), &at, &length) == 0)
			fail_msg("taken: %s", wrong[i]);
	}
	assert_int_equal(drop_end(SPAN("x\nend 2\n"), 8, &at, &length), 0);
	assert_true(at == 0 && length == 2);
}

static void
a_head_is_whole_and_says_nothing_else(void **state)
{
	static const char *const wrong[] = {
		"",
		"culver-drop 1\n",
		"culver-drop 2\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA\n",
		"culver-drop 1\nMAIL FROM:<a>\nDATA\n",
		"culver-drop 1\nMAIL FROM:<a>\nRCPT TO:<b>\n",
		"culver-drop 1\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA",
		"culver-drop 1\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA\nx",
		"culver-drop 1\nMAIL FROM:<a>\nRSET\nRCPT TO:<b>\nDATA\n",
		"culver-drop 1\nMAIL FROM:<a>\r\nRCPT TO:<b>\nDATA\n",
		"culver-drop 1\nMAIL FROM:<a>\nRCPT TO:<b>\r\nRSET\nDATA\n",
		"culver-drop 1\nRCPT TO:<b>\nMAIL FROM:<a>\nDATA\n",
		"culver-drop 1\nNAME a\nNAME b\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA\n",
	};
	struct drop_head h;
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (drop_head_read(span_of(wrong[i]), &h) == 0)
			fail_msg("taken: %s", wrong[i]);
	}
	assert_int_equal(
		drop_head_read(SPAN("culver-drop 1\nMAIL FROM:<>\nRCPT TO:<b>\nDATA\n"), &h), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(only_a_whole_last_line_is_an_end),
		cmocka_unit_test(a_head_is_whole_and_says_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
