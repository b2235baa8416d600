/*
 * store - accounts on the disk, as `culver user` writes them and auth reads them
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/accounts/store.h"

static char folder[60], path[80], reason[STORE_REASON_MAX];
static struct verifier verifiers[2];
static char listed[200];

static int
begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/culver-store-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/" STORE_FILE, folder);
	return verifier_make(VERIFIER_SHA256, SPAN("pencil"), &verifiers[0]) |
	       verifier_make(VERIFIER_SHA1, SPAN("pencil"), &verifiers[1]);
}

static int
end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static struct store *
open_store(bool may_write)
{
	struct store *s = store_open(path, may_write, reason);

	if (s == NULL)
		fail_msg("%s", reason);
	return s;
}

static void
add(void *owner, const char *login, int64_t changed_s)
{
	(void)owner;
	assert_true(changed_s > 0);
	strcat(listed, login);
	strcat(listed, " ");
}

static void
what_is_put_is_found_by_another_process(void **state)
{
	struct store *s = open_store(true), *reader;
	struct verifier v;
	bool is_right;
	(void)state;
	assert_int_equal(store_put(s, "ann", true, verifiers, 2, reason), STORE_DONE);
	store_close(s);
	reader = open_store(false);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(store_find(reader, SPAN("ann"), verifiers[i].hash, &v, reason),
				 STORE_DONE);
		assert_memory_equal(&v, &verifiers[i], sizeof(v));
		assert_int_equal(verifier_check(&v, SPAN("pencil"), &is_right), 0);
		assert_true(is_right);
		assert_int_equal(verifier_check(&v, SPAN("Pencil"), &is_right), 0);
		assert_false(is_right);
	}
	assert_int_equal(store_find(reader, SPAN("bob"), VERIFIER_SHA1, &v, reason), STORE_ABSENT);
	store_close(reader);
}

static void
adding_changes_nobody_and_changing_adds_nobody(void **state)
{
	struct store *s = open_store(true);
	struct verifier v, other;
	(void)state;
	assert_int_equal(store_put(s, "ann", false, verifiers, 2, reason), STORE_ABSENT);
	assert_int_equal(store_put(s, "ann", true, verifiers, 2, reason), STORE_DONE);
	assert_int_equal(verifier_make(VERIFIER_SHA256, SPAN("other"), &other), 0);
	assert_int_equal(store_put(s, "ann", true, &other, 1, reason), STORE_PRESENT);
	assert_int_equal(store_find(s, SPAN("ann"), VERIFIER_SHA256, &v, reason), STORE_DONE);
	assert_memory_equal(&v, &verifiers[0], sizeof(v));
	assert_int_equal(store_put(s, "ann", false, &other, 1, reason), STORE_DONE);
	assert_int_equal(store_find(s, SPAN("ann"), VERIFIER_SHA256, &v, reason), STORE_DONE);
	assert_memory_equal(&v, &other, sizeof(v));
	store_close(s);
}

static void
who_is_removed_is_gone_and_can_be_added_again(void **state)
{
	struct store *s = open_store(true);
	struct verifier v;
	char bytes[200000];
	(void)state;
	assert_int_equal(store_remove(s, "ann", reason), STORE_ABSENT);
	assert_int_equal(store_put(s, "ann", true, verifiers, 2, reason), STORE_DONE);
	assert_int_equal(store_remove(s, "ann", reason), STORE_DONE);
	assert_int_equal(store_find(s, SPAN("ann"), VERIFIER_SHA256, &v, reason), STORE_ABSENT);
	assert_int_equal(store_find(s, SPAN("ann"), VERIFIER_SHA1, &v, reason), STORE_ABSENT);
	/* nor do its keys lie about in the file */
	FILE *f = fopen(path, "re");
	size_t len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_null(memmem(bytes, len, verifiers[0].stored_key, 32));
	assert_int_equal(store_put(s, "ann", true, verifiers, 2, reason), STORE_DONE);
	store_close(s);
}

static void
a_list_has_each_login_once(void **state)
{
	struct store *s = open_store(true);
	(void)state;
	assert_int_equal(store_put(s, "bob", true, verifiers, 2, reason), STORE_DONE);
	assert_int_equal(store_put(s, "ann", true, verifiers, 2, reason), STORE_DONE);
	listed[0] = '\0';
	assert_int_equal(store_list(s, add, NULL, reason), STORE_DONE);
	assert_string_equal(listed, "ann bob ");
	store_close(s);
}

static void
the_secret_of_decoys_stays(void **state)
{
	unsigned char a[STORE_SECRET_SIZE], b[STORE_SECRET_SIZE];
	struct store *s = open_store(true);
	(void)state;
	assert_int_equal(store_secret(s, a, reason), STORE_DONE);
	store_close(s);
	s = open_store(true);
	assert_int_equal(store_secret(s, b, reason), STORE_DONE);
	assert_memory_equal(a, b, sizeof(a));
	store_close(s);
}

static void
nobody_else_may_read_it(void **state)
{
	struct stat st;
	(void)state;
	store_close(open_store(true));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void
a_file_that_is_none_is_trouble_and_not_nobody(void **state)
{
	struct verifier v;
	struct store *s;
	FILE *f = fopen(path, "we");
	(void)state;
	fputs("this is no database, and long enough to be looked at as one: ....................",
	      f);
	fclose(f);
	s = store_open(path, false, reason);
	if (s != NULL) {
		assert_int_equal(store_find(s, SPAN("ann"), VERIFIER_SHA256, &v, reason),
				 STORE_TROUBLE);
		assert_string_not_equal(reason, "");
		store_close(s);
	}
	assert_null(store_open(path, true, reason));
	unlink(path);
	assert_null(store_open(path, false, reason));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_found_by_another_process),
		TEST(adding_changes_nobody_and_changing_adds_nobody),
		TEST(who_is_removed_is_gone_and_can_be_added_again),
		TEST(a_list_has_each_login_once),
		TEST(the_secret_of_decoys_stays),
		TEST(nobody_else_may_read_it),
		TEST(a_file_that_is_none_is_trouble_and_not_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
