/* programs: who ends is started again, later each time, and nobody else ends with him; a stop goes in order and leaves nobody */
#include "tests/unit/master/harness.h"

#include <sys/prctl.h>

static pid_t pids[TRUST_PROGRAMS];
static const char *ended; /* the program that a test ends */
static pid_t ended_pid;

#define PAM "auth {\npam test\n}\n"

/* with the program that is started only where it is wanted */
static int
set_up_all(void **state)
{
	static char service[] = "test";
	int outcome = set_up(state);

	if (outcome == 0) {
		write_config("spool", "run", "trace", PAM);
		h.m.config->auth.source = CONFIG_AUTH_PAM;
		h.m.config->auth.pam = service;
	}
	return outcome;
}

static void
start_all(void)
{
	programs_start(&h.m);
	until(is_ready);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++)
		pids[i] = h.m.programs[i].process->pid;
}

static bool
is_waiting(void)
{
	return program_of(ended)->is_waiting;
}

static bool
is_back(void)
{
	const struct process *p = program_of(ended)->process;
	return p != NULL && p->pid != ended_pid && p->condition == PROCESS_SERVING;
}

static void
kill_and_wait(const char *program)
{
	ended = program;
	ended_pid = pid_of(program);
	assert_int_equal(kill(ended_pid, SIGKILL), 0);
	until(is_waiting);
}

static void
ready_is_when_the_last_serves(void **state)
{
	static struct state s;
	(void)state;
	program_does("bounce", "silent");
	ended = "smtpd";
	programs_start(&h.m);
	until(is_back);
	assert_false(h.m.is_ready);
	/* it ends, and its successor serves */
	program_does("bounce", "");
	assert_int_equal(kill(pid_of("bounce"), SIGKILL), 0);
	until(is_ready);
	/* the turn's report says so */
	ended = "bounce";
	until(is_back);
	assert_int_equal(state_read(h.m.config->runtime, &s), 0);
	assert_int_equal(s.program_count, TRUST_PROGRAMS);
}

static void
who_is_not_wanted_is_not_started(void **state)
{
	static struct state s;
	(void)state;
	h.m.config->auth.source = CONFIG_AUTH_ACCOUNTS;
	programs_start(&h.m);
	until(is_ready);
	assert_null(program_of("auth-pam")->process);
	programs_renew(&h.m);
	until(is_ready);
	assert_null(program_of("auth-pam")->process);
	assert_int_equal(said("auth-pam starts"), 0);
	assert_int_equal(state_read(h.m.config->runtime, &s), 0);
	for (size_t i = 0; i < s.program_count; i++)
		assert_string_not_equal(s.programs[i].name, "auth-pam");
}

static bool
has_inherited(void)
{
	return said("smtpd inherits") > 0;
}

static void
who_leaves_by_itself_is_replaced_and_what_it_left_is_handed_on(void **state)
{
	(void)state;
	program_does("smtpd", "leaves");
	programs_start(&h.m);
	until(has_inherited);
	until(is_ready);
	/* the one that left is still there, and counts as retired */
	size_t retired = 0;
	for (const struct process *p = h.m.processes; p != NULL; p = p->next)
		retired += p->condition == PROCESS_RETIRED;
	assert_int_equal(retired, 1);
	assert_int_equal(program_of("smtpd")->restarts, 1);
	assert_int_equal(program_of("smtpd")->left, -1);
	assert_int_equal(said("smtpd starts"), 2);
	assert_int_equal(said("smtpd inherits"), 1);
}

static void
who_ends_is_back_and_nobody_ends_with_him(void **state)
{
	(void)state;
	start_all();
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		kill_and_wait(trust_map[i].program);
		assert_int_equal(h.m.programs[i].delay_ms, MASTER_RETRY_FIRST_MS);
		int64_t before_ms = clock_monotonic_ms();
		until(is_back);
		assert_true(clock_monotonic_ms() - before_ms >= MASTER_RETRY_FIRST_MS / 2);
		assert_int_equal(h.m.programs[i].restarts, 1);
		pids[i] = h.m.programs[i].process->pid;
		for (size_t j = 0; j < TRUST_PROGRAMS; j++)
			assert_int_equal(h.m.programs[j].process->pid, pids[j]);
	}
}

