/*
 * tables - text tables that change while they are served
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "lookup/tables.h"

static char folder[] = "/tmp/culver-tables-XXXXXX";
static char path[128], other[128];
static const struct config config; /* a path is a table without any */
static struct arena arena;

static void
write_file(const char *to, const char *text)
{
	FILE *f = fopen(to, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static enum table_outcome
find(struct tables *t, const char *name, int64_t now_ms)
{
	struct table_answer answer;

	return tables_find(t, path, CONFIG_ALIASES, span_of(name), now_ms, &arena, &answer);
}

static void
a_renamed_file_is_read_at_the_next_look(void **state)
{
	struct tables *t = tables_new(&config);

	(void)state;
	write_file(path, "a: x\n");
	assert_int_equal(find(t, "a", 0), TABLE_FOUND);
	assert_int_equal(find(t, "b", 0), TABLE_ABSENT);
	write_file(other, "b: x\n");
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(find(t, "b", TABLES_LOOK_MS - 1), TABLE_ABSENT);
	assert_int_equal(find(t, "b", TABLES_LOOK_MS), TABLE_FOUND);
	assert_int_equal(find(t, "a", TABLES_LOOK_MS), TABLE_ABSENT);
	tables_free(t);
}

static void
a_file_that_is_being_written_is_not_served_half(void **state)
{
	struct tables *t = tables_new(&config);

	(void)state;
	write_file(path, "a: x\nb: y\n");
	assert_int_equal(find(t, "b", 0), TABLE_FOUND);
	write_file(path, "a: x\n"); /* the rest is on its way */
	assert_int_equal(find(t, "b", TABLES_LOOK_MS), TABLE_FOUND);
	write_file(path, "a: x\nb: y\nc: z\n");
	assert_int_equal(find(t, "c", 2 * TABLES_LOOK_MS), TABLE_ABSENT);
	assert_int_equal(find(t, "b", 2 * TABLES_LOOK_MS), TABLE_FOUND);
	/* two looks agree */
	assert_int_equal(find(t, "c", 3 * TABLES_LOOK_MS), TABLE_FOUND);
	tables_free(t);
}

static void
what_is_no_readable_file_is_trouble(void **state)
{
	struct tables *t = tables_new(&config);

	(void)state;
	unlink(path);
	assert_int_equal(find(t, "a", 0), TABLE_TROUBLE);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(find(t, "a", TABLES_LOOK_MS), TABLE_TROUBLE);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* and nobody waits for its writer */
	assert_int_equal(find(t, "a", 2 * TABLES_LOOK_MS), TABLE_TROUBLE);
	unlink(path);
	write_file(path, "a: x\n");
	if (getuid() != 0) {
		assert_int_equal(chmod(path, 0), 0);
		assert_int_equal(find(t, "a", 3 * TABLES_LOOK_MS), TABLE_TROUBLE);
		assert_int_equal(chmod(path, 0600), 0);
	}
	assert_int_equal(find(t, "a", 4 * TABLES_LOOK_MS), TABLE_FOUND);
	tables_free(t);
}

static void
of_two_lines_with_one_name_the_first_counts(void **state)
{
	struct tables *t = tables_new(&config);
	struct table_answer answer;

	(void)state;
	unlink(path);
	write_file(path, "a: first\nA: second\n");
	assert_int_equal(tables_find(t, path, CONFIG_ALIASES, SPAN("a"), 0, &arena, &answer),
			 TABLE_FOUND);
	assert_int_equal(answer.entry->line, 1);
	tables_free(t);
}

static void
a_hundred_thousand_entries_are_read_well_under_a_second(void **state)
{
	struct tables *t = tables_new(&config);
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 100000; i++)
		fprintf(f, "user%d: other%d, user@example.org\n", i, i);
	assert_int_equal(fclose(f), 0);
	int64_t start_us = clock_monotonic_us();
	assert_int_equal(find(t, "user99999", 0), TABLE_FOUND);
	int64_t took_us = clock_monotonic_us() - start_us;
	print_message("read 100,000 entries: %lld ms\n", (long long)took_us / 1000);
	assert_true(took_us < 5000000);
	assert_int_equal(find(t, "user100000", 0), TABLE_ABSENT);
	tables_free(t);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	arena_init(&arena, 1 << 20);
	snprintf(path, sizeof(path), "%s/aliases", folder);
	snprintf(other, sizeof(other), "%s/aliases.new", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_renamed_file_is_read_at_the_next_look),
		cmocka_unit_test(a_file_that_is_being_written_is_not_served_half),
		cmocka_unit_test(what_is_no_readable_file_is_trouble),
		cmocka_unit_test(of_two_lines_with_one_name_the_first_counts),
		cmocka_unit_test(a_hundred_thousand_entries_are_read_well_under_a_second),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
