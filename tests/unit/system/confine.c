/* confine: the filter is on, whatever this build is (also with the sanitizers' extra calls) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/system/confine.h"
#include "common/system/events.h"

static const struct syscall_group no_groups[] = {SYSCALL_GROUPS_END};
static const struct syscall_group fork_groups[] = {SYSCALL_GROUP_CHILD, SYSCALL_GROUPS_END};
static const struct confine_limits few = {.descriptors = 64, .may_fork = true};

/* the wait status of a child that confines itself and then tries */
static int
confined(bool strict, const struct syscall_group *groups, int (*attempt)(void))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct start s = {.program = "test", .strict = strict};
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO); /* the event `confined` */
		events_start("test", NULL);
		confine(&s, groups, &few);
		_exit(attempt());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int
nothing(void)
{
	return write(STDERR_FILENO, "x", 1) == 1 ? 0 : 1;
}

static int
network(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int
local_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET, 0) < 0 ? errno : 0;
}

static int
trace_me(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0) < 0 ? errno : 0;
}

static int
child_of_its_own(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		confine_child();
		_exit(kill(getppid(), 0) < 0 ? 0 : 1);
	}
	return child < 0 || waitpid(child, &status, 0) < 0 ? 99
	       : WIFSIGNALED(status)			   ? WTERMSIG(status)
							   : WEXITSTATUS(status);
}

static void
what_is_listed_goes_on_working(void **state)
{
	(void)state;
	assert_int_equal(confined(true, no_groups, nothing), 0);
	assert_int_equal(confined(true, no_groups, local_socket), 0);
}

static void
an_unknown_call_answers_enosys_or_kills_when_strict(void **state)
{
	(void)state;
	int lenient = confined(false, no_groups, network);
	assert_true(WIFEXITED(lenient));
	assert_int_equal(WEXITSTATUS(lenient), ENOSYS);
	int strict = confined(true, no_groups, network);
	assert_true(WIFSIGNALED(strict));
	assert_int_equal(WTERMSIG(strict), SIGSYS);
}

static void
a_dangerous_call_kills_always(void **state)
{
	(void)state;
	int status = confined(false, no_groups, trace_me);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void
a_child_may_be_forked_where_the_list_says_so(void **state)
{
	(void)state;
	int status = confined(true, fork_groups, child_of_its_own);
	assert_true(WIFEXITED(status));
	/* kill() is in no list: the grandchild dies of SIGSYS */
	assert_int_equal(WEXITSTATUS(status), SIGSYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_listed_goes_on_working),
		cmocka_unit_test(an_unknown_call_answers_enosys_or_kills_when_strict),
		cmocka_unit_test(a_dangerous_call_kills_always),
		cmocka_unit_test(a_child_may_be_forked_where_the_list_says_so),
	};
	return cmocka_run_group_tests_name("system/confine", tests, NULL, NULL);
}