static void
the_delay_doubles_up_to_its_maximum_and_is_forgotten_after_a_long_life(void **state)
{
	struct program *p = program_of("lookup");
	(void)state;
	start_all();
	for (int64_t delay_ms = MASTER_RETRY_FIRST_MS; delay_ms <= 4 * MASTER_RETRY_FIRST_MS;
	     delay_ms *= 2) {
		kill_and_wait("lookup");
		assert_int_equal(p->delay_ms, delay_ms);
		until(is_back);
	}
	p->delay_ms = MASTER_RETRY_MAX_MS - 1;
	kill_and_wait("lookup");
	assert_int_equal(p->delay_ms, MASTER_RETRY_MAX_MS);
	loop_timer_set(h.m.loop, &p->again, clock_monotonic_ms());
	until(is_back);
	kill_and_wait("lookup");
	assert_int_equal(p->delay_ms, MASTER_RETRY_MAX_MS);
	loop_timer_set(h.m.loop, &p->again, clock_monotonic_ms());
	until(is_back);
	p->process->started_ms -= MASTER_RETRY_FORGET_MS;
	kill_and_wait("lookup");
	assert_int_equal(p->delay_ms, MASTER_RETRY_FIRST_MS);
}

static void
a_program_that_never_comes_up_ends_a_start_that_is_waited_for(void **state)
{
	int ready[2];
	char word;
	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	h.m.options.ready_fd = ready[1];
	program_does("delivery", "fail");
	programs_start(&h.m);
	until(all_are_gone);
	assert_int_equal(h.m.exit_status, 71);
	assert_int_equal(program_of("delivery")->restarts, MASTER_START_ATTEMPTS);
	/* closed without a word */
	assert_int_equal(read(ready[0], &word, 1), 0);
	close(ready[0]);
}

static bool
is_tried_often(void)
{
	return program_of(ended)->restarts > MASTER_START_ATTEMPTS;
}

static void
without_somebody_who_waits_it_is_tried_for_ever(void **state)
{
	(void)state;
	program_does("delivery", "fail");
	programs_start(&h.m);
	ended = "delivery";
	ended_pid = 0;
	until(is_tried_often);
	assert_false(h.m.is_stopping);
	program_does("delivery", "");
	loop_timer_set(h.m.loop, &program_of("delivery")->again, clock_monotonic_ms());
	until(is_ready);
}

/* ---- the stop ---- */

/* the line of `said` in which `program` does `what`; 0: it does not stand there */
static size_t
line_of(const char *program, const char *what)
{
	char path[200], text[200], wanted[200];
	size_t line = 0, found = 0;
	snprintf(wanted, sizeof(wanted), "%s %s\n", program, what);
	snprintf(path, sizeof(path), "%s/said", h.directory);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f) != NULL) {
		line++;
		if (strcmp(text, wanted) == 0)
			found = line;
	}
	fclose(f);
	return found;
}

static void
a_stop_goes_in_order_and_each_stage_waits_for_the_one_before(void **state)
{
	(void)state;
	start_all();
	programs_stop(&h.m);
	until(all_are_gone);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		for (size_t j = 0; j < TRUST_PROGRAMS; j++) {
			if (trust_map[i].stage < trust_map[j].stage)
				assert_true(line_of(trust_map[i].program, "ends") <
					    line_of(trust_map[j].program, "is told to stop"));
		}
		assert_true(line_of(trust_map[i].program, "ends") > 0);
		assert_int_equal(kill(pids[i], 0), -1);
		assert_int_equal(h.m.programs[i].restarts, 0);
	}
	assert_int_equal(h.m.exit_status, 0);
}

static void
a_stop_starts_nobody_who_waits_to_be_started_again(void **state)
{
	(void)state;
	start_all();
	kill_and_wait("queue-manager");
	programs_stop(&h.m);
	programs_stop(&h.m); /* a second one changes nothing */
	until(all_are_gone);
	assert_int_equal(said("queue-manager starts"), 1);
	assert_true(line_of("smtpd", "ends") < line_of("lookup", "is told to stop"));
}

static pid_t group;

static bool
group_is_gone(void)
{
	return kill(-group, 0) != 0 && errno == ESRCH;
}

static void
who_does_not_stop_is_killed_with_all_that_he_forked(void **state)
{
	(void)state;
	program_does("smtpd", "deaf forks");
	start_all();
	group = pid_of("smtpd");
	programs_stop(&h.m);
	/* its grace is over */
	loop_timer_set(h.m.loop, &h.m.grace, clock_monotonic_ms());
	until(all_are_gone);
	/* its child is ours now, and killed */
	until(group_is_gone);
	assert_true(line_of("log", "ends") > 0);
}

