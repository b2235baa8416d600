/*
 * manual - culver.conf(5), the sample and the table of directives say the same
 *
 * Run from the top of the tree.  In the manual a section `.Ss PLACE` of DIRECTIVES has an `.It Ic WORD Ar ARGUMENTS` for each row
 * of that place, and the entry ends in `Default: VALUE.`
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/config/config.h"
#include "common/config/directives.h"

#define MANUAL "man/culver.conf.5"
#define ENTRIES_MAX 200

struct entry {
	char section[32];
	char word[64];
	char arguments[128];
	char text[2048]; /* lines joined by blanks, macros included */
};

static struct entry entries[ENTRIES_MAX];
static size_t entry_count;

/* macro words of mdoc within a sentence are no part of it */
static void
add_text(struct entry *e, const char *line)
{
	size_t len = strlen(e->text);

	if (line[0] == '.' && strlen(line) > 4)
		line += 4;
	snprintf(e->text + len, sizeof(e->text) - len, "%s ", line);
}

static int
read_manual(void **state)
{
	FILE *f = fopen(MANUAL, "re");
	char line[512], section[32] = "";
	bool is_directives = false;
	struct entry *e = NULL;

	(void)state;
	if (f == NULL) {
		fprintf(stderr, "%s is not there: run this from the top of the tree\n", MANUAL);
		return -1;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, ".Sh ", 4) == 0) {
			is_directives = strcmp(line + 4, "DIRECTIVES") == 0;
		} else if (!is_directives) {
			continue;
		} else if (strncmp(line, ".Ss ", 4) == 0) {
			e = NULL;
			snprintf(section, sizeof(section), "%.30s", line + 4);
		} else if (strncmp(line, ".It Ic ", 7) == 0) {
			char *arguments = strstr(line, " Ar ");

			assert_true(entry_count < ENTRIES_MAX);
			e = &entries[entry_count++];
			snprintf(e->section, sizeof(e->section), "%s", section);
			if (arguments != NULL) {
				snprintf(e->arguments, sizeof(e->arguments), "%.100s",
					 arguments + 4);
				*arguments = '\0';
			}
			snprintf(e->word, sizeof(e->word), "%.60s", line + 7);
		} else if (e != NULL && strcmp(line, ".El") != 0) {
			add_text(e, line);
		}
	}
	fclose(f);
	return 0;
}

/* the section of the manual for a row's place; the limits of a `listen` stand with the general ones */
static const char *
section_of(const struct directive *d)
{
	if (d->where == PLACE_ANY)
		return "Anywhere";
	if (d->where & PLACE_LIMIT)
		return place_name(PLACE_LIMIT);
	if (d->where == PLACE_GENERAL)
		return "The file";
	return place_name(d->where);
}

static const struct entry *
entry_of(const struct directive *d)
{
	for (size_t i = 0; i < entry_count; i++)
		if (strcmp(entries[i].word, d->word) == 0 &&
		    strcmp(entries[i].section, section_of(d)) == 0)
			return &entries[i];
	fail_msg("%s: no entry in %s, section %s", d->word, MANUAL, section_of(d));
	return NULL;
}

static void
assert_says(const struct entry *e, const char *text)
{
	if (strstr(e->text, text) == NULL)
		fail_msg("%s, section %s, %s: expected `%s`", MANUAL, e->section, e->word, text);
}

static void
the_manual_has_every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];
		const struct entry *e = entry_of(d);
		char text[512];

		if (strcmp(e->arguments, d->arguments != NULL ? d->arguments : "") != 0)
			fail_msg("%s: arguments %s, in the manual %s", d->word, d->arguments,
				 e->arguments);
		snprintf(text, sizeof(text), "Default: %s. ", directive_default(d));
		assert_says(e, text);
		if (d->reply != NULL) {
			snprintf(text, sizeof(text), "Reply: %s. ", d->reply);
			assert_says(e, text);
		}
		if (d->repeats)
			assert_says(e, "repeats");
		if (d->needs_block)
			assert_says(e, "A block, which must be there");
		if (d->where & PLACE_LIMIT && d->where & PLACE_LISTEN_LIMIT &&
		    d->where != PLACE_ANY)
			assert_says(e, "Also of a listen");
	}
}

static void
the_manual_has_the_range_of_every_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];
		struct buffer range;

		if (d->unit == UNIT_NONE)
			continue;
		buffer_init(&range, 256);
		amount_format(d->unit, d->min, &range);
		buffer_string(&range, " to ");
		amount_format(d->unit, d->max, &range);
		buffer_char(&range, '\0');
		assert_false(range.failed);
		assert_says(entry_of(d), range.at);
		buffer_free(&range);
	}
}

