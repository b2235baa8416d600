/* json: what escape_json and its callers write is read again, and nothing else is */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text/escape.h"
#include "common/text/json.h"

static void
members_come_in_their_order(void **state)
{
	struct span rest = SPAN("{\"a\":\"x\",\"b_c\":-12,\"d-1\":\"\"}");
	struct json_member m;
	(void)state;
	assert_int_equal(json_next(&rest, &m), JSON_MEMBER);
	assert_true(span_equal(m.key, SPAN("a")) && span_equal(m.value, SPAN("x")) && m.is_string);
	assert_int_equal(json_next(&rest, &m), JSON_MEMBER);
	assert_true(span_equal(m.key, SPAN("b_c")) && span_equal(m.value, SPAN("-12")) &&
		    !m.is_string);
	assert_int_equal(json_next(&rest, &m), JSON_MEMBER);
	assert_true(span_equal(m.key, SPAN("d-1")) && m.value.len == 0 && m.is_string);
	assert_int_equal(json_next(&rest, &m), JSON_END);
	rest = SPAN("{}");
	assert_int_equal(json_next(&rest, &m), JSON_END);
}

static void
a_text_that_is_no_flat_object_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"}x",
		"[]",
		"{\"a\":\"x\"",
		"{\"a\":\"x\"}}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":1.5}",
		"{\"a\":null}",
		"{\"a\":{}}",
		"{ \"a\":1}",
		"{\"a\":1,}",
		"{\"\":1}",
		"{\"a b\":1}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"x\\\"}",
		"{\"a\":1}\n",
		"{\"a\":1\"b\":2}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct span rest = span_of(wrong[i]);
		struct json_member m;
		enum json_outcome o;
		while ((o = json_next(&rest, &m)) == JSON_MEMBER)
			continue;
		if (o != JSON_MALFORMED)
			print_error("`%s`\n", wrong[i]);
		assert_int_equal(o, JSON_MALFORMED);
	}
}

static void
what_was_escaped_is_the_same_again(void **state)
{
	static const char *const texts[] = {"", "plain", "a\"b\\c", "\001\n\x7f",
					    "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x95\x8a"};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buffer escaped, back;
		buffer_init(&escaped, 256);
		buffer_init(&back, 256);
		escape_json(&escaped, span_of(texts[i]));
		assert_int_equal(json_unescape(&back, buffer_get(&escaped)), 0);
		assert_true(span_equal(buffer_get(&back), span_of(texts[i])));
		buffer_free(&escaped);
		buffer_free(&back);
	}
}

static void
escapes_are_read_as_the_rfc_says(void **state)
{
	static const char *const wrong[] = {"\\",      "\\x",	  "\\u12",
					    "\\u12g4", "\\ud800", "\\ud800\\u0041",
					    "\\udc00", "\"",	  "\n"};
	struct buffer b;
	(void)state;
	buffer_init(&b, 256);
	assert_int_equal(json_unescape(&b, SPAN("\\u0041\\u00e4\\u20AC\\ud83d\\udd4a\\n\\/")), 0);
	assert_true(span_equal(buffer_get(&b), SPAN("A\xc3\xa4\xe2\x82\xac\xf0\x9f\x95\x8a\n/")));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(json_unescape(&b, span_of(wrong[i])), -1);
	buffer_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_in_their_order),
		cmocka_unit_test(a_text_that_is_no_flat_object_is_refused),
		cmocka_unit_test(what_was_escaped_is_the_same_again),
		cmocka_unit_test(escapes_are_read_as_the_rfc_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
