/*
 * connector - a confined helper connects where the rule lets it, and nowhere else
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/connector.h"

#define WAIT_MS 10000

static const struct syscall_group no_more[] = {SYSCALL_GROUPS_END};
static struct sockaddr_un here = {.sun_family = AF_UNIX};
static int listener, dropped[2];

static int
only_here(const void *owner, struct span what, struct sockaddr_storage *to, socklen_t *len)
{
	if (!span_equal(what, span_of(owner))) {
		errno = EACCES;
		return -1;
	}
	memcpy(to, &here, sizeof(here));
	*len = sizeof(here);
	return 0;
}

/* in the helper: the pipe's end is closed, which its reader sees */
static void
drop(void)
{
	close(dropped[1]);
}

static int
start(void)
{
	static const struct start own = {.uid = 0};
	struct start as_i_am = own;

	as_i_am.uid = getuid();
	as_i_am.gid = getgid();
	return connector_start(&(struct connector){.own = &as_i_am,
						   .syscalls = no_more,
						   .rule = only_here,
						   .owner = "here",
						   .drop = drop});
}

static int64_t
soon(void)
{
	return clock_monotonic_ms() + WAIT_MS;
}

static void
it_connects_where_the_rule_says(void **state)
{
	int helper = start(), fd, peer;
	char byte = 0;

	(void)state;
	fd = connector_ask(helper, SPAN("here"), soon());
	assert_true(fd >= 0);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(write(peer, "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(fd);
	close(peer);
	close(helper);
	assert_true(wait(NULL) > 0);
}

static void
it_connects_nowhere_else(void **state)
{
	int helper = start();

	(void)state;
	assert_int_equal(connector_ask(helper, SPAN("there"), soon()), -1);
	assert_int_equal(errno, EACCES);
	close(helper);
	assert_true(wait(NULL) > 0);
}

static void
its_parent_s_end_is_its_own(void **state)
{
	char byte;
	int status = 0, helper;

	(void)state;
	assert_int_equal(pipe(dropped), 0);
	helper = start();
	close(dropped[1]);
	/* the helper lives, and its end is closed */
	assert_int_equal(read(dropped[0], &byte, 1), 0);
	close(dropped[0]);
	close(helper);
	assert_true(wait(&status) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
one_that_is_gone_is_epipe(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	close(ends[1]);
	assert_int_equal(connector_ask(ends[0], SPAN("here"), soon()), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[0]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_connects_where_the_rule_says),
		cmocka_unit_test(it_connects_nowhere_else),
		cmocka_unit_test(its_parent_s_end_is_its_own),
		cmocka_unit_test(one_that_is_gone_is_epipe),
	};
	char folder[] = "/tmp/culver-unit-XXXXXX";
	int failed;

	signal(SIGPIPE, SIG_IGN);
	dropped[1] = -1;
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(here.sun_path, sizeof(here.sun_path), "%s/here", folder);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
	    listen(listener, 4) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(here.sun_path);
	rmdir(folder);
	return failed;
}
