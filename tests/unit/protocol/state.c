/*
 * state - RUNTIME/state and RUNTIME/master.pid, as master writes and culver reads them
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/state.h"

#define HEAD "culver-state 1\nmaster 5 6\n"

static struct state written, again;

static void
fill(void)
{
	memset(&written, 0, sizeof(written));
	strcpy(written.version, "0.1");
	written.master = 4711;
	written.since_us = 1795509241594953;
	written.as_root = true;
	written.ready = true;
	written.generation = 7;
	strcpy(written.config, "/etc/a folder with \"quotes\"/culver.conf");
	strcpy(written.root_mail, "/var/lib/culver/root");
	written.program_count = 2;
	strcpy(written.programs[0].name, "queue-manager");
	written.programs[0].pid = 99;
	written.programs[0].condition = STATE_RETIRED;
	written.programs[0].generation = 6;
	written.programs[0].restarts = 3;
	written.programs[0].since_us = 1795509241594954;
	strcpy(written.programs[1].name, "log");
	written.programs[1].condition = STATE_WAITING;
}

static struct buffer
encode(void)
{
	struct buffer b;
	buffer_init(&b, STATE_TEXT_MAX);
	state_encode(&written, &b);
	assert_false(b.failed);
	return b;
}

static void
what_master_writes_is_read_back_whole(void **unused)
{
	(void)unused;
	fill();
	struct buffer b = encode();
	assert_int_equal(state_decode(buffer_get(&b), &again), 0);
	assert_memory_equal(&written, &again, sizeof(again));
	buffer_free(&b);
}

static void
the_outcome_of_a_reload_is_read_back_also_without_a_reason(void **unused)
{
	(void)unused;
	const char *const reasons[] = {"", "culver.conf:3:1: unknown directive `hostnam`",
				       "a\nb\\ \"c\""};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		fill();
		written.reloads = i + 1;
		written.reload_refused = i > 0;
		written.reload_us = 1795509241594955;
		strcpy(written.reload_reason, reasons[i]);
		struct buffer b = encode();
		assert_int_equal(state_decode(buffer_get(&b), &again), 0);
		assert_memory_equal(&written, &again, sizeof(again));
		buffer_free(&b);
	}
}

static void
a_text_that_is_cut_anywhere_is_refused(void **unused)
{
	(void)unused;
	fill();
	struct buffer b = encode();
	/* without its last line end it is whole */
	for (size_t len = 0; len + 2 <= b.len; len++)
		assert_int_equal(state_decode(span_from(b.at, len), &again), -1);
	buffer_free(&b);
}

static void
unknown_lines_are_passed_over_and_wrong_numbers_refused(void **unused)
{
	(void)unused;
	assert_int_equal(
		state_decode(SPAN("culver-state 1\nmaster 5 6\nnew-thing a b\nend\n"), &again), 0);
	assert_int_equal(again.master, 5);
	const char *const wrong[] = {
		"culver-state 2\nmaster 5 6\nend\n",
		"culver-state 1\nend\n",
		"culver-state 1\nmaster -5 6\nend\n",
		"culver-state 1\nmaster 5 99999999999999999999\nend\n",
		HEAD "ready 2\nend\n",
		HEAD "program log 1 asleep 1 1 1\nend\n",
		HEAD "program 0123456789abcdefghijklmnopqrstuv 0 serving 0 0 0\nend\n",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(state_decode(span_of(wrong[i]), &again), -1);
}

/* ---- who holds master.pid ---- */

static char folder[] = "/tmp/culver-state.XXXXXX";
static char path[64];

static void
a_pid_file_counts_only_while_its_master_holds_it(void **unused)
{
	(void)unused;
	int lock[2], over[2];
	char c;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/" STATE_PID_FILE, folder);
	assert_int_equal(state_master(folder), 0);
	assert_int_equal(pipe(lock), 0);
	assert_int_equal(pipe(over), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		int fd = open(path, O_RDWR | O_CREAT, 0644);
		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &l) != 0 ||
		    dprintf(fd, "%d\n", (int)getpid()) < 0)
			_exit(1);
		close(over[1]);
		if (write(lock[1], "x", 1) != 1 || read(over[0], &c, 1) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(lock[0], &c, 1), 1);
	assert_int_equal(state_master(folder), pid);
	/* asking does not take it */
	assert_int_equal(state_master(folder), pid);
	close(over[0]);
	close(over[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(state_master(folder), 0);
	assert_int_equal(state_read(folder, &again), -1);
	assert_int_equal(errno, ENOENT);
	unlink(path);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_master_writes_is_read_back_whole),
		cmocka_unit_test(the_outcome_of_a_reload_is_read_back_also_without_a_reason),
		cmocka_unit_test(a_text_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(unknown_lines_are_passed_over_and_wrong_numbers_refused),
		cmocka_unit_test(a_pid_file_counts_only_while_its_master_holds_it),
	};
	return cmocka_run_group_tests_name("protocol/state", tests, NULL, NULL);
}
