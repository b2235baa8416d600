/*
 * grammar - the shape of a line: words, quotes, braces, comments, and where each stands
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/config/grammar.h"

static struct arena arena;
static char mistakes[1024];

static void
note(void *owner, unsigned column, const char *text)
{
	(void)owner;
	snprintf(mistakes + strlen(mistakes), sizeof(mistakes) - strlen(mistakes), "%u: %s\n",
		 column, text);
}

static struct grammar_line
read_line(const char *text)
{
	struct grammar_line line;

	mistakes[0] = '\0';
	arena_reset(&arena);
	assert_int_equal(grammar_line(span_of(text), &arena, &line, note, NULL), 0);
	return line;
}

static void
assert_word(const struct grammar_line *line, size_t n, const char *text, unsigned column)
{
	assert_true(n < line->count);
	assert_int_equal(line->words[n].text.len, strlen(text));
	assert_memory_equal(line->words[n].text.at, text, strlen(text));
	assert_int_equal(line->words[n].column, column);
}

static void
assert_mistake(const char *text, unsigned column, const char *part)
{
	char start[32];
	struct grammar_line line = read_line(text);

	assert_false(line.is_whole);
	snprintf(start, sizeof(start), "%u: ", column);
	if (strncmp(mistakes, start, strlen(start)) != 0 || strstr(mistakes, part) == NULL)
		fail_msg("%s: %s, expected %u: %s", text, mistakes, column, part);
	/* one mistake a line */
	assert_ptr_equal(strchr(mistakes, '\n'), mistakes + strlen(mistakes) - 1);
}

static void
words_stand_between_blanks_and_tabs(void **state)
{
	struct grammar_line line = read_line("\thostname \t mail.example.org  # the host");

	(void)state;
	assert_int_equal(line.count, 2);
	assert_word(&line, 0, "hostname", 2);
	assert_word(&line, 1, "mail.example.org", 13);
	assert_int_equal(line.end, 29);
	assert_true(line.is_whole);
	assert_false(line.opens || line.closes);
}

static void
nothing_but_a_comment_is_no_word(void **state)
{
	static const char *const lines[] = {"", "  ", "# hostname x", "\t#", "\r"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct grammar_line line = read_line(lines[i]);

		assert_int_equal(line.count, 0);
		assert_true(line.is_whole);
	}
}

static void
a_comment_begins_only_where_a_word_could(void **state)
{
	struct grammar_line line = read_line("a b#c '#' \"#\" #d");

	(void)state;
	assert_int_equal(line.count, 4);
	assert_word(&line, 1, "b#c", 3);
	assert_word(&line, 2, "#", 7);
	assert_word(&line, 3, "#", 11);
}

static void
quotes_hold_anything(void **state)
{
	struct grammar_line line = read_line("x \"a \\\"b\\\\ ;{\" 'c \\ \" d' '' \"{\" '}'");

	(void)state;
	assert_true(line.is_whole);
	assert_int_equal(line.count, 6);
	assert_word(&line, 1, "a \"b\\ ;{", 3);
	assert_word(&line, 2, "c \\ \" d", 16);
	assert_word(&line, 3, "", 26);
	assert_word(&line, 4, "{", 29);
	assert_word(&line, 5, "}", 33);
	assert_false(line.opens || line.closes);
}

static void
a_brace_ends_its_line_and_the_other_stands_alone(void **state)
{
	struct grammar_line line = read_line("domain example.org {  # ours");

	(void)state;
	assert_true(line.opens && line.is_whole);
	assert_int_equal(line.count, 2);
	assert_int_equal(line.brace, 20);
	assert_int_equal(line.end, 19);
	line = read_line("  } # end");
	assert_true(line.closes && line.is_whole);
	assert_int_equal(line.count, 0);
	assert_int_equal(line.brace, 3);
	line = read_line("deliver maildir /var/mail/{user}");
	assert_true(line.is_whole);
	assert_int_equal(line.count, 3);
}

static void
a_line_of_another_system_may_end_in_cr(void **state)
{
	struct grammar_line line = read_line("hostname a.example\r");

	(void)state;
	assert_true(line.is_whole);
	assert_word(&line, 1, "a.example", 10);
}

static void
each_mistake_is_told_once_and_where_it_is(void **state)
{
	(void)state;
	assert_mistake("hostname a;", 11, "no `;`");
	assert_mistake("spool \"/a b", 7, "not closed");
	assert_mistake("spool '/a b", 7, "not closed");
	assert_mistake("spool \"/a\"b", 11, "blank behind");
	assert_mistake("spool /a\"b\"", 9, "whole word");
	assert_mistake("spool \"a\\n\"", 9, "backslash");
	assert_mistake("spool \"a\\", 9, "backslash");
	assert_mistake("domain a{", 9, "blank before `{`");
	assert_mistake("domain a { users system }", 10, "ends its line");
	assert_mistake("{", 1, "directive before `{`");
	assert_mistake("} else {", 3, "stands alone");
	assert_mistake("users system }", 14, "stands alone");
	assert_mistake("domain a {}", 10, "empty block");
	assert_mistake("domain a \\", 10, "continued");
	assert_mistake("host\001name", 5, "control character");
	assert_mistake("hostname a\rb", 11, "control character");
}

static void
braces_are_believed_on_a_wrong_line(void **state)
{
	(void)state;
	assert_true(read_line("domain a{").opens);
	assert_true(read_line("domain a; {").opens);
	assert_true(read_line("domain \"a {").opens);
	assert_true(read_line("domain a { users system").opens);
	assert_false(read_line("domain a { users system }").opens);
	assert_true(read_line("users system }").closes);
	assert_true(read_line("} else {").closes);
	assert_true(read_line("} else {").opens);
}

static void
memory_that_is_out_is_told(void **state)
{
	struct arena small;
	struct grammar_line line;

	(void)state;
	for (size_t max = 0; max < 300; max += 8) {
		int outcome;

		arena_init(&small, max);
		outcome =
			grammar_line(SPAN("a \"b\\\"\" c d e f g h i"), &small, &line, note, NULL);
		if (outcome == 0)
			assert_int_equal(line.count, 9);
		else
			assert_int_equal(outcome, -1);
		arena_free(&small);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_stand_between_blanks_and_tabs),
		cmocka_unit_test(nothing_but_a_comment_is_no_word),
		cmocka_unit_test(a_comment_begins_only_where_a_word_could),
		cmocka_unit_test(quotes_hold_anything),
		cmocka_unit_test(a_brace_ends_its_line_and_the_other_stands_alone),
		cmocka_unit_test(a_line_of_another_system_may_end_in_cr),
		cmocka_unit_test(each_mistake_is_told_once_and_where_it_is),
		cmocka_unit_test(braces_are_believed_on_a_wrong_line),
		cmocka_unit_test(memory_that_is_out_is_told),
	};

	arena_init(&arena, 1 << 20);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
