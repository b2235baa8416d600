/* store: bounded, whole lines, and what belongs together is found in it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "log/scan.h"
#include "log/store.h"

#define STORE_SIZE (STORE_PARTS * (uint64_t)STORE_PART_MIN)

static char directory[] = "/tmp/culver-store-XXXXXX";
static struct store store;

static int
open_directory(void)
{
	return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
setup(void **state)
{
	char name[STORE_NAME_MAX], path[64];
	(void)state;
	for (unsigned i = 1; i < 200; i++) {
		store_name(i, name);
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		unlink(path);
	}
	return store_find(&store, open_directory(), STORE_SIZE);
}

static int
teardown(void **state)
{
	(void)state;
	store_close(&store);
	return 0;
}

/* the store again, as the next process finds it */
static void
reopen(void)
{
	store_close(&store);
	assert_int_equal(store_find(&store, open_directory(), STORE_SIZE), 0);
}

static void
put(int64_t second, const char *members)
{
	char line[512], time[CLOCK_TEXT_MAX];
	clock_iso(1795507351000000 + second * 1000000, time);
	int n = snprintf(line, sizeof(line),
			 "{\"time\":\"%s\",\"program\":\"smtpd\",\"pid\":1,\"event\":\"x\"%s}\n",
			 time, members);
	store_add(&store, span_from(line, (size_t)n));
}

static struct scan found;
static uint64_t only_uid; /* as which user is asked, plus 1 */

static void
expect_found(const char *what, size_t count)
{
	const struct scan_store files = {store.directory, store.first, store.last};
	assert_int_equal(
		scan_run(&found, &files, span_of(what), only_uid, clock_monotonic_ms() + 10000), 0);
	assert_int_equal(found.count, count);
}

static uint64_t
bytes_on_disk(void)
{
	uint64_t all = 0;
	for (uint64_t i = store.first; i <= store.last; i++) {
		char name[STORE_NAME_MAX];
		struct stat st;
		store_name(i, name);
		assert_int_equal(fstatat(store.directory, name, &st, 0), 0);
		assert_true((uint64_t)st.st_size <= STORE_PART_MIN);
		all += (uint64_t)st.st_size;
	}
	return all;
}

static void
the_store_never_passes_its_maximum_and_drops_the_oldest(void **state)
{
	char members[64];
	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(members, sizeof(members), ",\"id\":\"%013X\",\"to\":\"a@b.c\"",
			 (unsigned)i);
		put(i, members);
		if (i % 7 == 0)
			assert_true(store_flush(&store));
	}
	assert_true(store_flush(&store));
	assert_true(bytes_on_disk() <= STORE_SIZE);
	assert_int_equal(store.last - store.first + 1, STORE_PARTS);
	assert_true(store.first > 1);
	expect_found("00000000007CF", 1);
	scan_free(&found);
	expect_found("0000000000001", 0);
	assert_int_equal(faccessat(store.directory, "00000001.json", F_OK, 0), -1);
}

