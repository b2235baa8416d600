/*
 * fields - what is left out of a header and what is kept of it, in pieces of any size
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "smtpd/content.h"

#define TEXT_MAX 65536
#define RECEIVED "Received: (removed);\r\n\tnow\r\n"

static char out[CONTENT_OUT_MAX], text[TEXT_MAX + 1];
static struct author from, sender;
static struct content content;

/* the message as it is stored; `content`, `from` and `sender` are what was found */
static const char *
store(const char *input, size_t step, bool is_private)
{
	struct span rest = span_of(input);
	int fd = memfd_create("content", MFD_CLOEXEC);
	size_t used;

	assert_true(fd >= 0);
	assert_int_equal(content_start(&content, fd, out), 0);
	content.is_counted = true;
	content.fields.is_private = is_private;
	content.fields.received = SPAN(RECEIVED);
	from.count = sender.count = 0;
	from.len = sender.len = 0;
	from.is_too_long = sender.is_too_long = false;
	content.fields.from = &from;
	content.fields.sender = &sender;
	while (rest.len > 0) {
		struct span piece = span_from(rest.at, step < rest.len ? step : rest.len);
		assert_false(content_scan(&content, piece, &used));
		assert_int_equal(used, piece.len);
		rest = span_skip(rest, used);
	}
	content_finish(&content);
	ssize_t n = pread(fd, text, TEXT_MAX, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(content.size, (uint64_t)n);
	assert_int_equal(content_checksum(&content), checksum_of(text, (size_t)n));
	content_free(&content);
	close(fd);
	return text;
}

static const size_t steps[] = {1, 2, 3, 7, 39, 40, 41, 100000};

/* in pieces of every size */
static void
expect(const char *input, bool is_private, const char *stored)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_string_equal(store(input, steps[i], is_private), stored);
}

static void
private_fields_are_left_out_with_all_their_lines(void **state)
{
	(void)state;
	expect("Subject: a\r\nBcc: x@y,\r\n\tz@y\r\nX-Mailer: m\r\nTo: b\r\nUSER-AGENT : u\r\n "
	       "v\r\n\r\nBcc: text\r\n",
	       true, "Subject: a\r\nTo: b\r\n\r\nBcc: text\r\n");
	expect("Bcc: a\r\n\r\n", true, "\r\n");
	expect("X-Originating-IP: a\r\nX-Mailers: b\r\nXBcc: c\r\n\r\n", true,
	       "X-Mailers: b\r\nXBcc: c\r\n\r\n");
	/* blanks before the colon hide none */
	expect("Bcc                                              : a\r\nTo: b\r\n\r\n", true,
	       "To: b\r\n\r\n");
}

static void
a_hop_stays_one(void **state)
{
	(void)state;
	expect("Received: from inside ([192.0.2.1])\r\n\tby here; then\r\nTo: b\r\nReceived: "
	       "x\r\n\r\n",
	       true, RECEIVED "To: b\r\n" RECEIVED "\r\n");
	assert_int_equal(content.fields.hops, 2);
}

static void
all_else_is_stored_byte_for_byte(void **state)
{
	static const char *const inputs[] = {
		"",
		"\r\n",
		"a",
		"no colon\r\nBcc no colon either\r\nTo: b\r\n\r\n",
		" first\r\n\tlines: are\r\nTo: b\r\n\r\n",
		"A-name-that-has-more-bytes-than-are-held-back-for-one: x\r\n\r\n",
		"Subject:\r\n \r\n\r\n\r\nX-Mailer: text\r\n",
		"To: b",
		":\r\n::\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		expect(inputs[i], true, inputs[i]);
	expect("Bcc: a\r\nReceived: b\r\nX-Mailer: c\r\n\r\n", false,
	       "Bcc: a\r\nReceived: b\r\nX-Mailer: c\r\n\r\n");
}

static void
authors_are_kept_unfolded_and_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		(void)store("From: A <a@b>,\r\n\tc@d\r\nfrom:e@f\r\nSender : g@h\r\nFroms: "
			    "z\r\n\r\nFrom: x@y\r\n",
			    steps[i], false);
		assert_int_equal(from.count, 2);
		assert_int_equal(sender.count, 1);
		assert_int_equal(from.len, strlen(" A <a@b>,\tc@de@f"));
		assert_memory_equal(from.value, " A <a@b>,\tc@de@f", from.len);
		assert_memory_equal(sender.value, " g@h", sender.len);
		assert_int_equal(content.fields.has, FIELD_FROM | FIELD_SENDER);
	}
}

static void
authors_are_bounded(void **state)
{
	static char input[TEXT_MAX];
	size_t len = (size_t)snprintf(input, sizeof(input), "From: ");

	(void)state;
	memset(input + len, 'a', FIELDS_AUTHOR_MAX);
	strcpy(input + len + FIELDS_AUTHOR_MAX, "\r\n\r\n");
	assert_string_equal(store(input, 1000, false), input);
	assert_true(from.is_too_long);
	assert_int_equal(from.len, FIELDS_AUTHOR_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_fields_are_left_out_with_all_their_lines),
		cmocka_unit_test(a_hop_stays_one),
		cmocka_unit_test(all_else_is_stored_byte_for_byte),
		cmocka_unit_test(authors_are_kept_unfolded_and_counted),
		cmocka_unit_test(authors_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
