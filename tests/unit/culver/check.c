/*
 * check - culver check names every mistake of the configuration and of the alias files, and exits with 1 for them alone
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "culver/check.h"

static char directory[] = "/tmp/culver-check-XXXXXX";
static char said[65536]; /* stdout and stderr of the last check */

static char *
path_of(const char *name)
{
	static char paths[4][300];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void
write_file(const char *name, const char *content)
{
	FILE *f = fopen(path_of(name), "we");

	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* runs it with both outputs in a file; its status */
static int
run(int (*what)(void))
{
	int out = open(path_of("said"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int stdout_before, stderr_before, status;
	ssize_t len;

	assert_true(out >= 0);
	fflush(NULL);
	stdout_before = dup(1);
	stderr_before = dup(2);
	dup2(out, 1);
	dup2(out, 2);
	status = what();
	fflush(NULL);
	dup2(stdout_before, 1);
	dup2(stderr_before, 2);
	close(stdout_before);
	close(stderr_before);
	len = pread(out, said, sizeof(said) - 1, 0);
	assert_true(len >= 0);
	said[len] = '\0';
	close(out);
	return status;
}

static int
check(void)
{
	return check_command(path_of("culver.conf"), false);
}

static int
check_quietly(void)
{
	return check_command(path_of("culver.conf"), true);
}

/* with the name of the directory put before each */
static void
assert_said(const char *line)
{
	if (strstr(said, path_of(line)) == NULL)
		fail_msg("said: %sexpected: %s", said, path_of(line));
}

static void
a_right_configuration_is_said_to_be_right(void **state)
{
	(void)state;
	write_file("culver.conf", "hostname a.example\n");
	assert_int_equal(run(check), 0);
	assert_said("culver.conf: no mistakes\n");
	assert_int_equal(run(check_quietly), 0);
	assert_string_equal(said, "");
}

static void
every_mistake_is_said_and_the_status_is_1(void **state)
{
	(void)state;
	write_file("culver.conf", "hostnam a.example\ninclude more\nmin-uid x\n");
	write_file("more", "\nextension ab\n");
	assert_int_equal(run(check), 1);
	assert_said("culver.conf:1:1: unknown directive `hostnam`; did you mean `hostname`?\n");
	assert_said("more:2:11: `ab`: expected");
	assert_said("culver.conf:3:9: `x`: expected");
	assert_said("culver.conf: 3 mistakes\n");
	assert_int_equal(unlink(path_of("culver.conf")), 0);
	assert_int_equal(run(check), 1);
	assert_non_null(strstr(said, "No such file"));
}

static void
mistakes_of_alias_files_are_said(void **state)
{
	char text[1000];

	(void)state;
	snprintf(text, sizeof(text),
		 "domain a.example {\n\taliases %s %s\n}\ndomain b.example {\n\taliases %s\n}\n",
		 path_of("aliases"), path_of("nothing"), path_of("aliases"));
	write_file("culver.conf", text);
	write_file("aliases", "root: joe\nno colon here\nJoe: jim\n");
	assert_int_equal(run(check), 1);
	assert_said("aliases:2:");
	assert_said("nothing: cannot read: No such file or directory");
	/* a file that two domains have is read once */
	assert_said("culver.conf: 2 mistakes\n");
}

static void
a_name_that_comes_twice_is_a_warning_and_a_command_is_none(void **state)
{
	char text[500];

	(void)state;
	snprintf(text, sizeof(text), "domain a.example {\n\taliases %s\n}\n", path_of("aliases"));
	write_file("culver.conf", text);
	write_file("aliases", "ok: joe, jim@b.example\n"
			      "cmd: \"|/bin/cat >/dev/null\"\n"
			      "file: /var/x\n"
			      "list: joe, :include:/etc/list\n"
			      "OK: jack\n");
	assert_int_equal(run(check), 0);
	assert_said("aliases:5:1: warning: `ok` stands in line 1 already; only the first counts");
	assert_null(strstr(said, "aliases:1:"));
	assert_said("culver.conf: no mistakes\n");
}

static void
the_table_can_be_asked_for(void **state)
{
	(void)state;
	assert_int_equal(run(check_directives), 0);
	assert_non_null(strstr(said, "\nmessage-size\tlimit, limit of listen\tSIZE\t50M\t"));
	assert_non_null(
		strstr(said, "\nsmarthost\toutbound\tHOST:PORT|mx:DOMAIN[:PORT]...\tnone\t"));
}

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof(command), "rm -r -- '%s'", directory);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_configuration_is_said_to_be_right),
		cmocka_unit_test(every_mistake_is_said_and_the_status_is_1),
		cmocka_unit_test(mistakes_of_alias_files_are_said),
		cmocka_unit_test(a_name_that_comes_twice_is_a_warning_and_a_command_is_none),
		cmocka_unit_test(the_table_can_be_asked_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
