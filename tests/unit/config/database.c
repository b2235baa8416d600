/*
 * database - a query to a file that another writes, and that may be anything
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/database.h"
#include "common/system/clock.h"

#define QUERY "SELECT v FROM t WHERE k = ?"

static char folder[] = "/tmp/culver-database-XXXXXX";
static char path[128], journal[160];
static char reason[DATABASE_REASON_MAX];
static struct arena arena;

static sqlite3 *
writer(const char *sql)
{
	sqlite3 *w;

	assert_int_equal(sqlite3_open(path, &w), SQLITE_OK);
	if (sqlite3_exec(w, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(w));
	return w;
}

static void
run(const char *sql)
{
	assert_int_equal(sqlite3_close(writer(sql)), SQLITE_OK);
}

static void
begin(const char *rows)
{
	unlink(path);
	unlink(journal);
	arena_reset(&arena);
	reason[0] = '\0';
	run("CREATE TABLE t (k TEXT, v TEXT)");
	run(rows);
}

static const char *
ask(struct database *d, const char *key)
{
	static char text[300];
	struct span value;

	switch (database_ask(d, span_of(key), &arena, &value, reason)) {
	case DATABASE_FOUND:
		snprintf(text, sizeof(text), "=%.*s", SPAN_ARG(value));
		return text;
	case DATABASE_ABSENT:
		return "absent";
	case DATABASE_TROUBLE:
		break;
	}
	return "trouble";
}

static void
rows_are_values_and_null_is_none(void **state)
{
	struct database *d;

	(void)state;
	begin("INSERT INTO t VALUES ('a','x'),('a','y'),('empty',''),('null',NULL),('n',7)");
	d = database_open(path, QUERY, reason);
	if (d == NULL)
		fail_msg("%s", reason);
	assert_string_equal(ask(d, "a"), "=x, y");
	assert_string_equal(ask(d, "empty"), "=");
	assert_string_equal(ask(d, "n"), "=7");
	assert_string_equal(ask(d, "null"), "absent");
	assert_string_equal(ask(d, "b"), "absent");
	assert_string_equal(ask(d, "' OR 1 --"), "absent");
	run("INSERT INTO t VALUES ('b','z')");
	assert_string_equal(ask(d, "b"), "=z");
	run("ALTER TABLE t ADD COLUMN more TEXT");
	assert_string_equal(ask(d, "b"), "=z");
	database_close(d);
}

static void
a_query_that_is_none_is_told(void **state)
{
	static const char *const queries[][2] = {
		{"SELECT v FROM missing WHERE k = ?", "no such table"},
		{"SELEC v FROM t", "syntax"},
		{"SELECT v FROM t", "places"},
		{"SELECT v FROM t WHERE k = ? OR k = ?", "too many"},
		{"SELECT k, v FROM t WHERE k = ?", "columns"},
		{"DELETE FROM t WHERE k = ?", "not authorized"},
		{"INSERT INTO t VALUES (?, 'x') RETURNING v", "not authorized"},
		{"ATTACH ? AS other", "not authorized"},
		{"PRAGMA user_version", "not authorized"},
		{"SELECT v FROM t WHERE k = ?; DROP TABLE t", "one statement"},
		{"", "one statement"},
		{"SELECT load_extension(?)", "not authorized"},
	};

	(void)state;
	begin("INSERT INTO t VALUES ('a','x')");
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		assert_null(database_open(path, queries[i][0], reason));
		if (strstr(reason, queries[i][1]) == NULL)
			fail_msg("%s: %s", queries[i][0], reason);
	}
}

static void
a_file_that_is_none_is_told(void **state)
{
	FILE *f;

	(void)state;
	begin("SELECT 1");
	unlink(path);
	assert_null(database_open(path, QUERY, reason));
	assert_int_equal(access(path, F_OK), -1); /* and none is made */
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("no database\n", f);
	fclose(f);
	assert_null(database_open(path, QUERY, reason));
	assert_non_null(strstr(reason, "not a database"));
}

