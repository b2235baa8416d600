/*
 * patterns - table-pcre and table-cidr: order, if and endif, bounds; and the verdicts of Postfix on its own tables
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/tables.h"

static struct arena arena;
static char wrong_lines[1000]; /* "LINE LINE ..." of the mistakes, in the order they were told */

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	size_t len = strlen(wrong_lines);

	(void)owner;
	(void)column;
	assert_true(strlen(text) > 0);
	snprintf(wrong_lines + len, sizeof(wrong_lines) - len, "%s%u", len > 0 ? " " : "", line);
}

static void *
open_table(const struct table_module *m, struct span text)
{
	struct table_source s = {.path = "test", .reader = {NULL, on_wrong}};
	void *content;

	wrong_lines[0] = '\0';
	s.text = malloc(text.len + 1);
	assert_non_null(s.text);
	memcpy(s.text, text.at, text.len);
	s.len = text.len;
	content = m->open(&s);
	assert_non_null(content);
	return content;
}

/* the value; "-" absent, "?" trouble */
static const char *
find(const struct table_module *m, void *content, struct span key)
{
	static char value[4096];
	char reason[TABLE_REASON_MAX] = "";
	struct table_answer answer;

	arena_reset(&arena);
	switch (m->find(content, key, &arena, &answer, reason)) {
	case TABLE_FOUND:
		snprintf(value, sizeof(value), "%.*s", SPAN_ARG(answer.value));
		return value;
	case TABLE_ABSENT:
		return "-";
	case TABLE_TROUBLE:
		assert_true(strlen(reason) > 0);
		return "?";
	}
	return "";
}

static void
the_first_pattern_that_matches_counts(void **state)
{
	void *t = open_table(&table_pcre, SPAN("/^a/ first\n/b/ second $1\n/(c)(d)?/ <$1$2>\n"
					       "!/e/ none\n/E/i case\n/e/ lower\n"));

	(void)state;
	assert_string_equal(wrong_lines, "2"); /* it has no group */
	assert_string_equal(find(&table_pcre, t, SPAN("ab")), "first");
	assert_string_equal(find(&table_pcre, t, SPAN("c")), "<c>");
	assert_string_equal(find(&table_pcre, t, SPAN("xcd")), "<cd>");
	assert_string_equal(find(&table_pcre, t, SPAN("x")), "none");
	assert_string_equal(find(&table_pcre, t, SPAN("E")), "case");
	assert_string_equal(find(&table_pcre, t, SPAN("e")), "lower");
	table_pcre.close(t);
}

static void
a_match_has_bounds(void **state)
{
	char key[80];
	void *t = open_table(&table_pcre, SPAN("/^(a+)+$/ x\n/./ y\n"));

	(void)state;
	memset(key, 'a', sizeof(key));
	key[sizeof(key) - 1] = '@';
	assert_string_equal(find(&table_pcre, t, span_from(key, sizeof(key))), "?");
	assert_string_equal(find(&table_pcre, t, SPAN("b")), "y");
	table_pcre.close(t);
}

static void
a_value_has_a_longest_length(void **state)
{
	char text[2000] = "/^(.*)$/ ", key[500];
	void *t;

	(void)state;
	for (int i = 0; i < 300; i++)
		strcat(text, "$1$1");
	memset(key, 'k', sizeof(key));
	t = open_table(&table_pcre, span_of(text));
	assert_string_equal(find(&table_pcre, t, span_from(key, sizeof(key))), "?");
	assert_int_equal(strlen(find(&table_pcre, t, SPAN("k"))), 600);
	table_pcre.close(t);
}

static void
networks_are_tried_in_their_order(void **state)
{
	void *t = open_table(
		&table_cidr,
		SPAN("192.0.2.7 one\n192.0.2.0/24 many\nif 10.0.0.0/8\n10.1.0.0/16 in\n"
		     "!10.0.0.0/9 upper\nendif\n2001:db8::/32 six\n192.0.2.1/24 x\n"
		     "203.0.113.0/24\nendif\n[2001:db9::]/32 brackets\nif ::/0\n::1 own\n"));

	(void)state;
	assert_string_equal(wrong_lines, "8 9 10 12");
	assert_string_equal(find(&table_cidr, t, SPAN("192.0.2.7")), "one");
	assert_string_equal(find(&table_cidr, t, SPAN("192.0.2.8")), "many");
	assert_string_equal(find(&table_cidr, t, SPAN("10.1.2.3")), "in");
	assert_string_equal(find(&table_cidr, t, SPAN("10.2.2.3")), "-");
	assert_string_equal(find(&table_cidr, t, SPAN("10.200.2.3")), "upper");
	assert_string_equal(find(&table_cidr, t, SPAN("198.51.100.1")), "-");
	assert_string_equal(find(&table_cidr, t, SPAN("2001:db8::1")), "six");
	assert_string_equal(find(&table_cidr, t, SPAN("[2001:db9::1]")), "brackets");
	assert_string_equal(find(&table_cidr, t, SPAN("::1")), "own");
	assert_string_equal(find(&table_cidr, t, SPAN("user@example.org")), "-");
	table_cidr.close(t);
}

/* ---- the tables of Postfix ---- */

