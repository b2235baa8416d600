/*
 * store - what next hops have said, on the disk: kept, bounded, and no loss when it is lost
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/verified/store.h"

static char folder[60], path[100], aside[100], reason[VERIFIED_REASON_MAX];
static struct verified_row row;
static char listed[4000];

static int
begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/culver-verified-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/" VERIFIED_FILE, folder);
	snprintf(aside, sizeof(aside), "%s/" VERIFIED_DAMAGED, folder);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	unlink(path);
	unlink(aside);
	return rmdir(folder);
}

static struct verified_store *
open_store(bool expect_damage)
{
	bool was_damaged;
	struct verified_store *s = verified_open(folder, VERIFIED_OWNER, &was_damaged, reason);

	if (s == NULL)
		fail_msg("%s", reason);
	assert_int_equal(was_damaged, expect_damage);
	return s;
}

static void
put(struct verified_store *s, const char *address, enum verify_outcome outcome, int64_t asked_ms)
{
	struct verified_row r = {.outcome = outcome,
				 .asked_ms = asked_ms,
				 .code = outcome == VERIFY_TAKEN ? 250 : 550,
				 .reply = "it's \"said\"",
				 .host = "a.test[192.0.2.1]:25"};

	snprintf(r.address, sizeof(r.address), "%s", address);
	snprintf(r.status, sizeof(r.status), "%s", outcome == VERIFY_TAKEN ? "2.1.5" : "5.1.1");
	assert_int_equal(verified_put(s, &r, reason), VERIFIED_DONE);
}

static enum verified_outcome
find(struct verified_store *s, const char *address)
{
	return verified_find(s, span_of(address), &row, reason);
}

static void
add(void *owner, const struct verified_row *r)
{
	(void)owner;
	strcat(listed, r->address);
	strcat(listed, " ");
}

static const char *
list(struct verified_store *s, const char *address)
{
	listed[0] = '\0';
	enum verified_outcome outcome = verified_list(s, span_of(address), add, NULL, reason);
	assert_int_equal(outcome, listed[0] != '\0' ? VERIFIED_DONE : VERIFIED_ABSENT);
	return listed;
}

/* a row that is not as we write them: as if it were not there, and the next answer takes its place */
static void
a_row_that_is_none_of_ours_is_none(void **state)
{
	struct verified_store *s = open_store(false);
	sqlite3 *db = NULL;
	(void)state;
	put(s, "ann@c.test", VERIFY_TAKEN, 5);
	verified_close(s);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE verified SET code = 7777", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	s = open_store(false);
	assert_int_equal(find(s, "ann@c.test"), VERIFIED_ABSENT);
	put(s, "ann@c.test", VERIFY_REFUSED, 6);
	assert_int_equal(find(s, "ann@c.test"), VERIFIED_DONE);
	verified_close(s);
}

static void
what_is_put_is_found_after_a_restart(void **state)
{
	struct verified_store *s = open_store(false);
	(void)state;
	put(s, "ann@c.test", VERIFY_TAKEN, 1700000000123);
	put(s, "eve@c.test", VERIFY_REFUSED, 5);
	verified_close(s);
	s = open_store(false);
	assert_int_equal(find(s, "ann@c.test"), VERIFIED_DONE);
	assert_int_equal(row.outcome, VERIFY_TAKEN);
	assert_int_equal(row.asked_ms, 1700000000123);
	assert_int_equal(row.code, 250);
	assert_string_equal(row.status, "2.1.5");
	assert_string_equal(row.reply, "it's \"said\"");
	assert_string_equal(row.host, "a.test[192.0.2.1]:25");
	assert_int_equal(find(s, "eve@c.test"), VERIFIED_DONE);
	assert_int_equal(row.outcome, VERIFY_REFUSED);
	assert_int_equal(find(s, "nobody@c.test"), VERIFIED_ABSENT);
	assert_string_equal(list(s, ""), "ann@c.test eve@c.test ");
	assert_string_equal(list(s, "eve@c.test"), "eve@c.test ");
	verified_close(s);
}

static void
an_address_has_one_row_the_last(void **state)
{
	struct verified_store *s = open_store(false);
	(void)state;
	put(s, "ann@c.test", VERIFY_REFUSED, 1);
	put(s, "ann@c.test", VERIFY_TAKEN, 2);
	assert_int_equal(find(s, "ann@c.test"), VERIFIED_DONE);
	assert_int_equal(row.outcome, VERIFY_TAKEN);
	assert_string_equal(list(s, ""), "ann@c.test ");
	verified_close(s);
}

