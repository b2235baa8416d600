/*
 * aliases - the text tables, read as sendmail and Postfix read them
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/config/aliases.h"
#include "common/system/clock.h"
#include "common/text/buffer.h"

/* entries as lines "name@line = kind:text, ..." and mistakes as lines "! line:column" */
static struct buffer said;

static void
on_entry(void *owner, const struct alias_entry *e)
{
	static const char kinds[] = "a|/:";

	(void)owner;
	buffer_format(&said, "%.*s@%u =", SPAN_ARG(e->name), e->line);
	for (size_t i = 0; i < e->value_count; i++)
		buffer_format(&said, " %s%c:%.*s;", e->values[i].direct ? "\\" : "",
			      kinds[e->values[i].kind], SPAN_ARG(e->values[i].text));
	buffer_char(&said, '\n');
}

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	(void)owner;
	assert_true(strlen(text) > 10);
	buffer_format(&said, "! %u:%u\n", line, column);
}

static void
check(const char *text, const char *expected)
{
	struct arena arena;

	buffer_init(&said, 1 << 20);
	arena_init(&arena, 1 << 20);
	assert_int_equal(aliases_parse(span_of(text), &arena, on_entry, on_wrong, NULL), 0);
	buffer_char(&said, '\0');
	assert_string_equal(said.at, expected);
	buffer_free(&said);
	arena_free(&arena);
}

static void
a_line_is_a_name_and_values(void **state)
{
	(void)state;
	check("postmaster: root\nList:  a, b@Example.ORG ,c,\n",
	      "postmaster@1 = a:root;\nlist@2 = a:a; a:b@example.org; a:c;\n");
	check("last: line", "last@1 = a:line;\n");
	check("", "");
}

static void
comments_and_empty_lines_are_skipped(void **state)
{
	(void)state;
	check("# c\n\n   \n\t# d\na: b\n#x: y\n\nc: d (a comment, with a comma)\n",
	      "a@5 = a:b;\nc@8 = a:d;\n");
}

static void
a_line_that_begins_blank_continues_the_one_before(void **state)
{
	(void)state;
	check("a: b,\n# between\n\n\tc\n   ,d\nnext: e\n", "a@1 = a:b; a:c; a:d;\nnext@6 = a:e;\n");
	check("a:\r\n  b\r\nc: d\r\n", "a@1 = a:b;\nc@3 = a:d;\n");
	check("  a: b\nc: d\n", "! 1:1\nc@2 = a:d;\n");
}

static void
commands_files_and_includes_are_told_apart(void **state)
{
	(void)state;
	check("a: \"|/bin/cmd 'x, y' \\\"q\\\"\"\nb: |/bin/cat -n\nc: /var/mail/c\nd: "
	      ":include:/etc/list\n"
	      "e: \":Include: /x\", |\"/bin/x, y\"\n",
	      "a@1 = |:/bin/cmd 'x, y' \"q\";\nb@2 = |:/bin/cat -n;\nc@3 = /:/var/mail/c;\n"
	      "d@4 = ::/etc/list;\ne@5 = ::/x; |:/bin/x, y;\n");
}

static void
a_backslash_stops_further_aliases(void **state)
{
	(void)state;
	check("me: \\me, other\n", "me@1 = \\a:me; a:other;\n");
}

static void
quoted_names_and_addresses_keep_their_meaning(void **state)
{
	(void)state;
	check("\"john smith\": \"j s\"@x.test, \"plain\"@x.test\n\"odd@name\": \"a@b\"\n",
	      "john smith@1 = a:\"j s\"@x.test; a:plain@x.test;\nodd@name@2 = a:\"a@b\";\n");
	check("boss: The Boss <boss@x.test>, \"Boss, The\" <b2>\n",
	      "boss@1 = a:boss@x.test; a:b2;\n");
}