static void
a_batch_larger_than_a_file_is_parted_at_lines(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		put(i, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	assert_true(store.last > 3);
	assert_true(bytes_on_disk() <= STORE_SIZE);
	expect_found("0644C2F1B5F3A", 300);
	scan_free(&found);
}

static void
the_next_process_goes_on_where_the_last_was(void **state)
{
	(void)state;
	put(1, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	reopen();
	put(2, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	assert_int_equal(store.last, 1);
	expect_found("0644C2F1B5F3A", 2);
	scan_free(&found);
}

static void
a_torn_last_line_spoils_no_other(void **state)
{
	(void)state;
	put(1, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	assert_int_equal(write(store.fd, "{\"time\":\"20", 11), 11);
	reopen();
	put(2, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	expect_found("0644C2F1B5F3A", 2);
	scan_free(&found);
}

static void
the_story_of_an_address_is_that_of_its_messages(void **state)
{
	(void)state;
	put(1, ",\"session\":\"S0644C2F1B5F00\",\"client\":\"192.0.2.1\"");
	put(2, ",\"session\":\"S0644C2F1B5F00\",\"id\":\"0644C2F1B5F3A\",\"from\":\"x@y.z\"");
	put(3, ",\"id\":\"0644C2F1B5F3A\",\"to\":\"Alice@Example.org\"");
	put(4, ",\"id\":\"0644C2F1B5F3B\",\"to\":\"bob@example.org\"");
	put(5, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	expect_found("alice@example.org", 3);
	scan_free(&found);
	expect_found("bob@example.org", 1);
	scan_free(&found);
	expect_found("192.0.2.1", 1);
	scan_free(&found);
	expect_found("0644C2F1B5F3A", 3);
	scan_free(&found);
	/* a value that is an address only in part, or in a text, is none */
	expect_found("example.org", 0);
}

static void
a_refused_session_is_found_by_address_and_by_client(void **state)
{
	(void)state;
	put(1, ",\"session\":\"S0644C2F1B5F00\",\"client\":\"192.0.2.1\"");
	put(2, ",\"session\":\"S0644C2F1B5F00\",\"client\":\"192.0.2.1\",\"to\":\"nobody@example."
	       "org\",\"code\":550");
	put(3, ",\"session\":\"S0644C2F1B5F00\"");
	put(4, ",\"session\":\"S0644C2F1B5F01\",\"client\":\"192.0.2.2\"");
	assert_true(store_flush(&store));
	expect_found("nobody@example.org", 3);
	scan_free(&found);
	expect_found("192.0.2.1", 3);
	scan_free(&found);
	expect_found("S0644C2F1B5F00", 3);
	scan_free(&found);
}

static void
lines_come_in_the_order_of_time(void **state)
{
	(void)state;
	static const int64_t seconds[] = {5, 1, 4, 1, 3, 9, 2};
	for (size_t i = 0; i < 7; i++) {
		char members[64];
		snprintf(members, sizeof(members), ",\"id\":\"0644C2F1B5F3A\",\"number\":%zu", i);
		put(seconds[i], members);
	}
	assert_true(store_flush(&store));
	expect_found("0644C2F1B5F3A", 7);
	for (size_t i = 1; i < found.count; i++)
		assert_true(memcmp(scan_line(&found, i - 1).at, scan_line(&found, i).at, 36) <= 0);
	/* of equal times the one that came first */
	assert_true(span_ends(scan_line(&found, 0), SPAN("\"number\":1}")));
	assert_true(span_ends(scan_line(&found, 1), SPAN("\"number\":3}")));
	scan_free(&found);
}

static void
of_too_many_lines_the_newest_are_kept(void **state)
{
	(void)state;
	store_limit(&store, 64u << 20);
	for (int i = 0; i < SCAN_LINES_MAX + 100; i++) {
		put(i, ",\"id\":\"0644C2F1B5F3A\"");
		if (i % 1000 == 0)
			assert_true(store_flush(&store));
	}
	assert_true(store_flush(&store));
	expect_found("0644C2F1B5F3A", SCAN_LINES_MAX);
	assert_int_equal(found.matched, SCAN_LINES_MAX + 100);
	char time[CLOCK_TEXT_MAX];
	clock_iso(1795507351000000 + 100 * 1000000, time);
	assert_memory_equal(scan_line(&found, 0).at + 9, time, 27);
	scan_free(&found);
}

static void
a_full_store_loses_lines_and_counts_them(void **state)
{
	(void)state;
	char *line = malloc(1u << 20);
	memset(line, 'x', 1u << 20);
	line[(1u << 20) - 1] = '\n';
	for (int i = 0; i < 5; i++)
		store_add(&store, span_from(line, 1u << 20));
	assert_int_equal(store_take_lost(&store), 1);
	free(line);
}

static void
a_scan_ends_at_its_deadline(void **state)
{
	(void)state;
	put(1, ",\"id\":\"0644C2F1B5F3A\"");
	assert_true(store_flush(&store));
	const struct scan_store files = {store.directory, store.first, store.last};
	assert_int_equal(scan_run(&found, &files, SPAN("a@b.c"), 0, clock_monotonic_ms() - 1), -1);
}

/* `queued` as the queue-manager tells it, or as another program would like to */
static void
put_queued(const char *program, const char *id, const char *more)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
			 "{\"time\":\"2026-11-24T08:02:31.000001Z\",\"program\":\"%s\",\"pid\":1,"
			 "\"event\":\"queued\",\"id\":\"%s\",\"from\":\"a@b.c\"%s}\n",
			 program, id, more);
	store_add(&store, span_from(line, (size_t)n));
}

static void
a_user_is_told_of_what_he_has_sent_and_of_nothing_else(void **state)
{
	(void)state;
	put_queued("queue-manager", "0644C2F1B5F30", ",\"uid\":1000");
	put_queued("queue-manager", "0644C2F1B5F31", ",\"uid\":1001");
	put_queued("queue-manager", "0644C2F1B5F32", "");
	put_queued("queue-manager", "0644C2F1B5F33", ",\"uid\":\"1000\"");
	put_queued("smtpd", "0644C2F1B5F34", ",\"uid\":1000");
	for (char last = '0'; last <= '4'; last++) {
		char members[80];
		snprintf(members, sizeof(members), ",\"id\":\"0644C2F1B5F3%c\",\"to\":\"x@y.z\"",
			 last);
		put(2, members);
	}
	put(3, ",\"session\":\"S0644C2F1B5F3A\",\"from\":\"a@b.c\"");
	assert_true(store_flush(&store));
	static const struct {
		const char *what;
		size_t own, all;
	} cases[] = {{"0644C2F1B5F30", 2, 2}, {"0644C2F1B5F31", 0, 2}, {"0644C2F1B5F32", 0, 2},
		     {"0644C2F1B5F34", 0, 2}, {"a@b.c", 2, 11},	       {"x@y.z", 2, 10},
		     {"S0644C2F1B5F3A", 0, 1}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		only_uid = 1001;
		expect_found(cases[i].what, cases[i].own);
		scan_free(&found);
		only_uid = 0;
		expect_found(cases[i].what, cases[i].all);
		scan_free(&found);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_store_never_passes_its_maximum_and_drops_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_larger_than_a_file_is_parted_at_lines,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_process_goes_on_where_the_last_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_torn_last_line_spoils_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(the_story_of_an_address_is_that_of_its_messages,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_session_is_found_by_address_and_by_client,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_user_is_told_of_what_he_has_sent_and_of_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_come_in_the_order_of_time, setup, teardown),
		cmocka_unit_test_setup_teardown(of_too_many_lines_the_newest_are_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_full_store_loses_lines_and_counts_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_scan_ends_at_its_deadline, setup, teardown),
	};
	if (mkdtemp(directory) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (setup(NULL) == 0)
		teardown(NULL);
	rmdir(directory);
	return failed;
}