/* ---- a new configuration ---- */

static bool
is_renewed(void)
{
	if (!h.m.is_ready || said("log reloads") + said("queue-manager reloads") < 2)
		return false;
	for (const struct process *p = h.m.processes; p != NULL; p = p->next) {
		if (p->condition == PROCESS_RETIRED)
			return false;
	}
	return true;
}

static void
a_reload_hands_the_text_to_those_with_state_and_replaces_the_others(void **state)
{
	(void)state;
	start_all();
	write_config("spool", "run", "trace", PAM "min-uid 500\n");
	reload_run(&h.m);
	assert_false(h.m.reload_refused);
	assert_int_equal(h.m.generation, 2);
	until(is_renewed);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		char line[100];
		const struct process *p = h.m.programs[i].process;
		bool keeps_state = trust_map[i].keeps_state;
		assert_int_equal(p->generation, 2);
		assert_int_equal(p->pid == pids[i], keeps_state);
		assert_int_equal(h.m.programs[i].restarts, 0);
		snprintf(line, sizeof(line), "%s retires", trust_map[i].program);
		assert_int_equal(said(line), keeps_state ? 0 : 1);
	}
}

static bool
log_is_anew(void)
{
	return h.m.is_ready && said("log starts") == 2;
}

static void
a_row_that_changed_starts_a_program_with_state_anew_at_once(void **state)
{
	(void)state;
	start_all();
	write_config("spool", "run", "trace2", PAM);
	reload_run(&h.m);
	assert_false(h.m.reload_refused);
	until(log_is_anew);
	assert_int_equal(said("log is told to stop"), 1);
	assert_int_equal(said("queue-manager starts"), 1);
	assert_int_equal(program_of("log")->restarts, 0);
	assert_int_equal(program_of("log")->delay_ms, 0);
}

static void
who_waits_to_be_started_again_is_started_at_once_by_a_reload(void **state)
{
	(void)state;
	start_all();
	kill_and_wait("smtpd");
	program_of("smtpd")->delay_ms = MASTER_RETRY_MAX_MS;
	kill_and_wait("queue-manager");
	loop_timer_set(h.m.loop, &program_of("smtpd")->again,
		       clock_monotonic_ms() + MASTER_RETRY_MAX_MS);
	reload_run(&h.m);
	until(is_ready);
	assert_int_equal(program_of("smtpd")->process->generation, 2);
	assert_int_equal(program_of("queue-manager")->process->generation, 2);
	assert_false(program_of("smtpd")->is_waiting);
	assert_false(program_of("queue-manager")->is_waiting);
}

static bool
log_is_killed(void)
{
	return said("log starts") == 2;
}

/* else nothing would tell an event again, and no reload ever end */
static void
who_does_not_make_way_for_his_successor_is_killed(void **state)
{
	(void)state;
	program_does("log", "deaf");
	start_all();
	write_config("spool", "run", "trace2", PAM);
	reload_run(&h.m);
	/* its grace is over */
	loop_timer_set(h.m.loop, &program_of("log")->grace, clock_monotonic_ms());
	until(log_is_killed);
	assert_int_not_equal(pid_of("log"), pids[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_all, tear_down)

int
main(int argc, char **argv)
{
	(void)argc;
	stand_in_if_called_so(argv);
	events_start("master", NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) /* as master is */
		return 1;
	const struct CMUnitTest tests[] = {
		TEST(ready_is_when_the_last_serves),
		TEST(who_is_not_wanted_is_not_started),
		TEST(who_leaves_by_itself_is_replaced_and_what_it_left_is_handed_on),
		TEST(who_ends_is_back_and_nobody_ends_with_him),
		TEST(the_delay_doubles_up_to_its_maximum_and_is_forgotten_after_a_long_life),
		TEST(a_program_that_never_comes_up_ends_a_start_that_is_waited_for),
		TEST(without_somebody_who_waits_it_is_tried_for_ever),
		TEST(a_stop_goes_in_order_and_each_stage_waits_for_the_one_before),
		TEST(a_stop_starts_nobody_who_waits_to_be_started_again),
		TEST(who_does_not_stop_is_killed_with_all_that_he_forked),
		TEST(a_reload_hands_the_text_to_those_with_state_and_replaces_the_others),
		TEST(a_row_that_changed_starts_a_program_with_state_anew_at_once),
		TEST(who_waits_to_be_started_again_is_started_at_once_by_a_reload),
		TEST(who_does_not_make_way_for_his_successor_is_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
