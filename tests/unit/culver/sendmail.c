/* sendmail: what it takes for an address, for a header, for the end */
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
#include <unistd.h>

#include "culver/letter.h"
#include "culver/listing.h"
#include "common/mail/mailboxes.h"
#include "culver/names.h"

/* the addresses of a list, each in slashes; "!" where something is none */
static const char *
read_list(const char *list)
{
	static char text[4000];
	struct buffer one;
	struct span rest = span_of(list);
	text[0] = '\0';
	buffer_init(&one, MAILBOXES_MAX + 16);
	for (;;) {
		enum mailboxes_outcome o = mailboxes_next(&rest, &one);
		size_t len = strlen(text);
		if (o == MAILBOXES_ONE || o == MAILBOXES_LOOSE)
			snprintf(text + len, sizeof(text) - len, "/%.*s/",
				 SPAN_ARG(buffer_get(&one)));
		else if (o == MAILBOXES_WRONG)
			snprintf(text + len, sizeof(text) - len, "!");
		if (o == MAILBOXES_WRONG || o == MAILBOXES_END)
			break;
	}
	buffer_free(&one);
	return text;
}

static void
addresses_are_found_as_people_write_them(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{" , ,", ""},
		{"a@b.c", "/a@b.c/"},
		{"a", "/a/"},
		{"a@b.c,d@e.f", "/a@b.c//d@e.f/"},
		{"A B <a@b.c>", "/a@b.c/"},
		{"\"B, A\" <a@b.c>, d", "/a@b.c//d/"},
		{"\"a b\"@c.d", "/\"a b\"@c.d/"},
		{"\"a\\\"b\"@c.d", "/\"a\\\"b\"@c.d/"},
		{"a (x (y, z) \\) <w@v>) @ b . c", "/a@b.c/"},
		{"(only this)", ""},
		{"folk: a@b.c, D <d@e.f>; g@h.i", "/a@b.c//d@e.f//g@h.i/"},
		{"undisclosed-recipients:;", ""},
		{"<@x,@y:a@b.c>", "/@x,@y:a@b.c/"},
		{"a@[192.0.2.1], b@[IPv6:2001:db8::1]", "/a@[192.0.2.1]//b@[IPv6:2001:db8::1]/"},
		{"a@b.c,\r\n\t d@e.f", "/a@b.c//d@e.f/"},
		{"<>", "//"},
		{"J\xc3\xbcrgen <j\xc3\xbc@b.c>", "/j\xc3\xbc@b.c/"},
		/* and what is none */
		{"a b", "!"},
		{"a <b", "!"},
		{"a> b", "!"},
		{"<a><b>", "!"},
		{"\"a", "!"},
		{"(a", "!"},
		{"a@[1", "!"},
		{"a\x01@b", "!"},
		{"<a\x7f@b>", "!"},
		{"\"a\x02\"@b", "!"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(read_list(cases[i][0]), cases[i][1]);
}

static void
an_address_that_is_too_long_is_none(void **state)
{
	char text[MAILBOXES_MAX + 10];
	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_string_equal(read_list(text), "!");
}

/* a descriptor from which these bytes are read */
static int
input_of(const char *bytes, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
expect_letter(const char *input, bool dot_ends, const char *header, const char *content,
	      bool lacks_line)
{
	struct letter l;
	struct buffer more;
	int fd = input_of(input, strlen(input));
	buffer_init(&more, 4 * LETTER_CHUNK);
	assert_int_equal(letter_begin(&l, fd, dot_ends), 0);
	assert_int_equal(l.header.len, strlen(header));
	assert_memory_equal(l.header.at, header, strlen(header));
	assert_int_equal(l.content.len, strlen(content));
	assert_memory_equal(l.content.at, content, strlen(content));
	assert_int_equal(l.lacks_line, lacks_line);
	assert_int_equal(letter_more(&l, &more), 0);
	letter_free(&l);
	buffer_free(&more);
	close(fd);
}

static void
a_letter_has_crlf_whatever_it_came_with(void **state)
{
	(void)state;
	expect_letter("A: b\n\nc\n", true, "A: b\r\n", "\r\nc\r\n", false);
	expect_letter("A: b\r\n\r\nc\r\n", true, "A: b\r\n", "\r\nc\r\n", false);
	expect_letter("A: b\r\n\nc", true, "A: b\r\n", "\r\nc\r\n", false);
	expect_letter("", true, "", "", false);
	expect_letter("A: b\n", true, "A: b\r\n", "", false);
	/* a CR alone is not repaired here: the server says what it thinks of it */
	expect_letter("A: b\n\nc\rd\r", true, "A: b\r\n", "\r\nc\rd\r\r\n", false);
	expect_letter("From joe Tue Nov 24\nA: b\n\nc\n", true, "A: b\r\n", "\r\nc\r\n", false);
}

static void
a_letter_without_header_gets_its_empty_line(void **state)
{
	(void)state;
	expect_letter("no field\n", true, "", "no field\r\n", true);
	expect_letter("A: b\nno field\n", true, "A: b\r\n", "no field\r\n", true);
	expect_letter("A: b\n c: d\n\tfolded\nE: f\n\n", true,
		      "A: b\r\n c: d\r\n\tfolded\r\nE: f\r\n", "\r\n", false);
}

static void
a_dot_alone_ends_a_letter_only_where_it_may(void **state)
{
	(void)state;
	expect_letter("\na\n.\nb\n", true, "", "\r\na\r\n", false);
	expect_letter("\na\n.\r\nb\n", true, "", "\r\na\r\n", false);
	expect_letter("\na\n.\nb\n", false, "", "\r\na\r\n.\r\nb\r\n", false);
	expect_letter("\na\n..\n.b\n. \n", true, "", "\r\na\r\n..\r\n.b\r\n. \r\n", false);
	expect_letter("\na.\n.", true, "", "\r\na.\r\n", false);
	expect_letter(".\n", true, "", "", false);
}

static void
a_header_without_end_is_refused(void **state)
{
	struct letter l;
	size_t len = LETTER_FIRST + 3 * LETTER_CHUNK;
	char *input = malloc(len);
	(void)state;
	memset(input, 'x', len);
	memcpy(input, "A: ", 3);
	int fd = input_of(input, len);
	assert_int_equal(letter_begin(&l, fd, true), -1);
	assert_int_equal(errno, 0);
	letter_free(&l);
	close(fd);
	free(input);
}

/* ---- mailq ---- */

static void
mailq_prints_what_postfix_prints(void **state)
{
	struct buffer out;
	struct listing l;
	struct control_message m = {.id = 0x654F0C2D1A400,
				    .state = SPAN("active"),
				    .size = 4301,
				    .arrived_us = UINT64_C(1795507351000000),
				    .sender = SPAN("alice@example.org")};
	struct control_recipient r = {
		.id = m.id, .address = SPAN("bob@example.com"), .state = SPAN("active")};
	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	buffer_init(&out, 1u << 20);
	listing_start(&l, LISTING_MAILQ, 0, &out);
	listing_message(&l, &m);
	listing_recipient(&l, &r);
	m = (struct control_message){.id = 0x654F0C2D1A401,
				     .state = SPAN("held"),
				     .size = 900,
				     .arrived_us = UINT64_C(1793779387000000),
				     .sender = SPAN("")};
	listing_message(&l, &m);
	r = (struct control_recipient){.id = m.id,
				       .address = SPAN("x@example.com"),
				       .state = SPAN("deferred"),
				       .reply = SPAN("451 4.7.1 later")};
	listing_recipient(&l, &r);
	r.address = SPAN("y@example.com");
	listing_recipient(&l, &r);
	r.state = SPAN("delivered");
	listing_recipient(&l, &r);
	r = (struct control_recipient){
		.id = m.id, .address = SPAN("z@example.com"), .state = SPAN("waiting")};
	listing_recipient(&l, &r);
	listing_close(&l);
	listing_sum(&l);
	static const char expected[] =
		"----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
		"654F0C2D1A400*        4301 Tue Nov 24 08:02:31 alice@example.org\n"
		"                                               bob@example.com\n"
		"\n"
		"654F0C2D1A401!         900 Wed Nov  4 08:03:07 MAILER-DAEMON\n"
		"                                                             (451 4.7.1 later)\n"
		"                                               x@example.com\n"
		"                                               y@example.com\n"
		"                                                          (reason unavailable)\n"
		"                                               z@example.com\n"
		"\n"
		"-- 5 Kbytes in 2 Requests.\n";
	buffer_char(&out, '\0');
	assert_string_equal(out.at, expected);
	buffer_free(&out);
}

static void
only_the_classic_names_are_classic(void **state)
{
	char *culver[] = {(char[]){"/usr/sbin/culver"}, NULL};
	char *other[] = {(char[]){"sendmail2"}, NULL};
	char *aliases[] = {(char[]){"/usr/bin/newaliases"}, NULL};
	int status = 77;
	(void)state;
	assert_false(names_run(1, culver, &status));
	assert_false(names_run(1, other, &status));
	assert_false(names_run(0, culver, &status));
	assert_int_equal(status, 77);
	assert_true(names_run(1, aliases, &status));
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_found_as_people_write_them),
		cmocka_unit_test(an_address_that_is_too_long_is_none),
		cmocka_unit_test(a_letter_has_crlf_whatever_it_came_with),
		cmocka_unit_test(a_letter_without_header_gets_its_empty_line),
		cmocka_unit_test(a_dot_alone_ends_a_letter_only_where_it_may),
		cmocka_unit_test(a_header_without_end_is_refused),
		cmocka_unit_test(mailq_prints_what_postfix_prints),
		cmocka_unit_test(only_the_classic_names_are_classic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
