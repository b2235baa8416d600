/* reload: all that can be refused is refused before anything is changed; what was refused is said, and the old configuration goes on */
#include "tests/unit/master/harness.h"

#include <sys/socket.h>

static char reason[sizeof(h.m.reload_reason)];

/* everything that a reload exchanges */
struct in_force {
	const struct config *config;
	int config_fd;
	uint64_t generation;
	size_t tcp_count;
};

static struct in_force
in_force(void)
{
	return (struct in_force){h.m.config, h.m.config_fd, h.m.generation, h.m.sockets.tcp_count};
}

static void
expect_refused(const char *why)
{
	const struct in_force before = in_force();
	uint64_t reloads = h.m.reloads;
	reload_run(&h.m);
	const struct in_force after = in_force();
	assert_true(h.m.reload_refused);
	assert_int_equal(h.m.reloads, reloads + 1);
	snprintf(reason, sizeof(reason), "%s", h.m.reload_reason);
	if (strstr(reason, why) == NULL)
		fail_msg("said: %s\nexpected: %s", reason, why);
	assert_ptr_equal(after.config, before.config);
	assert_int_equal(after.config_fd, before.config_fd);
	assert_int_equal(after.generation, before.generation);
	assert_int_equal(after.tcp_count, before.tcp_count);
	assert_null(h.m.processes);
}

static void
another_spool_is_refused(void **state)
{
	(void)state;
	write_config("spool2", "run", "trace", "");
	expect_refused("`spool` changed: that needs a stop and a start");
}

static void
another_runtime_is_refused(void **state)
{
	(void)state;
	write_config("spool", "run2", "trace", "");
	expect_refused("`runtime` changed: that needs a stop and a start");
}

static void
another_place_of_the_accounts_is_refused(void **state)
{
	(void)state;
	write_config("spool", "run", "trace", "auth {\naccounts /elsewhere\n}\n");
	expect_refused("`accounts` changed: that needs a stop and a start");
	write_config("spool", "run", "trace", "auth {\ndovecot /elsewhere\n}\n");
	expect_refused("`dovecot` or `pam` changed: that needs a stop and a start");
}

static void
the_first_mistake_is_said_with_its_place_and_how_many_more_there_are(void **state)
{
	(void)state;
	write_config("spool", "run", "trace", "min-uid x\nhostnam y\n");
	expect_refused("culver.conf:10:9: `x`: expected");
	assert_non_null(strstr(reason, "(and 1 more: culver check)"));
	assert_int_equal(unlink(h.config_path), 0);
	expect_refused("No such file");
	/* and once it is right again it is taken: nothing of the refusal stays */
	write_config("spool", "run", "trace", "");
	programs_start(&h.m);
	until(is_ready);
	reload_run(&h.m);
	assert_false(h.m.reload_refused);
	assert_string_equal(h.m.reload_reason, "");
	assert_int_equal(h.m.generation, 2);
}

static void
a_directory_that_cannot_be_had_is_refused(void **state)
{
	(void)state;
	write_file("trace3", "no directory\n");
	write_config("spool", "run", "trace3", "");
	expect_refused("/trace3: ");
}

static void
tables_in_more_directories_than_a_row_can_hold_are_refused(void **state)
{
	char more[4096] = "";
	(void)state;
	for (int i = 0; i < 40; i++) {
		char line[200];
		snprintf(line, sizeof(line), "domain d%d.example {\n\taliases %s/%d/aliases\n}\n",
			 i, h.directory, i);
		strcat(more, line);
	}
	char text[6000];
	snprintf(text, sizeof(text),
		 "hostname a.example\nspool %s/spool\nruntime %s/run\ntrace %s/trace\n"
		 "drop %s/drop\nroot-mail %s/root\n%s",
		 h.directory, h.directory, h.directory, h.directory, h.directory, more);
	write_file("culver.conf", text);
	expect_refused("lookup would need more than");
}

static void
an_address_that_cannot_be_bound_is_refused_and_the_listeners_stay(void **state)
{
	int descriptors, after, other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in taken = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(taken);
	char line[100], sentence[100];
	(void)state;
	/* somebody else has it */
	assert_int_equal(bind(other, (struct sockaddr *)&taken, len), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&taken, &len), 0);
	snprintf(line, sizeof(line), "listen 127.0.0.1:%u mx\n", ntohs(taken.sin_port));
	snprintf(sentence, sizeof(sentence), "listen 127.0.0.1:%u: ", ntohs(taken.sin_port));
	descriptors = dup(0);
	close(descriptors);
	write_config("spool", "run", "trace", line);
	expect_refused(sentence);
	/* nothing was left open: the next descriptor is the same */
	after = dup(0);
	close(after);
	close(other);
	assert_int_equal(after, descriptors);
}

static bool
state_is_written(void)
{
	static struct state s;
	return state_read(h.m.config->runtime, &s) == 0 && s.reloads == 1 && s.reload_refused &&
	       strcmp(s.reload_reason, reason) == 0;
}

static void
a_refusal_stands_in_the_state_for_who_asked(void **state)
{
	(void)state;
	write_config("spool2", "run", "trace", "");
	expect_refused("`spool` changed");
	until(state_is_written);
}

static void
while_it_stops_nothing_is_reloaded(void **state)
{
	(void)state;
	write_config("spool2", "run", "trace", "");
	h.m.is_stopping = true;
	reload_run(&h.m);
	assert_int_equal(h.m.reloads, 0);
	h.m.is_stopping = false;
}

static void
the_text_given_out_is_sealed(void **state)
{
	(void)state;
	int seals = fcntl(h.m.config_fd, F_GET_SEALS);
	assert_int_equal(seals & (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL),
			 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	assert_int_equal(pwrite(h.m.config_fd, "x", 1, 0), -1);
}

/* ---- two masters ---- */

static void
two_masters_never_share_a_runtime(void **state)
{
	struct buffer why;
	int status;
	(void)state;
	buffer_init(&why, 1000);
	h.m.pid_fd = report_lock(&h.m, &why);
	assert_true(h.m.pid_fd >= 0);
	assert_int_equal(state_master(h.m.config->runtime), getpid());
	pid_t other = fork();
	if (other == 0) {
		close(h.m.pid_fd);
		_exit(report_lock(&h.m, &why) == -1 && why.len > 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
	report_end(&h.m);
	assert_int_equal(state_master(h.m.config->runtime), 0);
	/* a file that a master who was killed has left is no lock */
	write_file("run/master.pid", "1\n");
	h.m.pid_fd = report_lock(&h.m, &why);
	assert_true(h.m.pid_fd >= 0);
	report_end(&h.m);
	buffer_free(&why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	(void)argc;
	stand_in_if_called_so(argv);
	events_start("master", NULL);
	const struct CMUnitTest tests[] = {
		TEST(another_spool_is_refused),
		TEST(another_runtime_is_refused),
		TEST(another_place_of_the_accounts_is_refused),
		TEST(the_first_mistake_is_said_with_its_place_and_how_many_more_there_are),
		TEST(a_directory_that_cannot_be_had_is_refused),
		TEST(tables_in_more_directories_than_a_row_can_hold_are_refused),
		TEST(an_address_that_cannot_be_bound_is_refused_and_the_listeners_stay),
		TEST(a_refusal_stands_in_the_state_for_who_asked),
		TEST(while_it_stops_nothing_is_reloaded),
		TEST(the_text_given_out_is_sealed),
		TEST(two_masters_never_share_a_runtime),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
