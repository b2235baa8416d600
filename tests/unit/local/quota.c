/* quota: what maildirsize says, and what is really there */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/quota.h"

static char folder[] = "/tmp/culver-quota.XXXXXX";

static const char *
path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
put(const char *name, size_t size, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	if (size > 0)
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static const char *
get(const char *name)
{
	static char text[6000];
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void
text_is_bounds_and_changes(void **state)
{
	struct quota q;

	(void)state;
	assert_true(quota_parse(SPAN("1000S,10C\n400 2\n-100 -1\n"), &q));
	assert_int_equal(q.bytes_max, 1000);
	assert_int_equal(q.letters_max, 10);
	assert_int_equal(q.bytes, 300);
	assert_int_equal(q.letters, 1);
	assert_int_equal(q.changes, 2);
	assert_true(quota_takes(&q, 700));
	assert_false(quota_takes(&q, 701));
	/* no bound, no quota; nonsense is none either: nobody's mail stays out for it */
	assert_false(quota_parse(SPAN(""), &q));
	assert_false(quota_parse(SPAN("0S\n"), &q));
	assert_false(quota_parse(SPAN("x\n"), &q));
	assert_false(quota_parse(SPAN("1000S\nx y\n"), &q));
	assert_false(quota_parse(SPAN("1000S\n99999999999999999999 1\n"), &q));
	assert_false(
		quota_parse(SPAN("1000S\n4611686018427387903 1\n4611686018427387903 1\n"), &q));
	/* letters alone */
	assert_true(quota_parse(SPAN("2C\n1 2\n"), &q));
	assert_false(quota_takes(&q, 0));
}

static void
who_finds_it_full_counts_anew(void **state)
{
	static const char *const folders[] = {"cur",	  "new",      "tmp",	".Sub",
					      ".Sub/cur", ".Sub/new", ".Trash", ".Trash/cur"};
	struct timespec old[2] = {{1000, 0}, {1000, 0}};

	(void)state;
	assert_true(quota_may(folder, 0, 1u << 30)); /* no file, no quota */
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		assert_int_equal(mkdir(path_of(folders[i]), 0700), 0);
	put("cur/a", 300, "");
	put(".Sub/new/b", 200, "");
	put(".Trash/cur/c", 5000, "");
	put("tmp/d", 5000, "");
	put("maildirsize", 0, "1000S\n");
	assert_false(quota_may(folder, 0, 501));
	assert_string_equal(get("maildirsize"), "1000S\n500 2\n");
	/* it says more than there is: counted anew, and room is found */
	put("maildirsize", 0, "1000S\n900 9\n50 1\n");
	assert_true(quota_may(folder, 0, 500));
	assert_string_equal(get("maildirsize"), "1000S\n500 2\n");
	/* a fresh count is believed: not each letter of a flood counts everything */
	put("maildirsize", 0, "1000S\n900 9\n");
	assert_false(quota_may(folder, 0, 500));
	assert_string_equal(get("maildirsize"), "1000S\n900 9\n");
	assert_int_equal(utimensat(AT_FDCWD, path_of("maildirsize"), old, 0), 0);
	assert_true(quota_may(folder, 0, 500));
	assert_false(quota_may(folder, 0, 501));
	quota_add(folder, 77);
	assert_string_equal(get("maildirsize"), "1000S\n500 2\n77 1\n");
	/* a folder has the quota of its Maildir */
	quota_add(path_of(".Sub"), 5);
	assert_string_equal(get("maildirsize"), "1000S\n500 2\n77 1\n5 1\n");
	assert_false(quota_may(path_of(".Sub"), 0, 600));
}

static void
table_has_the_last_word_about_bytes(void **state)
{
	(void)state;
	assert_int_equal(unlink(path_of("maildirsize")), 0);
	/* no file: made, with what is there (a and b of above) */
	assert_true(quota_may(folder, 600, 100));
	assert_string_equal(get("maildirsize"), "600S\n500 2\n");
	assert_false(quota_may(folder, 600, 101));
	/* the user writes himself a larger one: it lasts until the next letter */
	put("maildirsize", 0, "100000S,3C\n1 1\n");
	assert_false(quota_may(folder, 600, 101));
	assert_string_equal(get("maildirsize"), "600S,3C\n500 2\n");
	/* raised by the administrator */
	assert_true(quota_may(folder, 700, 101));
	assert_string_equal(get("maildirsize"), "700S,3C\n500 2\n");
	/* before there is a Maildir */
	assert_true(quota_may(path_of("none"), 100, 100));
	assert_false(quota_may(path_of("none"), 100, 101));
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_bounds_and_changes),
		cmocka_unit_test(who_finds_it_full_counts_anew),
		cmocka_unit_test(table_has_the_last_word_about_bytes),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
