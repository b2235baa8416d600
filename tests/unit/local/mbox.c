/* mbox: what is written is a letter of its own, whole or not at all */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/mbox.h"

static char folder[] = "/tmp/culver-mbox.XXXXXX", box[64], spool[64];
static char block[LETTER_BLOCK];
static char *room;

static int
make_folder(void **state)
{
	(void)state;
	room = malloc(MBOX_ROOM);
	assert_non_null(room);
	assert_non_null(mkdtemp(folder));
	snprintf(box, sizeof(box), "%s/box", folder);
	snprintf(spool, sizeof(spool), "%s/spool", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	free(room);
	unlink(box);
	unlink(spool);
	return rmdir(folder);
}

static void
deliver(const char *head, const char *content, uint64_t said_length, struct verdict *v)
{
	int fd = open(spool, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct letter l = {.head = span_of(head),
			   .content = fd,
			   .content_length = said_length,
			   .first = span_from(content, 0),
			   .block = block};

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	mbox_deliver(box, getuid(), &l, room, v);
	close(fd);
}

static const char *
text_of_box(void)
{
	static char text[1 << 20];
	int fd = open(box, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void
put_box(const char *text)
{
	int fd = open(box, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
lines_that_begin_with_from_are_marked(void **state)
{
	static const char content[] = "a: b\r\n\r\nFrom x\r\nFro\r\nFrom\r\n>From y\r\n From z";
	struct verdict v;

	(void)state;
	unlink(box);
	deliver("From s@x now\nReturn-Path: <s@x>\n", content, sizeof(content) - 1, &v);
	assert_int_equal(v.fate, FATE_DELIVERED);
	assert_string_equal(text_of_box(),
			    "From s@x now\nReturn-Path: <s@x>\na: b\n\n>From x\nFro\n"
			    "From\n>From y\n From z\n\n");
}

/* the marks are found wherever a piece ends */
static void
a_mark_may_lie_across_two_pieces(void **state)
{
	static const char text[] = "From s@x now\nFrom x\nFFrom\nFrom From \nFrom";
	static const char expected[] = "From s@x now\n>From x\nFFrom\n>From From \nFrom\n\n";
	char out[200];

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct mbox_quote q = {.matched = 0};
		size_t len = mbox_quote(&q, span_from(text, cut), out);

		len += mbox_quote(&q, span_from(text + cut, sizeof(text) - 1 - cut), out + len);
		len += mbox_quote_end(&q, out + len);
		assert_int_equal(len, sizeof(expected) - 1);
		assert_memory_equal(out, expected, len);
	}
}

static void
a_letter_begins_behind_an_empty_line(void **state)
{
	static const char *const before[] = {"", "x\n\n", "x\n", "x", "\n"};
	static const char *const after[] = {"", "x\n\n", "x\n\n", "x\n\n", "\n"};
	struct verdict v;
	char expected[200];

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		put_box(before[i]);
		deliver("From s@x now\n", "a: b\r\n", 6, &v);
		assert_int_equal(v.fate, FATE_DELIVERED);
		snprintf(expected, sizeof(expected), "%sFrom s@x now\na: b\n\n", after[i]);
		assert_string_equal(text_of_box(), expected);
	}
}

static void
what_cannot_be_written_whole_is_cut_off_again(void **state)
{
	struct rlimit limit, small;
	struct verdict v;
	char lock[80];

	(void)state;
	put_box("From a@b now\nhere before\n\n");
	/* the spool's file is shorter than was said */
	deliver("From s@x now\n", "a: b\r\n", 600, &v);
	assert_int_equal(v.fate, FATE_DEFERRED);
	assert_string_equal(text_of_box(), "From a@b now\nhere before\n\n");
	/* no room: the write ends in the middle */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){40, limit.rlim_max};
	int fd = open(spool, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct letter l = {.head = SPAN("From s@x now\nReturn-Path: <s@x>\n"),
			   .content = fd,
			   .first = SPAN_NONE,
			   .block = block};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	mbox_deliver(box, getuid(), &l, room, &v);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	close(fd);
	assert_int_equal(v.fate, FATE_DEFERRED);
	assert_string_equal(v.status, "4.3.1");
	assert_string_equal(text_of_box(), "From a@b now\nhere before\n\n");
	snprintf(lock, sizeof(lock), "%s.lock", box);
	assert_int_equal(access(lock, F_OK), -1);
}

static void
a_file_that_is_none_is_left_alone(void **state)
{
	char other[80];
	struct verdict v;
	struct stat st;

	(void)state;
	snprintf(other, sizeof(other), "%s/other", folder);
	put_box("before");
	assert_int_equal(link(box, other), 0);
	deliver("From s@x now\n", "a: b\r\n", 6, &v);
	assert_int_equal(v.fate, FATE_FAILED);
	assert_string_equal(text_of_box(), "before");
	unlink(other);
	assert_int_equal(chmod(box, 0700), 0);
	deliver("From s@x now\n", "a: b\r\n", 6, &v);
	assert_int_equal(v.fate, FATE_FAILED);
	assert_string_equal(text_of_box(), "before");
	unlink(box);
	assert_int_equal(symlink(other, box), 0);
	deliver("From s@x now\n", "a: b\r\n", 6, &v);
	assert_int_equal(v.fate, FATE_DEFERRED);
	assert_int_equal(lstat(other, &st), -1);
	unlink(box);
}

static void
the_from_line_is_one_line_whatever_the_sender_is(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 4096);
	mbox_from_line(&b, SPAN("a b\n\x7f@x"), 1795420800123456);
	buffer_char(&b, '\0');
	assert_string_equal(b.at, "From a-b--@x Mon Nov 23 08:00:00 2026\n");
	buffer_clear(&b);
	mbox_from_line(&b, SPAN_NONE, 0);
	buffer_char(&b, '\0');
	assert_string_equal(b.at, "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
	buffer_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_begin_with_from_are_marked),
		cmocka_unit_test(a_mark_may_lie_across_two_pieces),
		cmocka_unit_test(a_letter_begins_behind_an_empty_line),
		cmocka_unit_test(what_cannot_be_written_whole_is_cut_off_again),
		cmocka_unit_test(a_file_that_is_none_is_left_alone),
		cmocka_unit_test(the_from_line_is_one_line_whatever_the_sender_is),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