static void
a_writer_is_waited_for_a_bounded_time(void **state)
{
	struct database *d;
	sqlite3 *w;
	int64_t start_ms;

	(void)state;
	begin("INSERT INTO t VALUES ('a','x')");
	d = database_open(path, QUERY, reason);
	assert_non_null(d);
	w = writer("BEGIN EXCLUSIVE; INSERT INTO t VALUES ('b','y')");
	start_ms = clock_monotonic_ms();
	assert_string_equal(ask(d, "a"), "trouble");
	assert_true(clock_monotonic_ms() - start_ms < 20 * DATABASE_TIME_MS);
	assert_non_null(strstr(reason, "locked"));
	assert_int_equal(sqlite3_exec(w, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_string_equal(ask(d, "b"), "=y");
	sqlite3_close(w);
	database_close(d);
}

static void
a_question_that_takes_too_long_has_no_answer(void **state)
{
	struct database *d;
	int64_t start_ms;

	(void)state;
	begin("INSERT INTO t VALUES ('a','x')");
	/* and a view that stands where a table was is no way to more */
	d = database_open(path,
			  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
			  "count(*) FROM n WHERE ? = 'a'",
			  reason);
	assert_non_null(d);
	start_ms = clock_monotonic_ms();
	assert_string_equal(ask(d, "a"), "trouble");
	assert_non_null(strstr(reason, "no answer within"));
	assert_true(clock_monotonic_ms() - start_ms < 20 * DATABASE_TIME_MS);
	database_close(d);
}

static void
a_value_has_a_longest_length(void **state)
{
	struct database *d;

	(void)state;
	begin("INSERT INTO t VALUES ('a', hex(zeroblob(40000)))");
	d = database_open(path, QUERY, reason);
	assert_non_null(d);
	assert_string_equal(ask(d, "a"), "trouble");
	assert_non_null(strstr(reason, "too big"));
	database_close(d);
}

/* a writer that died left its journal: only one who may write can undo its work */
static void
a_journal_that_was_left_is_trouble_until_a_writer_comes(void **state)
{
	char copy[160], command[1024];
	struct database *d;
	sqlite3 *w;

	(void)state;
	begin("INSERT INTO t VALUES ('a','x')");
	w = writer("PRAGMA cache_size = 1; BEGIN; UPDATE t SET v = 'torn'");
	/* 400 rows of 1 KB pass the cache, so that the file is changed under a journal */
	assert_int_equal(
		sqlite3_exec(w,
			     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
			     "n WHERE i < 400) INSERT INTO t SELECT i, hex(zeroblob(500)) "
			     "FROM n",
			     NULL, NULL, NULL),
		SQLITE_OK);
	snprintf(copy, sizeof(copy), "%s.copy", path);
	snprintf(command, sizeof(command), "cp %s %s && cp %s %s-journal", path, copy, journal,
		 copy);
	assert_int_equal(system(command), 0);
	sqlite3_close(w);
	assert_int_equal(chmod(copy, 0444), 0);
	d = database_open(copy, QUERY, reason);
	/* root may write wherever he likes, but asked for reading alone sqlite does not */
	assert_true(d == NULL || strcmp(ask(d, "a"), "trouble") == 0);
	database_close(d);
	assert_int_equal(chmod(copy, 0644), 0);
	assert_int_equal(sqlite3_open(copy, &w), SQLITE_OK);
	assert_int_equal(sqlite3_exec(w, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(w);
	d = database_open(copy, QUERY, reason);
	assert_non_null(d);
	assert_string_equal(ask(d, "a"), "=x");
	database_close(d);
	unlink(copy);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/db", folder);
	snprintf(journal, sizeof(journal), "%s-journal", path);
	arena_init(&arena, 1 << 20);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(journal);
	arena_free(&arena);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_values_and_null_is_none),
		cmocka_unit_test(a_query_that_is_none_is_told),
		cmocka_unit_test(a_file_that_is_none_is_told),
		cmocka_unit_test(a_writer_is_waited_for_a_bounded_time),
		cmocka_unit_test(a_question_that_takes_too_long_has_no_answer),
		cmocka_unit_test(a_value_has_a_longest_length),
		cmocka_unit_test(a_journal_that_was_left_is_trouble_until_a_writer_comes),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
