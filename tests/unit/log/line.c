/* line: what the programs send is read; everything else is refused with its reason */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "log/line.h"

static struct line line;
static struct buffer room;

static enum line_outcome
parse(const char *text)
{
	return line_parse(span_of(text), &line, &room);
}

static void
expect_field(const char *key, const char *value)
{
	const struct line_field *f = line_find(&line, key);
	assert_non_null(f);
	assert_true(span_equal(f->value, span_of(value)));
}

static void
events_are_parsed_into_name_and_fields(void **state)
{
	(void)state;
	assert_int_equal(parse("1795507351123456 accepted session=S0644C2F1B5F3A2 "
			       "id=0644C2F1B5F3A2 size=12"),
			 LINE_OK);
	assert_int_equal(line.time_us, 1795507351123456);
	assert_true(span_equal(line.name, SPAN("accepted")));
	assert_int_equal(line.field_count, 3);
	expect_field("session", "S0644C2F1B5F3A2");
	expect_field("size", "12");
	assert_null(line_find(&line, "to"));
	assert_int_equal(parse("1 serving"), LINE_OK);
	assert_int_equal(line.field_count, 0);
}

static void
values_are_unescaped_and_the_words_kept(void **state)
{
	(void)state;
	assert_int_equal(parse("1 x from=\"\" reply=\"250 ok, \\\"fine\\\" \\x00\" a=b=c"),
			 LINE_OK);
	expect_field("from", "");
	expect_field("a", "b=c");
	const struct line_field *f = line_find(&line, "reply");
	assert_true(span_equal(f->value, span_from("250 ok, \"fine\" \0", 16)));
	assert_true(span_equal(f->word, SPAN("\"250 ok, \\\"fine\\\" \\x00\"")));
}

static void
a_malformed_line_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text;
		enum line_outcome outcome;
	} wrong[] = {
		{"", LINE_NO_TIME},
		{"x", LINE_NO_TIME},
		{"-1 x", LINE_NO_TIME},
		{"12345678901234567 x", LINE_NO_TIME},
		{"1", LINE_NO_NAME},
		{"1 ", LINE_NO_NAME},
		{"1 X", LINE_NO_NAME},
		{"1 a_b", LINE_NO_NAME},
		{"1  x", LINE_NO_NAME},
		{"1 x ", LINE_NO_NAME},
		{"1 abcdefghijklmnopqrstuvwxyzabcdefg", LINE_NO_NAME},
		{"1 x\001", LINE_NO_NAME},
		{"1 x a", LINE_WRONG_KEY},
		{"1 x =b", LINE_WRONG_KEY},
		{"1 x A=b", LINE_WRONG_KEY},
		{"1 x a-b=c", LINE_WRONG_KEY},
		{"1 x a=b  c=d", LINE_WRONG_KEY},
		{"1 x a=", LINE_WRONG_WORD},
		{"1 x a=b ", LINE_WRONG_WORD},
		{"1 x a=\"b", LINE_WRONG_WORD},
		{"1 x a=\"b\"c", LINE_WRONG_WORD},
		{"1 x a=b\001", LINE_WRONG_WORD},
		{"1 x a=\xc3\xa4", LINE_WRONG_WORD},
		{"1 x a=\"\\x41\"", LINE_WRONG_WORD},
		{"1 x a=1 b=2 a=3", LINE_KEY_TWICE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		enum line_outcome o = parse(wrong[i].text);
		if (o != wrong[i].outcome)
			print_error("`%s`: %s\n", wrong[i].text, line_outcome_text(o));
		assert_int_equal(o, wrong[i].outcome);
		assert_true(line_outcome_text(o)[0] != '\0');
	}
}

static void
a_line_has_bounds(void **state)
{
	(void)state;
	char *text = malloc(LINE_MAX_BYTES + 2);
	memset(text, 'x', LINE_MAX_BYTES + 1);
	memcpy(text, "1 x a=", 6);
	assert_int_equal(line_parse(span_from(text, LINE_MAX_BYTES), &line, &room), LINE_OK);
	assert_int_equal(line.fields[0].value.len, LINE_MAX_BYTES - 6);
	assert_int_equal(line_parse(span_from(text, LINE_MAX_BYTES + 1), &line, &room),
			 LINE_TOO_LONG);
	size_t len = 3;
	for (int i = 0; i <= LINE_FIELDS_MAX; i++) {
		assert_int_equal(line_parse(span_from(text, len), &line, &room), LINE_OK);
		len += (size_t)sprintf(text + len, " k%d=v", i);
	}
	assert_int_equal(line_parse(span_from(text, len), &line, &room), LINE_MANY_FIELDS);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_parsed_into_name_and_fields),
		cmocka_unit_test(values_are_unescaped_and_the_words_kept),
		cmocka_unit_test(a_malformed_line_is_refused_with_its_reason),
		cmocka_unit_test(a_line_has_bounds),
	};
	buffer_init(&room, LINE_MAX_BYTES);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&room);
	return failed;
}
