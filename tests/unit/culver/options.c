/* options: the runtime of the system that is asked is found, also by a configuration that has mistakes by now */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/system/fatal.h"
#include "culver/options.h"

static char directory[] = "/tmp/culver-options-XXXXXX";
static char path[100];
static struct culver_options given = {.config = path, .config_given = true, .usage = "x"};
static int kept_stderr = -1;

static void
write_config(const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* the sentences go nowhere: the results are looked at */
static int
quiet(void **state)
{
	(void)state;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	kept_stderr = dup(STDERR_FILENO);
	unsetenv("CULVER_RUNTIME");
	return null < 0 || dup2(null, STDERR_FILENO) < 0 || close(null) != 0;
}

static int
loud(void **state)
{
	(void)state;
	dup2(kept_stderr, STDERR_FILENO);
	return close(kept_stderr);
}

static void
the_runtime_stands_in_the_configuration(void **state)
{
	(void)state;
	write_config("hostname a.example\nruntime /run/else\n");
	assert_string_equal(options_runtime(&given), "/run/else");
	/* -c is meant more than the environment */
	setenv("CULVER_RUNTIME", "/run/environment", 1);
	assert_string_equal(options_runtime(&given), "/run/else");
	const struct culver_options usual = {.config = path, .usage = "x"};
	assert_string_equal(options_runtime(&usual), "/run/environment");
	setenv("CULVER_RUNTIME", "", 1);
	assert_string_equal(options_runtime(&usual), "/run/else");
}

static void
a_configuration_with_mistakes_still_names_its_runtime(void **state)
{
	(void)state;
	write_config("hostnam a.example\n  runtime \"/run/else\"\nmin-uid x\n");
	assert_string_equal(options_runtime(&given), "/run/else");
	write_config("hostnam a.example\n# runtime /run/comment\nruntime /run/else # where\n");
	assert_string_equal(options_runtime(&given), "/run/else");
	assert_null(options_config(&given));
}

static void
a_configuration_that_cannot_be_read_is_said_when_it_was_named(void **state)
{
	struct config_defaults defaults;
	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_null(options_runtime(&given));
	assert_null(options_config(&given));
	/* who may not read the usual one asks at the usual place */
	const struct culver_options usual = {.config = path, .usage = "x"};
	config_defaults_find(&defaults, false);
	if (defaults.runtime != NULL)
		assert_string_equal(options_runtime(&usual), defaults.runtime);
}

/* of a user without XDG_RUNTIME_DIR: `run` beside the spool, and no name of its own */
static void
without_a_runtime_directory_of_the_user_it_is_beside_the_spool(void **state)
{
	struct config_defaults defaults;
	(void)state;
	config_defaults_find(&defaults, false);
	if (defaults.runtime != NULL)
		skip();
	const struct culver_options usual = {.config = path, .usage = "x"};
	const char *runtime = options_runtime(&usual);
	assert_non_null(runtime);
	assert_int_equal(strncmp(runtime, defaults.state, strlen(defaults.state)), 0);
	assert_string_equal(runtime + strlen(runtime) - 4, "/run");
	/* with mistakes too */
	write_config("hostnam a.example\nspool /var/tmp/mine/spool\n");
	assert_string_equal(options_runtime(&given), "/var/tmp/mine/run");
	write_config("hostnam a.example\n");
	assert_non_null(options_runtime(&given));
}

static void
where_nothing_serves_the_status_says_not_running(void **state)
{
	char text[200];
	int status = 0;
	(void)state;
	snprintf(text, sizeof(text), "hostname a.example\nruntime %s\n", directory);
	write_config(text);
	assert_int_equal(options_connect(&given, "control", &status), -1);
	assert_int_equal(status, EXIT_UNAVAILABLE);
	/* a socket that its server has left */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", directory);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	status = 0;
	assert_int_equal(options_connect(&given, "control", &status), -1);
	assert_int_equal(status, EXIT_UNAVAILABLE);
	assert_int_equal(listen(fd, 1), 0);
	int client = options_connect(&given, "control", &status);
	assert_true(client >= 0);
	assert_int_equal(fcntl(client, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(client);
	close(fd);
	unlink(address.sun_path);
}

static void
wrong_arguments_are_status_64(void **state)
{
	(void)state;
	assert_int_equal(options_usage(&given, "what %d", 1), 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, quiet, loud)

int
main(void)
{
	if (mkdtemp(directory) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/culver.conf", directory);
	const struct CMUnitTest tests[] = {
		TEST(the_runtime_stands_in_the_configuration),
		TEST(a_configuration_with_mistakes_still_names_its_runtime),
		TEST(a_configuration_that_cannot_be_read_is_said_when_it_was_named),
		TEST(without_a_runtime_directory_of_the_user_it_is_beside_the_spool),
		TEST(where_nothing_serves_the_status_says_not_running),
		TEST(wrong_arguments_are_status_64),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(directory);
	return failed;
}