static void
the_table_has_every_entry(void **state)
{
	(void)state;
	assert_int_equal(entry_count, directive_count);
	for (size_t i = 0; i < entry_count; i++) {
		bool found = false;

		for (size_t n = 0; n < directive_count; n++)
			found = found ||
				(strcmp(entries[i].word, directives[n].word) == 0 &&
				 strcmp(entries[i].section, section_of(&directives[n])) == 0);
		if (!found)
			fail_msg("%s, section %s: `%s` is no row of the table", MANUAL,
				 entries[i].section, entries[i].word);
	}
}

static void
every_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];

		assert_non_null(d->take);
		assert_non_null(d->sentence);
		assert_true(d->min_words <= d->max_words);
		assert_true((d->max_words > 0) == (d->arguments != NULL));
		assert_true(d->standard == NULL || d->otherwise == NULL);
		/* one row for a word in a place */
		for (unsigned place = 1; place < PLACE_ANY; place <<= 1)
			if (d->where & place)
				assert_ptr_equal(directive_find(span_of(d->word), place), d);
	}
}

static void
every_limit_is_a_row(void **state)
{
	size_t limits = 0;

	(void)state;
	for (size_t i = 0; i < directive_count; i++)
		if (directives[i].where & PLACE_LIMIT && directives[i].where != PLACE_ANY)
			limits++;
	assert_int_equal(limits, sizeof(struct config_limits) / sizeof(uint64_t));
}

/* what is printed for people has each row whole */
static void
the_table_is_printed_whole(void **state)
{
	struct buffer b;
	size_t lines = 0;

	(void)state;
	buffer_init(&b, 1 << 20);
	directives_print(&b);
	assert_false(b.failed);
	for (struct span rest = buffer_get(&b); rest.len > 0; lines++) {
		struct span line = span_cut(&rest, '\n');

		for (int i = 0; i < 4; i++)
			(void)span_cut(&line, '\t');
		assert_true(line.len > 0);
		assert_false(span_has(line, '\t'));
	}
	assert_int_equal(lines, directive_count + 1);
	buffer_free(&b);
}

/* etc/culver.conf is right as it is, and what it shows as the default is the default */
static void
the_sample_is_right(void **state)
{
	struct config_errors errors;
	struct config_defaults d;
	struct buffer text;
	struct config *c;

	(void)state;
	config_errors_init(&errors);
	config_defaults_find(&d, false);
	buffer_init(&text, CONFIG_TEXT_MAX);
	assert_int_equal(config_load("etc/culver.conf", &text, &errors), 0);
	c = config_parse(buffer_get(&text), &d, &errors);
	assert_non_null(c);
	assert_int_equal(c->listen_count, 2);
	config_free(c);
	config_errors_free(&errors);
	buffer_free(&text);
}

static void
the_sample_shows_the_defaults(void **state)
{
	FILE *f = fopen("etc/culver.conf", "re");
	char line[512];
	size_t shown = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		struct span rest, word;
		const struct directive *d;
		bool is_default = false;

		if (line[0] != '#' || line[1] == ' ' || strstr(line, "# an example") != NULL)
			continue;
		rest = span_of(line + 1);
		rest.len = strcspn(rest.at, "#\n{");
		word = span_word(&rest);
		d = directive_find(word, PLACE_ANY);
		if (word.len == 0 || span_equal(word, SPAN("}")))
			continue;
		assert_non_null(d);
		/* `otherwise` begins with what root has; a word may stand in two places */
		for (size_t i = 0; i < directive_count && !is_default; i++)
			is_default = span_equal(span_of(directives[i].word), word) &&
				     span_starts(span_of(directive_default(&directives[i])),
						 span_trim(rest));
		if (!is_default)
			fail_msg("etc/culver.conf: %s", line);
		shown++;
	}
	fclose(f);
	assert_true(shown > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_has_every_row),
		cmocka_unit_test(the_manual_has_the_range_of_every_number),
		cmocka_unit_test(the_table_has_every_entry),
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(every_limit_is_a_row),
		cmocka_unit_test(the_table_is_printed_whole),
		cmocka_unit_test(the_sample_is_right),
		cmocka_unit_test(the_sample_shows_the_defaults),
	};

	return cmocka_run_group_tests(tests, read_manual, NULL);
}