static void
a_wrong_line_is_an_entry_without_values_and_harms_no_other(void **state)
{
	(void)state;
	check("a: b c\nd: e\n", "! 1:4\na@1 =\nd@2 = a:e;\n");
	check("a: ok,\n  \"open\nd: e\n", "! 2:3\na@1 =\nd@3 = a:e;\n");
	check("a:\nb: (open\nc: <x\nd: ok\n",
	      "! 1:3\na@1 =\n! 2:4\nb@2 =\n! 3:4\nc@3 =\nd@4 = a:ok;\n");
	check("a: x@\nb: @y\nc: |\n", "! 1:4\na@1 =\n! 2:4\nb@2 =\n! 3:4\nc@3 =\n");
}

static void
a_line_without_a_name_is_a_mistake(void **state)
{
	(void)state;
	check("no colon here\na: b\n", "! 1:4\na@2 = a:b;\n");
	check(": b\n\"\": c\n\"open: d\nx@y: z\n", "! 1:1\n! 2:1\n! 3:1\n! 4:1\n");
}

static void
a_nul_byte_ends_its_line_only(void **state)
{
	static const char text[] = "a: b\0c\nd: e\n";
	struct arena arena;

	(void)state;
	buffer_init(&said, 1 << 20);
	arena_init(&arena, 1 << 20);
	assert_int_equal(aliases_parse(SPAN(text), &arena, on_entry, on_wrong, NULL), 0);
	buffer_char(&said, '\0');
	assert_string_equal(said.at, "! 1:5\nd@2 = a:e;\n");
	buffer_free(&said);
	arena_free(&arena);
}

static void
without_memory_it_says_so(void **state)
{
	struct arena arena;

	(void)state;
	buffer_init(&said, 1 << 20);
	for (size_t max = 0; max < 200; max += 16) {
		arena_init(&arena, max);
		(void)!aliases_parse(SPAN("ABC: \"a b\", D@E.test, f\n"), &arena, on_entry,
				     on_wrong, NULL);
		arena_free(&arena);
	}
	arena_init(&arena, 8);
	assert_int_equal(aliases_parse(SPAN("abc: def\n"), &arena, on_entry, on_wrong, NULL), -1);
	arena_free(&arena);
	buffer_free(&said);
}

static void
count_entry(void *owner, const struct alias_entry *e)
{
	(void)e;
	++*(size_t *)owner;
}

static void
no_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	(void)owner;
	fail_msg("%u:%u %s", line, column, text);
}

static void
a_hundred_thousand_lines_take_well_under_a_second(void **state)
{
	struct buffer text;
	struct arena arena;
	size_t count = 0;

	(void)state;
	buffer_init(&text, 64 << 20);
	arena_init(&arena, 256 << 20);
	for (int i = 0; i < 100000; i++)
		buffer_format(&text, "user%d: other%d@example.org, third%d\n", i, i, i);
	int64_t start_us = clock_monotonic_us();
	assert_int_equal(aliases_parse(buffer_get(&text), &arena, count_entry, no_wrong, &count),
			 0);
	int64_t took_us = clock_monotonic_us() - start_us;
	assert_int_equal(count, 100000);
	print_message("100,000 lines: %lld ms\n", (long long)took_us / 1000);
	assert_true(took_us < 5000000); /* with room for sanitizers and a busy machine */
	buffer_free(&text);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_name_and_values),
		cmocka_unit_test(comments_and_empty_lines_are_skipped),
		cmocka_unit_test(a_line_that_begins_blank_continues_the_one_before),
		cmocka_unit_test(commands_files_and_includes_are_told_apart),
		cmocka_unit_test(a_backslash_stops_further_aliases),
		cmocka_unit_test(quoted_names_and_addresses_keep_their_meaning),
		cmocka_unit_test(a_wrong_line_is_an_entry_without_values_and_harms_no_other),
		cmocka_unit_test(a_line_without_a_name_is_a_mistake),
		cmocka_unit_test(a_nul_byte_ends_its_line_only),
		cmocka_unit_test(without_memory_it_says_so),
		cmocka_unit_test(a_hundred_thousand_lines_take_well_under_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
