/* sink: a file that is rotated is found again, a disk that is full costs lines but nobody's time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/sink.h"

static char directory[] = "/tmp/culver-sink-XXXXXX";
static char path[64], moved[64];
static struct sink sink;

static int
setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/culver.log", directory);
	snprintf(moved, sizeof(moved), "%s/culver.log.1", directory);
	unlink(path);
	unlink(moved);
	sink_init(&sink);
	return sink_open(&sink, CONFIG_LOG_FILE, path, 0, 0);
}

static int
teardown(void **state)
{
	(void)state;
	sink_close(&sink);
	return 0;
}

static void
expect_file(const char *name, const char *text)
{
	char found[256];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, found, sizeof(found) - 1);
	close(fd);
	assert_true(n >= 0);
	found[n] = '\0';
	assert_string_equal(found, text);
}

static void
lines_of_a_turn_are_appended_in_one_go(void **state)
{
	(void)state;
	sink_add(&sink, SPAN("one\n"));
	sink_add(&sink, SPAN("two\n"));
	expect_file(path, "");
	assert_true(sink_flush(&sink, 1));
	expect_file(path, "one\ntwo\n");
}

static void
a_rotated_file_is_opened_anew_but_looked_for_once_a_second(void **state)
{
	(void)state;
	sink_add(&sink, SPAN("one\n"));
	assert_true(sink_flush(&sink, 5000));
	assert_int_equal(rename(path, moved), 0);
	sink_add(&sink, SPAN("two\n"));
	assert_true(sink_flush(&sink, 5000 + SINK_CHECK_MS - 1));
	expect_file(moved, "one\ntwo\n");
	sink_add(&sink, SPAN("three\n"));
	assert_true(sink_flush(&sink, 5000 + SINK_CHECK_MS));
	expect_file(moved, "one\ntwo\n");
	expect_file(path, "three\n");
}

static void
what_cannot_be_written_waits_and_then_follows_whole(void **state)
{
	struct rlimit old, small = {.rlim_cur = 6, .rlim_max = RLIM_INFINITY};
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	sink_add(&sink, SPAN("one\ntwo\n"));
	bool all = sink_flush(&sink, 1);
	int error = sink.error;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_false(all);
	assert_int_not_equal(error, 0);
	expect_file(path, "one\ntw");
	assert_true(sink_flush(&sink, 2));
	expect_file(path, "one\ntwo\n");
	assert_int_equal(sink_take_lost(&sink), 0);
}

static void
what_passes_the_bound_is_dropped_and_counted(void **state)
{
	(void)state;
	size_t size = 1u << 20;
	char *line = malloc(size);
	memset(line, 'x', size);
	for (size_t i = 0; i < SINK_WAITING_MAX / size; i++)
		sink_add(&sink, span_from(line, size));
	sink_add(&sink, SPAN("lost\n"));
	assert_int_equal(sink.waiting.len, SINK_WAITING_MAX);
	assert_int_equal(sink_take_lost(&sink), 1);
	assert_int_equal(sink_take_lost(&sink), 0);
	assert_true(sink_flush(&sink, 1));
	sink_add(&sink, SPAN("kept\n"));
	assert_int_equal(sink_take_lost(&sink), 0);
	free(line);
}

static void
a_new_name_in_the_same_directory_needs_no_new_process(void **state)
{
	(void)state;
	char other[64];
	snprintf(other, sizeof(other), "%s/other.log", directory);
	assert_true(sink_reopen(&sink, CONFIG_LOG_FILE, other));
	sink_add(&sink, SPAN("one\n"));
	assert_true(sink_flush(&sink, 1));
	expect_file(other, "one\n");
	assert_false(sink_reopen(&sink, CONFIG_LOG_FILE, "/nowhere/other.log"));
	assert_false(sink_reopen(&sink, CONFIG_LOG_SYSLOG, NULL));
	assert_true(sink_reopen(&sink, CONFIG_LOG_STDERR, NULL));
	unlink(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_of_a_turn_are_appended_in_one_go, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_rotated_file_is_opened_anew_but_looked_for_once_a_second, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_waits_and_then_follows_whole,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_passes_the_bound_is_dropped_and_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_new_name_in_the_same_directory_needs_no_new_process, setup, teardown),
	};
	if (mkdtemp(directory) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	unlink(moved);
	rmdir(directory);
	return failed;
}