/* text of a file of the optional data; at == NULL: it is not there */
static struct span
read_data(const char *name)
{
	static char texts[3][16384];
	static unsigned next;
	const char *folder = getenv("CULVER_TEST_DATA");
	char path[4096], *text = texts[next++ % 3];
	FILE *f;
	size_t len;

	snprintf(path, sizeof(path), "%s/postfix-tables/util/%s",
		 folder != NULL ? folder : "../shared/data", name);
	f = fopen(path, "r");
	if (f == NULL)
		return span_from(NULL, 0);
	len = fread(text, 1, sizeof(texts[0]), f);
	fclose(f);
	return span_from(text, len);
}

/*
 * judge - every `> get KEY` of the reference with the line behind it, `KEY=VALUE` or `KEY: not found`; how many
 *
 * `other` names keys on which we differ, and what we say.
 */
static size_t
judge(const struct table_module *m, void *content, struct span reference,
      const char *const other[][2])
{
	size_t judged = 0;

	while (reference.len > 0) {
		struct span line = span_cut(&reference, '\n'), key;
		char expected[400], said[400];

		if (!span_starts(line, SPAN("> get ")))
			continue;
		key = span_skip(line, 6);
		line = span_cut(&reference, '\n');
		assert_true(span_starts(line, key));
		line = span_skip(line, key.len);
		if (span_equal(line, SPAN(": not found")))
			snprintf(expected, sizeof(expected), "-");
		else
			snprintf(expected, sizeof(expected), "%.*s", SPAN_ARG(span_skip(line, 1)));
		for (size_t i = 0; other != NULL && other[i][0] != NULL; i++)
			if (span_equal(key, span_of(other[i][0])))
				snprintf(expected, sizeof(expected), "%s", other[i][1]);
		snprintf(said, sizeof(said), "%s", find(m, content, key));
		if (strcmp(said, expected) != 0)
			fail_msg("%.*s: %s, not %s", SPAN_ARG(key), said, expected);
		judged++;
	}
	return judged;
}

/*
 * Postfix names mistakes in lines 1 (two of them), 5, 8, 9, 10, 17, 22, 24, 25, 28, 27 and 26.  So do we, in the same order, but for the
 * advice not to indent what stands behind an `if` (1), and for a pattern without a value (9), which is found with an empty one here as there.
 */
static void
postfix_pattern_tables_have_their_verdicts(void **state)
{
	struct span map = read_data("dict_pcre.map"), reference = read_data("dict_pcre.ref");
	/* dict_regexp has the same rules for POSIX expressions: what PCRE2 reads alike is judged as well */
	struct span map2, reference2;
	size_t judged;
	void *t;

	(void)state;
	if (map.at == NULL)
		skip();
	t = open_table(&table_pcre, map);
	assert_string_equal(wrong_lines, "1 5 8 10 17 22 24 25 28 27 26");
	judged = judge(&table_pcre, t, reference, NULL);
	assert_int_equal(judged, 15);
	table_pcre.close(t);
	map2 = read_data("dict_regexp.map");
	reference2 = read_data("dict_regexp.ref");
	t = open_table(&table_pcre, map2);
	/* `/a/!/b/` is "a and not b" there alone, as its pcre tables refuse it */
	static const char *const other[][2] = {{"aa", "-"}, {NULL, NULL}};
	judged += judge(&table_pcre, t, reference2, other);
	table_pcre.close(t);
	print_message("aa: not found, and Postfix finds it: `/a/!/b/` is \"a and not b\" in its "
		      "regexp tables alone; its pcre tables refuse it as we do\n"
		      "Postfix pattern tables: %zu verdicts, 1 of them differs\n",
		      judged);
}

/*
 * In dict_pcre_file and dict_cidr_file the values are names of files whose contents are the results (`postmap -F`): we have no such
 * thing, so what is judged is which rule was found.
 */
static void
postfix_tables_of_files_find_the_same_rules(void **state)
{
	static const char *const rules[][2] = {{"file1", "dict_pcre_file1"},
					       {"file2", "dict_pcre_file2"},
					       {"file3", "dict_pcre_file3"},
					       {"files12", "dict_pcre_file1, dict_pcre_file2"},
					       {NULL, NULL}};
	static const char *const networks[][2] = {{"1.1.1.1", "dict_cidr_file1"},
						  {"2.2.2.2", "dict_cidr_file2"},
						  {"3.3.3.3", "dict_cidr_file3"},
						  {NULL, NULL}};
	struct span map = read_data("dict_pcre_file.map"),
		    reference = read_data("dict_pcre_file.ref");
	size_t judged;
	void *t;

	(void)state;
	if (map.at == NULL)
		skip();
	t = open_table(&table_pcre, map);
	assert_string_equal(wrong_lines, "");
	judged = judge(&table_pcre, t, reference, rules);
	table_pcre.close(t);
	map = read_data("dict_cidr_file.map");
	t = open_table(&table_cidr, map);
	assert_string_equal(wrong_lines, "");
	judged += judge(&table_cidr, t, read_data("dict_cidr_file.ref"), networks);
	table_cidr.close(t);
	assert_int_equal(judged, 7);
	print_message("Postfix tables of files: %zu rules found\n", judged);
}

static int
make_arena(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int
free_arena(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_pattern_that_matches_counts),
		cmocka_unit_test(a_match_has_bounds),
		cmocka_unit_test(a_value_has_a_longest_length),
		cmocka_unit_test(networks_are_tried_in_their_order),
		cmocka_unit_test(postfix_pattern_tables_have_their_verdicts),
		cmocka_unit_test(postfix_tables_of_files_find_the_same_rules),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
