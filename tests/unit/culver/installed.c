/* installed: the programs are found from where culver is, and nothing else is taken for an installation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "culver/installed.h"

static struct installed found;

static void
expect(const char *self, const char *programs, const char *master, bool build_tree)
{
	assert_int_equal(installed_from(self, &found), 0);
	assert_string_equal(found.programs, programs);
	assert_string_equal(found.master, master);
	assert_int_equal(found.build_tree, build_tree);
}

static void
an_installation_is_found_wherever_it_lies(void **state)
{
	(void)state;
	expect("/usr/local/sbin/culver", "/usr/local/libexec/culver",
	       "/usr/local/libexec/culver/master", false);
	expect("/tmp/staged/usr/bin/culver", "/tmp/staged/usr/libexec/culver",
	       "/tmp/staged/usr/libexec/culver/master", false);
	expect("/sbin/culver", "/libexec/culver", "/libexec/culver/master", false);
	expect("/a/culver/sbin/culver", "/a/culver/libexec/culver",
	       "/a/culver/libexec/culver/master", false);
}

static void
a_build_tree_is_found(void **state)
{
	(void)state;
	expect("/home/joe/culver/build/culver/culver", "/home/joe/culver/build",
	       "/home/joe/culver/build/master/master", true);
}

static void
anything_else_is_neither(void **state)
{
	char path[START_PATH_MAX * 2];
	(void)state;
	assert_int_equal(installed_from("/culver", &found), -1);
	assert_int_equal(installed_from("culver", &found), -1);
	assert_int_equal(installed_from("", &found), -1);
	assert_int_equal(installed_from("/home/joe/culver2/culver", &found), -1);
	assert_int_equal(installed_from("/culver/culver", &found), -1);
	snprintf(path, sizeof(path), "/%0*d/sbin/culver", START_PATH_MAX, 0);
	assert_int_equal(installed_from(path, &found), -1);
	/* short enough itself, and too long with what is put behind it */
	snprintf(path, sizeof(path), "/%0*d/sbin/culver", START_PATH_MAX - 16, 0);
	assert_int_equal(installed_from(path, &found), -1);
}

static void
what_is_not_beside_a_master_is_said(void **state)
{
	(void)state;
	/* this test lies in BUILD/tests/unit/culver */
	int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(kept >= 0 && null >= 0 && dup2(null, STDERR_FILENO) >= 0);
	int result = installed_find(&found);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	close(null);
	assert_int_equal(result, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_installation_is_found_wherever_it_lies),
		cmocka_unit_test(a_build_tree_is_found),
		cmocka_unit_test(anything_else_is_neither),
		cmocka_unit_test(what_is_not_beside_a_master_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
