/*
 * content - where a message ends, what is kept of it, what is said against it; in pieces of any size
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "smtpd/content.h"

static char out[CONTENT_OUT_MAX];

struct decoded {
	struct content found;
	bool is_done;
	size_t used;
	char text[65536];
	size_t len;
	uint64_t checksum;
};

/* `input` in pieces of `step` bytes; `set` may change limits first */
static void
decode(struct decoded *d, struct span input, size_t step, void (*set)(struct content *c))
{
	int fd = memfd_create("content", MFD_CLOEXEC);
	size_t used;

	memset(d, 0, sizeof(*d));
	assert_true(fd >= 0);
	assert_int_equal(content_start(&d->found, fd, out), 0);
	if (set != NULL)
		set(&d->found);
	while (!d->is_done && d->used < input.len) {
		size_t n = step < input.len - d->used ? step : input.len - d->used;
		/* a copy of exactly these bytes, so that a read beyond them is seen */
		char *piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, input.at + d->used, n);
		d->is_done = content_scan(&d->found, span_from(piece, n), &used);
		free(piece);
		d->used += used;
	}
	content_finish(&d->found);
	d->checksum = content_checksum(&d->found);
	content_free(&d->found);
	d->len = (size_t)pread(fd, d->text, sizeof(d->text), 0);
	close(fd);
}

struct data_case {
	struct span input;
	bool is_done;
	bool has_bare;
	const char *text; /* when it is done and nothing is wrong */
};

static const size_t steps[] = {1, 2, 3, 4, 5, 7, 100000};

static void
check(const struct data_case *c, void (*set)(struct content *c))
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct decoded d;
		decode(&d, c->input, steps[i], set);
		if (d.is_done != c->is_done || d.found.has_bare != c->has_bare)
			fail_msg("%.*s: done %d, bare %d (step %zu)", SPAN_ARG(c->input), d.is_done,
				 d.found.has_bare, steps[i]);
		if (c->is_done && c->text != NULL) {
			assert_int_equal(d.len, strlen(c->text));
			assert_memory_equal(d.text, c->text, d.len);
			assert_int_equal(d.found.size, d.len);
			assert_int_equal(d.checksum, checksum_of(c->text, d.len));
		}
	}
}

static void
only_a_dot_between_two_crlf_ends_the_data(void **state)
{
	static const struct data_case cases[] = {
		{SPAN(".\r\n"), true, false, ""},
		{SPAN("a\r\n.\r\n"), true, false, "a\r\n"},
		{SPAN("\r\n.\r\n"), true, false, "\r\n"},
		{SPAN("a\r\n\r\nb\r\n.\r\n"), true, false, "a\r\n\r\nb\r\n"},
		{SPAN("..\r\n.\r\n"), true, false, ".\r\n"},
		{SPAN("a\r\n..b\r\n...\r\n.\r\n"), true, false, "a\r\n.b\r\n..\r\n"},
		{SPAN("a\r\n.b\r\n.\r\n"), true, false, "a\r\nb\r\n"},
		{SPAN("a.\r\n.\r\n"), true, false, "a.\r\n"},
		{SPAN("a\r\n."), false, false, NULL},
		{SPAN("a\r\n.\r"), false, false, NULL},
		{SPAN("a.\r\n"), false, false, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i], NULL);
}

static void
what_only_looks_like_the_end_is_read_over_and_found_wrong(void **state)
{
	static const char *const sequences[] = {
		"\n.\n",     "\n.\r",	    "\r.\n",	   "\r.\r",	  "\n.\r\n",
		"\r.\r\n",   "\r\n.\n",	    "\r\n.\r",	   "\r\n.\r\r\n", "\r\r\n.\r\r\n",
		"\n\n.\r\n", "\r\n.\n\r\n", "\r\n\r.\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		char text[200];
		int n = snprintf(text, sizeof(text), "x: y\r\n\r\na%sMAIL FROM:<a@b>\r\n.\r\nrest",
				 sequences[i]);
		struct data_case c = {span_from(text, (size_t)n), true, true, NULL};
		check(&c, NULL);
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			struct decoded d;
			decode(&d, c.input, steps[k], NULL);
			assert_int_equal(d.used, n - 4);
		}
	}
}

static void
repair(struct content *c)
{
	c->may_repair = true;
}

