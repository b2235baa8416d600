/* escape: what is written as one word is read again, and nothing else is */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text/escape.h"

static void
expect_word(struct span bytes, const char *word)
{
	struct buffer b, back;
	buffer_init(&b, 4096);
	buffer_init(&back, 4096);
	escape_word(&b, bytes);
	buffer_char(&b, '\0');
	assert_string_equal(b.at, word);
	struct span rest = span_of(b.at);
	assert_int_equal(unescape_word(&rest, &back), 0);
	assert_int_equal(rest.len, 0);
	assert_true(span_equal(buffer_get(&back), bytes));
	buffer_free(&b);
	buffer_free(&back);
}

static void
escape_leaves_plain_words_alone(void **state)
{
	(void)state;
	expect_word(SPAN("user+ext@example.org"), "user+ext@example.org");
	expect_word(SPAN("a=b"), "a=b");
}

static void
escape_quotes_what_could_be_taken_for_something_else(void **state)
{
	(void)state;
	expect_word(SPAN_NONE, "\"\"");
	expect_word(SPAN("a b"), "\"a b\"");
	expect_word(SPAN("say \"hi\" \\o/"), "\"say \\\"hi\\\" \\\\o/\"");
	expect_word(span_from("\r\n\0\x80", 4), "\"\\x0d\\x0a\\x00\\x80\"");
}

static void
escape_gives_back_every_byte(void **state)
{
	char all[256];
	struct buffer word, back;
	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	buffer_init(&word, 4096);
	buffer_init(&back, 4096);
	escape_word(&word, span_from(all, sizeof(all)));
	for (size_t i = 0; i < word.len; i++)
		assert_in_range(word.at[i], 0x20, 0x7e);
	struct span rest = buffer_get(&word);
	assert_int_equal(unescape_word(&rest, &back), 0);
	assert_memory_equal(back.at, all, sizeof(all));
	buffer_free(&word);
	buffer_free(&back);
}

static void
unescape_refuses_what_escape_would_not_write(void **state)
{
	static const char *const wrong[] = {"",		" ",	     "\"abc",	  "\"\\q\"",
					    "\"\\x4\"", "\"\\x4G\"", "\"\\x41\"", "\"\\x5c\"",
					    "\"a\"b",	"a\"b",	     "a\tb",	  "\"a\nb\""};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct buffer back;
		struct span rest = span_of(wrong[i]);
		buffer_init(&back, 64);
		if (unescape_word(&rest, &back) == 0)
			fail_msg("taken: %s", wrong[i]);
		buffer_free(&back);
	}
}

static void
json_escapes_and_replaces_what_is_no_utf8(void **state)
{
	struct buffer b;
	(void)state;
	buffer_init(&b, 256);
	escape_json(&b, SPAN("a\"\\\n\xc3\xa4\xff\xed\xa0\x80\xc0\x80"));
	buffer_char(&b, '\0');
	assert_string_equal(b.at,
			    "a\\\"\\\\\\u000a\xc3\xa4\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd");
	buffer_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escape_leaves_plain_words_alone),
		cmocka_unit_test(escape_quotes_what_could_be_taken_for_something_else),
		cmocka_unit_test(escape_gives_back_every_byte),
		cmocka_unit_test(unescape_refuses_what_escape_would_not_write),
		cmocka_unit_test(json_escapes_and_replaces_what_is_no_utf8),
	};
	return cmocka_run_group_tests_name("text/escape", tests, NULL, NULL);
}
