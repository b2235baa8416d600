/* pipe: what the end of a command means */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "local/pipe.h"

static void
assert_verdict(enum runner_how how, uint64_t value, const char *output, enum fate fate,
	       const char *status, const char *text)
{
	const struct runner_result r = {how, value, span_of(output)};
	struct verdict v;

	pipe_verdict(&r, &v);
	assert_int_equal(v.fate, fate);
	assert_string_equal(v.status, status);
	assert_string_equal(v.text, text);
}

static void
statuses_are_those_of_sysexits(void **state)
{
	(void)state;
	assert_verdict(RUNNER_EXITED, 0, "chatter", FATE_DELIVERED, "2.0.0",
		       "delivered to command");
	assert_verdict(RUNNER_EXITED, 67, "", FATE_FAILED, "5.1.1", "user unknown");
	assert_verdict(RUNNER_EXITED, 75, "later\n\n", FATE_DEFERRED, "4.3.0",
		       "temporary failure. Command output: later");
	assert_verdict(RUNNER_EXITED, 77, "", FATE_FAILED, "5.7.0", "permission denied");
	/* what Postfix takes from the output only where the status says nothing */
	assert_verdict(RUNNER_EXITED, 67, "4.2.2 full", FATE_FAILED, "5.1.1",
		       "user unknown. Command output: 4.2.2 full");
}

static void
a_command_that_is_broken_loses_nothing(void **state)
{
	(void)state;
	assert_verdict(RUNNER_EXITED, 127, "sh: 1: procmial: not found", FATE_DEFERRED, "4.3.5",
		       "the command was not found. Command output: sh: 1: procmial: not found");
	assert_verdict(RUNNER_EXITED, 126, "", FATE_DEFERRED, "4.3.5",
		       "the command cannot be executed");
	assert_verdict(RUNNER_KILLED, SIGSEGV, "", FATE_DEFERRED, "4.3.0",
		       "the command died of signal 11");
	assert_verdict(RUNNER_LATE, 0, "", FATE_DEFERRED, "4.3.0",
		       "the command was not done in time");
	assert_verdict(RUNNER_CANNOT, 12, "", FATE_DEFERRED, "4.3.2",
		       "the command cannot be started now: Cannot allocate memory");
}

static void
a_command_may_say_itself_what_it_means(void **state)
{
	(void)state;
	assert_verdict(RUNNER_EXITED, 3, "4.2.2 the box is full", FATE_DEFERRED, "4.2.2",
		       "the command ended with status 3. Command output: the box is full");
	assert_verdict(RUNNER_EXITED, 3, "5.2.1 closed", FATE_FAILED, "5.2.1",
		       "the command ended with status 3. Command output: closed");
	/* but not that it has delivered */
	assert_verdict(RUNNER_EXITED, 3, "2.0.0 fine", FATE_FAILED, "5.3.0",
		       "the command ended with status 3. Command output: 2.0.0 fine");
	assert_verdict(RUNNER_EXITED, 1, "", FATE_FAILED, "5.3.0",
		       "the command ended with status 1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_are_those_of_sysexits),
		cmocka_unit_test(a_command_that_is_broken_loses_nothing),
		cmocka_unit_test(a_command_may_say_itself_what_it_means),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