static void
bare_line_ends_are_repaired_where_that_is_allowed(void **state)
{
	static const struct data_case cases[] = {
		{SPAN("a\nb\r\n.\r\n"), true, true, "a\r\nb\r\n"},
		{SPAN("a\rb\r\n.\r\n"), true, true, "a\r\nb\r\n"},
		{SPAN("a\n.\nb\r\n.\r\n"), true, true, "a\r\n.\r\nb\r\n"},
		{SPAN("a\r.\rb\r\n.\r\n"), true, true, "a\r\n.\r\nb\r\n"},
		{SPAN("a\n..b\r\n.\r\n"), true, true, "a\r\n..b\r\n"},
		{SPAN("a\r\n.\rb\r\n.\r\n"), true, true, "a\r\n\r\nb\r\n"},
		{SPAN("a\r\r\n.\r\n"), true, true, "a\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i], repair);
}

static void
nul_and_high_bytes_are_seen(void **state)
{
	struct decoded d;
	(void)state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		decode(&d, SPAN("a\r\n\0.\r\n.\r\n"), steps[i], NULL);
		assert_true(d.is_done && d.found.has_nul && !d.found.has_bare);
		decode(&d, SPAN("a\r\n.\0\r\n.\r\n"), steps[i], NULL);
		assert_true(d.is_done && d.found.has_nul && d.used == 10);
		decode(&d, SPAN("0123456789abcdef\xe4\r\n.\r\n"), steps[i], NULL);
		assert_true(d.is_done && d.found.has_high && !d.found.has_nul);
		decode(&d, SPAN("0123456789abcdef\x7f\r\n.\r\n"), steps[i], NULL);
		assert_true(d.is_done && !d.found.has_high);
	}
}

static void
hops_are_counted_in_the_header_only(void **state)
{
	struct decoded d;
	(void)state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		decode(&d,
		       SPAN("Received: a\r\n\tReceived: b\r\nRECEIVED:c\r\nReceivedX: d\r\nx: y\r\n"
			    "\r\nReceived: body\r\n.\r\n"),
		       steps[i], NULL);
		assert_int_equal(d.found.fields.hops, 2);
	}
}

static void
small(struct content *c)
{
	c->size_max = 20;
	c->line_max = 10;
}

static void
limits_are_met_to_the_byte(void **state)
{
	struct decoded d;
	(void)state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		decode(&d, SPAN("12345678\r\n12345678\r\n.\r\n"), steps[i], small);
		assert_true(d.is_done && !d.found.has_long_line && d.found.size == 20);
		decode(&d, SPAN("12345678\r\n12345678\r\na\r\n.\r\n"), steps[i], small);
		assert_true(d.is_done && d.found.size == 23 && d.found.size > d.found.size_max);
		decode(&d, SPAN("123456789\r\n.\r\n"), steps[i], small);
		assert_true(d.is_done && d.found.has_long_line);
	}
}

static void
a_failed_write_is_told_after_the_end(void **state)
{
	struct content c;
	size_t used;
	(void)state;

	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(content_start(&c, fd, out), 0);
	assert_true(content_scan(&c, SPAN("a\r\n.\r\nQUIT"), &used));
	assert_int_equal(used, 6);
	content_finish(&c);
	assert_int_equal(c.write_errno, ENOSPC);
	content_free(&c);
	close(fd);
}

static void
more_than_a_buffer_is_kept_whole(void **state)
{
	size_t len = 3 * CONTENT_OUT_MAX + 77;
	char *text = malloc(len + 3);
	struct content c;
	size_t used;
	(void)state;

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + i % 23);
	len -= len % 64;
	memcpy(text + len, ".\r\n", 3);
	int fd = memfd_create("content", MFD_CLOEXEC);
	assert_int_equal(content_start(&c, fd, out), 0);
	bool done = false;
	for (size_t at = 0; at < len + 3; at += used) {
		size_t n = len + 3 - at < 60000 ? len + 3 - at : 60000;
		done = content_scan(&c, span_from(text + at, n), &used);
	}
	assert_true(done);
	content_finish(&c);
	char *back = malloc(len + 1);
	assert_int_equal(pread(fd, back, len + 1, 0), len);
	assert_memory_equal(back, text, len);
	assert_int_equal(content_checksum(&c), checksum_of(text, len));
	content_free(&c);
	close(fd);
	free(back);
	free(text);
}

/* memory that is looked at again and again for each byte would take minutes here */
static void
one_kind_of_byte_alone_is_not_slow(void **state)
{
	static const char *const bytes[] = {"\r", "\n", ".", "\r\n..", "\n\r", "a"};
	char *chunk = malloc(65536);
	(void)state;

	assert_non_null(chunk);
	for (size_t k = 0; k < sizeof(bytes) / sizeof(bytes[0]); k++) {
		size_t len = strlen(bytes[k]), used;
		struct content c;
		for (size_t i = 0; i < 65536; i++)
			chunk[i] = bytes[k][i % len];
		int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		assert_int_equal(content_start(&c, fd, out), 0);
		c.may_repair = true;
		clock_t start = clock();
		for (int i = 0; i < 160; i++)
			assert_false(content_scan(&c, span_from(chunk, 65536), &used));
		double took = (double)(clock() - start) / CLOCKS_PER_SEC;
		assert_true(took < 5.0);
		content_free(&c);
		close(fd);
	}
	free(chunk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_dot_between_two_crlf_ends_the_data),
		cmocka_unit_test(what_only_looks_like_the_end_is_read_over_and_found_wrong),
		cmocka_unit_test(bare_line_ends_are_repaired_where_that_is_allowed),
		cmocka_unit_test(nul_and_high_bytes_are_seen),
		cmocka_unit_test(hops_are_counted_in_the_header_only),
		cmocka_unit_test(limits_are_met_to_the_byte),
		cmocka_unit_test(a_failed_write_is_told_after_the_end),
		cmocka_unit_test(more_than_a_buffer_is_kept_whole),
		cmocka_unit_test(one_kind_of_byte_alone_is_not_slow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
