/*
 * load - files and what they include become one text that knows where each line came from
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/config/config.h"

static const struct config_defaults root = {
	.as_root = true,
	.hostname = "machine.example",
	.runtime = "/run/culver",
	.spool = "/var/spool/culver",
	.state = "/var/lib/culver",
};

static char directory[] = "/tmp/culver-load-XXXXXX";
static struct buffer text, told;

static char *
path_of(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void
write_file(const char *name, const char *content)
{
	FILE *f = fopen(path_of(name), "we");

	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* loads and parses main.conf; what is wrong is in `told`, without the directory */
static struct config *
load_main(void)
{
	struct config_errors errors;
	struct buffer all;
	struct config *c;
	int outcome;

	config_errors_init(&errors);
	buffer_clear(&text);
	buffer_clear(&told);
	outcome = config_load(path_of("main.conf"), &text, &errors);
	assert_int_equal(outcome, errors.count > 0 ? -1 : 0);
	c = config_parse(buffer_get(&text), &root, &errors);
	buffer_init(&all, 1 << 20);
	config_errors_print(&errors, &all);
	for (struct span rest = buffer_get(&all); rest.len > 0;) {
		if (span_starts(rest, span_of(directory))) {
			rest = span_skip(rest, strlen(directory) + 1);
		} else {
			buffer_char(&told, rest.at[0]);
			rest = span_skip(rest, 1);
		}
	}
	buffer_char(&told, '\0');
	if (outcome < 0 && c != NULL) {
		config_free(c);
		c = NULL;
	}
	buffer_free(&all);
	config_errors_free(&errors);
	return c;
}

static void
a_file_stands_where_it_is_included(void **state)
{
	struct config *c;

	(void)state;
	assert_true(mkdir(path_of("conf.d"), 0700) == 0);
	write_file("main.conf", "hostname a.example\n"
				"include conf.d/domains # ours\n"
				"limit {\n"
				"\tinclude 'conf.d/limits'\n"
				"\terrors 5\n"
				"}\n");
	write_file("conf.d/domains", "domain b.example {\n}\ninclude more");
	write_file("conf.d/more", "domain c.example");
	write_file("conf.d/limits", "hops 7\n");
	c = load_main();
	assert_string_equal(told.at, "");
	assert_non_null(c);
	assert_non_null(config_domain_find(c, SPAN("b.example")));
	assert_non_null(config_domain_find(c, SPAN("c.example")));
	assert_int_equal(c->limits.hops, 7);
	assert_int_equal(c->limits.errors, 5);
	config_free(c);
}

static void
each_mistake_names_the_file_and_line_it_is_in(void **state)
{
	(void)state;
	write_file("main.conf", "hostnam a.example\n"
				"include first\n"
				"include first-too\n"
				"min-uid x\n");
	write_file("first", "# a\n\n\textension ab\ninclude second\norigin -\n");
	write_file("second", "spool x");
	write_file("first-too", "spool y\n");
	assert_null(load_main());
	assert_string_equal(
		told.at,
		"main.conf:1:1: unknown directive `hostnam`; did you mean `hostname`?\n"
		"first:3:12: `ab`: expected one of the characters + - _ = . % & or \"#\", or "
		"`none`\n"
		"second:1:7: `x`: expected a path that begins with `/`\n"
		"first:5:8: `-`: expected the name of a host or domain (letters, digits, hyphens "
		"and "
		"dots)\n"
		"first-too:1:1: `spool` stands here twice; the first is in line 1 of second\n"
		"first-too:1:7: `y`: expected a path that begins with `/`\n"
		"main.conf:4:9: `x`: expected a number from 0 to 4294967294\n");
}

static void
a_file_that_cannot_be_read_is_told_where_it_is_named(void **state)
{
	(void)state;
	write_file("main.conf", "min-uid x\n  include nothing\ninclude .\nextension ab\n");
	assert_null(load_main());
	assert_non_null(strstr(told.at, "main.conf:2:11: cannot read nothing: No such file"));
	assert_non_null(strstr(told.at, "main.conf:3:9: cannot read .: expected a file"));
	/* and the rest is read all the same */
	assert_non_null(strstr(told.at, "main.conf:1:9: `x`"));
	assert_non_null(strstr(told.at, "main.conf:4:11: `ab`"));
	assert_int_equal(unlink(path_of("main.conf")), 0);
	assert_null(load_main());
	assert_string_equal(told.at,
			    "main.conf: cannot read main.conf: No such file or directory\n");
}

static void
files_do_not_include_themselves(void **state)
{
	(void)state;
	write_file("main.conf", "include one\n");
	write_file("one", "\ninclude two\n");
	write_file("two", "include ./one\ninclude main.conf\n");
	assert_null(load_main());
	assert_string_equal(told.at,
			    "two:1:9: ./one includes itself, by line 2 of one\n"
			    "two:2:9: main.conf includes itself, by line 1 of main.conf\n");
	/* the same file twice, but not in a circle, is no mistake of config_load */
	write_file("main.conf", "limit {\n\tinclude one\n}\nlisten [::]:25 mx {\n\tlimit {\n"
				"\t\tinclude one\n\t}\n}\n");
	write_file("one", "hops 9\n");
	struct config *c = load_main();
	assert_non_null(c);
	assert_int_equal(c->listens[0].limits.hops, 9);
	config_free(c);
}

