/*
 * maildir - a letter byte for byte, and nothing left where something failed
 *
 * The k-th system call of a delivery fails, for each k and several errors: here the names of libc's calls are taken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/maildir.h"

static char folder[] = "/tmp/culver-maildir-XXXXXX";
static char path[128];
static struct maildir maildir;
static char block[LETTER_BLOCK];

/* ---- faults ---- */

static int fault_in = -1, fault_errno, calls; /* the call number `fault_in` fails */

static bool
fails(void)
{
	if (calls++ != fault_in)
		return false;
	errno = fault_errno;
	return true;
}

int
fsync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	return fails() ? -1 : real(fd);
}

int
renameat(int from, const char *a, int to, const char *b)
{
	static int (*real)(int, const char *, int, const char *);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "renameat");
	return fails() ? -1 : real(from, a, to, b);
}

ssize_t
write(int fd, const void *at, size_t len)
{
	static ssize_t (*real)(int, const void *, size_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "write");
	if (fd > 2 && fails())
		return -1;
	/* and never all at once */
	return real(fd, at, fd > 2 && len > 100000 ? 100000 : len);
}

int
mkdirat(int at, const char *name, mode_t mode)
{
	static int (*real)(int, const char *, mode_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "mkdirat");
	return fails() ? -1 : real(at, name, mode);
}

/* ---- letters ---- */

static int
spool_file(const char *text, size_t len)
{
	char name[] = "/tmp/culver-letter-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(pwrite(fd, "0123456789", 10, 0), 10);
	assert_int_equal(pwrite(fd, text, len, 10), len);
	return fd;
}

static void
deliver(const char *head, const char *text, size_t len, struct verdict *v)
{
	int fd = spool_file(text, len);
	size_t first = len < sizeof(block) ? len : sizeof(block);
	struct letter l = {.head = span_of(head),
			   .content = fd,
			   .content_at = 10,
			   .content_length = len,
			   .block = block};

	assert_int_equal(pread(fd, block, first, 10), first);
	l.first = span_from(block, first);
	calls = 0;
	maildir_deliver(&maildir, path, strlen(folder), &l, v);
	close(fd);
}

/* the names in a folder of the Maildir; *one is the last of them */
static int
count(const char *sub, char one[PATH_MAX])
{
	char name[200];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(name, sizeof(name), "%s/%s", path, sub);
	d = opendir(name);
	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (one != NULL)
			snprintf(one, PATH_MAX, "%s/%s", name, e->d_name);
	}
	closedir(d);
	return n;
}

static char *
take_letter(size_t *len)
{
	char name[PATH_MAX], *text;
	FILE *f;

	assert_int_equal(count("new", name), 1);
	assert_int_equal(count("tmp", NULL), 0);
	f = fopen(name, "r");
	assert_non_null(f);
	text = malloc(4 << 20);
	assert_non_null(text);
	*len = fread(text, 1, 4 << 20, f);
	fclose(f);
	unlink(name);
	return text;
}

static void
check_letter(const char *head, const char *text, size_t len, const char *expected,
	     size_t expected_len)
{
	struct verdict v;
	size_t got_len;
	char *got;

	deliver(head, text, len, &v);
	assert_string_equal(v.text, "delivered to the mailbox");
	assert_int_equal(v.fate, FATE_DELIVERED);
	got = take_letter(&got_len);
	assert_int_equal(got_len, expected_len);
	assert_memory_equal(got, expected, expected_len);
	free(got);
}

#define CHECK_LETTER(head, text, expected) \
	check_letter(head, text, sizeof(text) - 1, expected, sizeof(expected) - 1)

static void
crlf_becomes_lf_and_nothing_else_changes(void **state)
{
	(void)state;
	CHECK_LETTER("A: b\r\nC: d\n", "S: x\r\n\r\n\xff\xfe\r\n.\r\n..\r\n",
		     "A: b\nC: d\nS: x\n\n\xff\xfe\n.\n..\n");
	CHECK_LETTER("", "", "");
	CHECK_LETTER("", "\r", "\r");
	CHECK_LETTER("", "\r\r\n\n\rx\r", "\r\n\n\rx\r");
	CHECK_LETTER("x\r", "\ny\r\n", "x\ny\n");
}

static void
a_letter_of_many_blocks_is_whole(void **state)
{
	/* a CRLF across each border of a block, whatever its phase */
	size_t len = 3 * LETTER_BLOCK + 12345, expected_len = 0;
	char *text = malloc(len), *expected = malloc(len);

	(void)state;
	assert_non_null(text);
	assert_non_null(expected);
	for (size_t phase = 0; phase < 3; phase++) {
		for (size_t i = 0; i < len; i++)
			text[i] = (char)('a' + i % 7);
		for (size_t i = phase; i + 1 < len; i += 61) {
			text[i] = '\r';
			text[i + 1] = '\n';
		}
		for (size_t b = LETTER_BLOCK; b + 2 < len; b += LETTER_BLOCK) {
			memcpy(text + b - 2, "x\r\nyz", 5);
			if (text[b - 3] == '\r')
				text[b - 3] = 'w';
		}
		expected_len = 0;
		for (size_t i = 0; i < len; i++)
			if (text[i] != '\r' || i + 1 == len || text[i + 1] != '\n')
				expected[expected_len++] = text[i];
		check_letter("", text, len, expected, expected_len);
	}
	free(text);
	free(expected);
}