static void
who_tries_names_pushes_out_no_good_one(void **state)
{
	struct verified_store *s = open_store(false);
	char name[40];
	(void)state;
	verified_bounds(s, 3, 5);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "good%d@c.test", i);
		put(s, name, VERIFY_TAKEN, i);
	}
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%03d@c.test", i);
		put(s, name, VERIFY_REFUSED, 1000 + i);
	}
	assert_string_equal(list(s, ""),
			    "good0@c.test good1@c.test good2@c.test n195@c.test n196@c.test "
			    "n197@c.test n198@c.test n199@c.test ");
	/* of the good ones the oldest goes: the one that was asked for again is none */
	put(s, "good0@c.test", VERIFY_TAKEN, 5000);
	put(s, "good3@c.test", VERIFY_TAKEN, 5001);
	assert_int_equal(find(s, "good0@c.test"), VERIFIED_DONE);
	assert_int_equal(find(s, "good1@c.test"), VERIFIED_ABSENT);
	/* one that changes its kind is counted as what it is */
	for (int i = 0; i < 20; i++)
		put(s, "good3@c.test", i % 2 == 0 ? VERIFY_REFUSED : VERIFY_TAKEN, 6000 + i);
	assert_int_equal(find(s, "good0@c.test"), VERIFIED_DONE);
	assert_int_equal(find(s, "good2@c.test"), VERIFIED_DONE);
	verified_close(s);
}

static void
what_is_forgotten_is_gone(void **state)
{
	struct verified_store *s = open_store(false), *visitor;
	bool was_damaged;
	(void)state;
	verified_bounds(s, 2, 2);
	put(s, "ann@c.test", VERIFY_TAKEN, 1);
	put(s, "bob@c.test", VERIFY_TAKEN, 2);
	visitor = verified_open(folder, VERIFIED_VISITOR, &was_damaged, reason);
	assert_non_null(visitor);
	assert_int_equal(verified_forget(visitor, SPAN("ann@c.test"), reason), VERIFIED_DONE);
	assert_int_equal(verified_forget(visitor, SPAN("ann@c.test"), reason), VERIFIED_ABSENT);
	assert_int_equal(find(s, "ann@c.test"), VERIFIED_ABSENT);
	/* and is no longer counted */
	put(s, "cid@c.test", VERIFY_TAKEN, 3);
	assert_int_equal(find(s, "bob@c.test"), VERIFIED_DONE);
	assert_int_equal(verified_forget(visitor, SPAN_NONE, reason), VERIFIED_DONE);
	assert_string_equal(list(s, ""), "");
	verified_close(visitor);
	verified_close(s);
}

static void
a_visitor_makes_no_database(void **state)
{
	bool was_damaged;
	(void)state;
	assert_null(verified_open(folder, VERIFIED_VISITOR, &was_damaged, reason));
	assert_int_not_equal(access(path, F_OK), 0);
}

/* each page in turn is overwritten: it is set aside, or read as it is; never a row that was not put */
static void
a_damaged_database_is_set_aside_and_begun_anew(void **state)
{
	static char content[1 << 20];
	char name[40];
	struct verified_store *s = open_store(false);
	size_t len, anew = 0;
	FILE *f;
	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%03d@c.test", i);
		put(s, name, VERIFY_TAKEN, i);
	}
	verified_close(s);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(content, 1, sizeof(content), f);
	fclose(f);
	for (size_t at = 0; at < len; at += 1024) {
		bool was_damaged;

		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(content, 1, at, f), at);
		for (size_t i = at; i < at + 1024 && i < len; i++)
			fputc(0x5a, f);
		assert_int_equal(
			fwrite(content + at + 1024, 1, at + 1024 < len ? len - at - 1024 : 0, f),
			at + 1024 < len ? len - at - 1024 : 0);
		fclose(f);
		s = verified_open(folder, VERIFIED_OWNER, &was_damaged, reason);
		assert_non_null(s);
		anew += was_damaged;
		if (was_damaged) {
			assert_int_equal(access(aside, F_OK), 0);
			assert_string_equal(list(s, ""), "");
		}
		put(s, "ann@c.test", VERIFY_TAKEN, 1);
		assert_int_equal(find(s, "ann@c.test"), VERIFIED_DONE);
		verified_close(s);
	}
	assert_true(anew > 2);
	/* cut off */
	assert_int_equal(truncate(path, 3000), 0);
	verified_close(open_store(true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_put_is_found_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(a_row_that_is_none_of_ours_is_none, begin, end),
		cmocka_unit_test_setup_teardown(an_address_has_one_row_the_last, begin, end),
		cmocka_unit_test_setup_teardown(who_tries_names_pushes_out_no_good_one, begin, end),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(a_visitor_makes_no_database, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_database_is_set_aside_and_begun_anew,
						begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