static void
files_within_one_another_end_somewhere(void **state)
{
	char name[32], content[64];
	struct config *c;

	(void)state;
	write_file("main.conf", "include deep2\n");
	for (int i = 2; i <= 17; i++) {
		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(content, sizeof(content), "include deep%d\n", i + 1);
		write_file(name, i == 16 ? "min-uid 7\n" : content);
	}
	c = load_main();
	assert_string_equal(told.at, "");
	assert_int_equal(c->min_uid, 7);
	config_free(c);
	write_file("deep16", "include deep17\n");
	assert_null(load_main());
	assert_non_null(strstr(told.at, "deep16:1:9: expected at most 16 files"));
}

static void
an_include_that_is_not_well_formed_is_told(void **state)
{
	(void)state;
	write_file("main.conf",
		   "include\ninclude a b\ninclude a {\n}\ninclude \"\"\n\"include\" one\n");
	assert_null(load_main());
	assert_non_null(strstr(told.at, "main.conf:1:8: expected more behind `include`: FILE"));
	assert_non_null(strstr(told.at, "main.conf:2:11: `b` is too much"));
	assert_non_null(strstr(told.at, "main.conf:3:11: `include` takes no block"));
	assert_non_null(strstr(told.at, "main.conf:5:9: "));
	assert_non_null(strstr(told.at, "main.conf:6:1: expected a directive, not a quoted word"));
}

static void
blocks_do_not_reach_over_the_end_of_a_file(void **state)
{
	(void)state;
	write_file("main.conf", "include one\n\terrors 5\n}\n");
	write_file("one", "\nlimit {\n");
	assert_null(load_main());
	assert_non_null(strstr(told.at, "one:2:1: the block that `limit` opens is not closed"));
	assert_non_null(strstr(told.at, "main.conf:3:1: `}` ends a block, but none is open here"));
}

static void
a_file_cannot_speak_for_another(void **state)
{
	struct config *c;

	(void)state;
	/* lines that look like our marks are comments of the administrator, and nothing more */
	write_file("main.conf", "#= hostname evil.example\n#@ /etc/passwd 1\nmin-uid x\n");
	assert_null(load_main());
	assert_string_equal(told.at,
			    "main.conf:3:9: `x`: expected a number from 0 to 4294967294\n");
	write_file("main.conf", "#= hostname evil.example\n#@ /etc/passwd 5\n");
	c = load_main();
	assert_string_equal(c->hostname, "machine.example");
	config_free(c);
}

static void
a_text_that_is_too_large_is_refused(void **state)
{
	FILE *f = fopen(path_of("main.conf"), "we");

	(void)state;
	for (unsigned i = 0; i < CONFIG_TEXT_MAX / 64 + 1; i++)
		fprintf(f, "%63s\n", "# nothing");
	fclose(f);
	assert_null(load_main());
	assert_non_null(strstr(told.at, "too large"));
	f = fopen(path_of("half"), "we");
	for (unsigned i = 0; i < CONFIG_TEXT_MAX / 64 / 2; i++)
		fprintf(f, "%63s\n", "# nothing");
	fclose(f);
	write_file("main.conf", "include half\ninclude half\ninclude half\n");
	assert_null(load_main());
	assert_non_null(strstr(told.at, "larger than"));
}

static void
no_descriptor_stays_open(void **state)
{
	int before = dup(0), after;

	(void)state;
	close(before);
	write_file("main.conf", "include one\ninclude nothing\ninclude main.conf\n");
	write_file("one", "\n");
	assert_null(load_main());
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

static int
setup(void **state)
{
	(void)state;
	buffer_init(&text, CONFIG_TEXT_MAX);
	buffer_init(&told, 1 << 20);
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[300];

	(void)state;
	buffer_free(&text);
	buffer_free(&told);
	snprintf(command, sizeof(command), "rm -r -- '%s'", directory);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_stands_where_it_is_included),
		cmocka_unit_test(each_mistake_names_the_file_and_line_it_is_in),
		cmocka_unit_test(a_file_that_cannot_be_read_is_told_where_it_is_named),
		cmocka_unit_test(files_do_not_include_themselves),
		cmocka_unit_test(files_within_one_another_end_somewhere),
		cmocka_unit_test(an_include_that_is_not_well_formed_is_told),
		cmocka_unit_test(blocks_do_not_reach_over_the_end_of_a_file),
		cmocka_unit_test(a_file_cannot_speak_for_another),
		cmocka_unit_test(a_text_that_is_too_large_is_refused),
		cmocka_unit_test(no_descriptor_stays_open),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
