/*
 * cache - policies that are kept: whole or not at all, to their end and no longer (the rules C1 to C3 of fetch/cache.h)
 */
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

#include "fetch/cache.h"
#include "fetch/https.h"
#include "fetch/policies.h"

#define TEST(name) cmocka_unit_test(name)
#define DOMAIN "example.org"
#define NOW 1800000000
#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"

static char folder[] = "/tmp/culver-fetch-cache-XXXXXX";
static int directory = -1;
static struct cache_entry entry;

static int
open_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	directory = open(folder, O_RDONLY | O_DIRECTORY);
	return directory < 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlinkat(directory, DOMAIN, 0);
	close(directory);
	return rmdir(folder);
}

static size_t
count(bool drafts)
{
	DIR *list = cache_list(directory);
	size_t n = 0;

	assert_non_null(list);
	while (cache_next(list, drafts) != NULL)
		n++;
	closedir(list);
	return n;
}

static int
keep(const char *text, int64_t fetched_s, int64_t used_s, const char **wrong)
{
	struct cache_draft d;

	assert_int_equal(cache_draft(directory, &d), 0);
	assert_int_equal(count(true), 1);
	assert_int_equal(cache_write(d.fd, fetched_s, SPAN("id1"), span_of(text)), 0);
	return cache_keep(directory, &d, DOMAIN, used_s, &entry, wrong);
}

static void
what_is_kept_is_read_until_its_end(void **state)
{
	const char *wrong;

	(void)state;
	assert_int_equal(keep(POLICY, NOW, NOW, &wrong), 0);
	assert_int_equal(count(true), 0);
	assert_true(cache_read(directory, DOMAIN, NOW + 86399, &entry));
	assert_string_equal(entry.id, "id1");
	assert_int_equal(entry.policy.mode, STS_ENFORCE);
	assert_int_equal(entry.ends_s, NOW + 86400);
	assert_false(cache_read(directory, DOMAIN, NOW + 86400, &entry));
	/* and then it is gone */
	assert_int_equal(count(false), 0);
}

static void
a_short_policy_holds_for_a_while_all_the_same(void **state)
{
	const char *wrong;

	(void)state;
	assert_int_equal(keep("version: STSv1\nmode: none\nmax_age: 0\n", NOW, NOW, &wrong), 0);
	assert_true(cache_read(directory, DOMAIN, NOW + CACHE_AGE_MIN - 1, &entry));
	assert_false(cache_read(directory, DOMAIN, NOW + CACHE_AGE_MIN, &entry));
}

static void
what_is_no_policy_replaces_none(void **state)
{
	const char *wrong = NULL;

	(void)state;
	assert_int_equal(keep(POLICY, NOW, NOW, &wrong), 0);
	assert_int_equal(keep("garbage", NOW + 5, NOW + 5, &wrong), -1);
	assert_non_null(wrong);
	assert_int_equal(count(true), 0);
	assert_true(cache_read(directory, DOMAIN, NOW + 10, &entry));
	assert_int_equal(entry.fetched_s, NOW);
}

static void
a_file_that_is_not_whole_is_as_good_as_none(void **state)
{
	static const char *const texts[] = {"",
					    "culver-sts 1 1800000000 id1",
					    "culver-sts 2 1800000000 id1\n" POLICY,
					    "culver-sts 1 -5 id1\n" POLICY,
					    "culver-sts 1 1800000000 id1\nversion: STSv1\n",
					    POLICY};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = openat(directory, DOMAIN, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		close(fd);
		assert_false(cache_read(directory, DOMAIN, NOW, &entry));
		assert_int_equal(count(false), 0);
	}
}

static void
use_is_noted_once_a_day(void **state)
{
	const char *wrong;

	(void)state;
	assert_int_equal(keep(POLICY, NOW, NOW, &wrong), 0);
	cache_used(directory, DOMAIN, NOW + 86399);
	assert_int_equal(cache_used_s(directory, DOMAIN), NOW);
	cache_used(directory, DOMAIN, NOW + 86400);
	assert_int_equal(cache_used_s(directory, DOMAIN), NOW + 86400);
	/* a new one has the use of the old one */
	assert_int_equal(keep(POLICY, NOW + 90000, NOW + 86400, &wrong), 0);
	assert_int_equal(cache_used_s(directory, DOMAIN), NOW + 86400);
	assert_int_equal(cache_used_s(directory, "other.example"), -1);
}

static void
drafts_of_the_dead_go_and_those_of_the_living_stay(void **state)
{
	struct cache_draft d;
	struct stat st;

	(void)state;
	assert_int_equal(cache_draft(directory, &d), 0);
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	cache_sweep_drafts(directory, st.st_mtim.tv_sec + CACHE_DRAFT_S);
	assert_int_equal(count(true), 1);
	cache_sweep_drafts(directory, st.st_mtim.tv_sec + CACHE_DRAFT_S + 1);
	assert_int_equal(count(true), 0);
	close(d.fd);
}

static void
only_domains_are_names_of_files(void **state)
{
	(void)state;
	assert_true(cache_is_name(SPAN("example.org")));
	assert_true(cache_is_name(SPAN("xn--bcher-kva.example")));
	assert_false(cache_is_name(SPAN("")));
	assert_false(cache_is_name(SPAN(".")));
	assert_false(cache_is_name(SPAN("..")));
	assert_false(cache_is_name(SPAN(".5")));
	assert_false(cache_is_name(SPAN("a/b")));
	assert_false(cache_is_name(SPAN("../b")));
	assert_false(cache_is_name(SPAN("Example.org")));
}

static void
a_policy_is_stale_after_a_day_or_half_of_its_time(void **state)
{
	struct cache_entry *e = &entry;

	(void)state;
	e->fetched_s = NOW;
	e->ends_s = NOW + 1000;
	assert_false(policies_is_stale(e, NOW + 499));
	assert_true(policies_is_stale(e, NOW + 500));
	e->ends_s = NOW + 10 * 86400;
	assert_false(policies_is_stale(e, NOW + 86399));
	assert_true(policies_is_stale(e, NOW + 86400));
	/* the clock was set back */
	assert_true(policies_is_stale(e, NOW - 1));
}

static void
a_media_type_is_compared_without_its_parameters(void **state)
{
	(void)state;
	assert_true(https_is_type(SPAN("text/plain"), SPAN("text/plain")));
	assert_true(https_is_type(SPAN("Text/Plain ; charset=utf-8"), SPAN("text/plain")));
	assert_false(https_is_type(SPAN("text/html"), SPAN("text/plain")));
	assert_false(https_is_type(SPAN("text/plainer"), SPAN("text/plain")));
	assert_false(https_is_type(SPAN(""), SPAN("text/plain")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_kept_is_read_until_its_end),
		TEST(a_short_policy_holds_for_a_while_all_the_same),
		TEST(what_is_no_policy_replaces_none),
		TEST(a_file_that_is_not_whole_is_as_good_as_none),
		TEST(use_is_noted_once_a_day),
		TEST(drafts_of_the_dead_go_and_those_of_the_living_stay),
		TEST(only_domains_are_names_of_files),
		TEST(a_policy_is_stale_after_a_day_or_half_of_its_time),
		TEST(a_media_type_is_compared_without_its_parameters),
	};

	return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