static void
the_folders_are_made_private(void **state)
{
	static const char *const folders[] = {"", "/cur", "/new", "/tmp"};
	struct verdict v;
	struct stat st;
	size_t len;
	char name[PATH_MAX];

	(void)state;
	deliver("", "x\r\n", 3, &v);
	assert_int_equal(v.fate, FATE_DELIVERED);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, folders[i]);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0700);
	}
	assert_int_equal(count("new", name), 1);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(take_letter(&len));
}

static void
of_roots_the_group_cannot_exchange_the_folders(void **state)
{
	struct maildir m = {.for_group = true};
	char root[160], name[200];
	struct stat st;
	mode_t before = umask(007);

	(void)state;
	snprintf(root, sizeof(root), "%s/root", folder);
	assert_int_equal(maildir_make(&m, root, strlen(folder)), 0);
	umask(before);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	snprintf(name, sizeof(name), "%s/tmp", root);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(name, sizeof(name), "%s/new", root);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0770);
}

static void
names_differ_and_cannot_leave_their_folder(void **state)
{
	struct maildir m;
	char name[PATH_MAX];
	struct verdict v;
	size_t len;

	(void)state;
	assert_int_equal(maildir_init(&m, "a/b:c", false), 0);
	assert_string_equal(m.host, "a\\057b\\072c");
	maildir_free(&m);
	for (int i = 0; i < 20; i++)
		deliver("", "x\r\n", 3, &v);
	assert_int_equal(count("new", name), 20);
	while (count("new", name) > 1)
		unlink(name);
	free(take_letter(&len));
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static void
whatever_call_fails_nothing_stays_and_it_is_temporary(void **state)
{
	static const int errors[] = {EDQUOT, ENOSPC, EIO, EACCES, EROFS};
	static char text[400000];
	int delivered = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		struct verdict v = {.fate = FATE_DEFERRED};

		for (int k = 0; v.fate != FATE_DELIVERED; k++) {
			assert_true(k < 30);
			nftw(path, remove_one, 10, FTW_DEPTH | FTW_PHYS);
			fault_in = k;
			fault_errno = errors[e];
			deliver("H: x\r\n", text, sizeof(text), &v);
			fault_in = -1;
			if (v.fate == FATE_DELIVERED) {
				assert_true(k > 8); /* folders, writes, rename, fsync */
				delivered++;
				break;
			}
			assert_int_equal(v.fate, FATE_DEFERRED);
			assert_int_equal(v.status[0], '4');
			assert_non_null(strstr(v.text, strerror(errors[e])));
			assert_int_equal(count("tmp", NULL), 0);
			assert_int_equal(count("new", NULL), 0);
		}
	}
	assert_int_equal(delivered, 5);
	nftw(path, remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

static void
quota_is_told_as_quota(void **state)
{
	struct verdict v;

	(void)state;
	maildir_trouble(&v, "/m", "write", EDQUOT);
	assert_int_equal(v.fate, FATE_DEFERRED);
	assert_string_equal(v.status, "4.2.2");
	maildir_trouble(&v, "/m", "write", ENOSPC);
	assert_string_equal(v.status, "4.3.1");
}

static void
a_spool_file_that_ends_early_is_never_a_letter(void **state)
{
	int fd = spool_file("short", 5);
	struct letter l = {.content = fd,
			   .content_at = 10,
			   .content_length = 100,
			   .head = SPAN_NONE,
			   .first = SPAN("short"),
			   .block = block};
	struct verdict v;

	(void)state;
	maildir_deliver(&maildir, path, strlen(folder), &l, &v);
	assert_int_equal(v.fate, FATE_DEFERRED);
	assert_int_equal(count("tmp", NULL) + count("new", NULL), 0);
	close(fd);
}

static void
a_link_in_tmp_is_not_followed_to_a_file(void **state)
{
	struct verdict v;
	char tmp[160];

	(void)state;
	/* tmp is a link to nowhere: trouble, and nothing is made there */
	nftw(path, remove_one, 10, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(tmp, sizeof(tmp), "%s/tmp", path);
	assert_int_equal(symlink("/nonexistent/culver", tmp), 0);
	deliver("", "x\r\n", 3, &v);
	assert_int_equal(v.fate, FATE_DEFERRED);
	nftw(path, remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/deep/Maildir", folder);
	umask(077);
	return maildir_init(&maildir, "mx.example.org", false);
}

static int
remove_folder(void **state)
{
	(void)state;
	maildir_free(&maildir);
	return nftw(folder, remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crlf_becomes_lf_and_nothing_else_changes),
		cmocka_unit_test(a_letter_of_many_blocks_is_whole),
		cmocka_unit_test(the_folders_are_made_private),
		cmocka_unit_test(of_roots_the_group_cannot_exchange_the_folders),
		cmocka_unit_test(names_differ_and_cannot_leave_their_folder),
		cmocka_unit_test(whatever_call_fails_nothing_stays_and_it_is_temporary),
		cmocka_unit_test(quota_is_told_as_quota),
		cmocka_unit_test(a_spool_file_that_ends_early_is_never_a_letter),
		cmocka_unit_test(a_link_in_tmp_is_not_followed_to_a_file),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
