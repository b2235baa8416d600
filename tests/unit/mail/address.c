/*
 * address - what may stand in a path, and what it becomes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/mail/address.h"
#include "common/mail/domain.h"

struct path_case {
	const char *text;
	enum address_outcome outcome;
	const char *canonical; /* of OK */
	const char *rest;
};

static void
check_path(const struct path_case *c)
{
	struct span text = span_of(c->text);
	struct address a;
	enum address_outcome outcome = address_path(&text, &a);

	if (outcome != c->outcome)
		fail_msg("%s: outcome %d, not %d", c->text, outcome, c->outcome);
	if (outcome != ADDRESS_OK && outcome != ADDRESS_UTF8)
		return;
	assert_string_equal(a.text, c->canonical);
	assert_int_equal(a.len, strlen(c->canonical));
	assert_true(span_equal(text, span_of(c->rest)));
}

static void
path_is_read_leniently_where_the_world_needs_it(void **state)
{
	static const struct path_case cases[] = {
		{"<a@example.org>", ADDRESS_OK, "a@example.org", ""},
		{" <a@example.org>", ADDRESS_OK, "a@example.org", ""},
		{" \t <a@EXAMPLE.org>  SIZE=3 BODY=7BIT ", ADDRESS_OK, "a@example.org",
		 "SIZE=3 BODY=7BIT"},
		{"a@example.org", ADDRESS_OK, "a@example.org", ""},
		{" a@example.org SIZE=3", ADDRESS_OK, "a@example.org", "SIZE=3"},
		{"<>", ADDRESS_OK, "", ""},
		{" <> BODY=8BITMIME", ADDRESS_OK, "", "BODY=8BITMIME"},
		{"<PostMaster>", ADDRESS_OK, "postmaster", ""},
		{"postmaster", ADDRESS_OK, "postmaster", ""},
		{"<@a.example,@b.example:c@d.example>", ADDRESS_OK, "c@d.example", ""},
		{"<@[IPv6:::1]:c@d.example>", ADDRESS_OK, "c@d.example", ""},
		{"<\"a b\"@example.org>", ADDRESS_OK, "\"a b\"@example.org", ""},
		{"\"a b>\"@example.org x", ADDRESS_OK, "\"a b>\"@example.org", "x"},
		{"<a@my_host.example>", ADDRESS_OK, "a@my_host.example", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_path(&cases[i]);
}

static void
path_is_strict_in_all_else(void **state)
{
	static const struct path_case cases[] = {
		{"", ADDRESS_SYNTAX, "", ""},
		{"   ", ADDRESS_SYNTAX, "", ""},
		{"<", ADDRESS_SYNTAX, "", ""},
		{"<a@example.org", ADDRESS_SYNTAX, "", ""},
		{"<a@example.org>>", ADDRESS_SYNTAX, "", ""},
		{"<a@example.org>SIZE=3", ADDRESS_SYNTAX, "", ""},
		{"<a@example.org> ", ADDRESS_OK, "a@example.org", ""},
		{"< a@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<a @example.org>", ADDRESS_SYNTAX, "", ""},
		{"<a..b@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<.a@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<a@example.org.>", ADDRESS_SYNTAX, "", ""},
		{"<a@-x.org>", ADDRESS_SYNTAX, "", ""},
		{"<a@b@c>", ADDRESS_SYNTAX, "", ""},
		{"<a@>", ADDRESS_SYNTAX, "", ""},
		{"<@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<@a,b:c@d>", ADDRESS_SYNTAX, "", ""},
		{"<@a,:c@d>", ADDRESS_SYNTAX, "", ""},
		{"<@:c@d>", ADDRESS_SYNTAX, "", ""},
		{"<\"a@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<\"a\"b@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<\"a\tb\"@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<a@[1.2.3.256]>", ADDRESS_SYNTAX, "", ""},
		{"<a@[1.2.3]>", ADDRESS_SYNTAX, "", ""},
		{"<a@[IPv6:::g]>", ADDRESS_SYNTAX, "", ""},
		{"<a@[fe80::1]>", ADDRESS_SYNTAX, "", ""},
		{"<somebody>", ADDRESS_NO_DOMAIN, "", ""},
		{"somebody", ADDRESS_NO_DOMAIN, "", ""},
		{"<\xc3\xa4@Example.org> X", ADDRESS_UTF8, "\xc3\xa4@example.org", "X"},
		{"<a@\xc3\xa4.Example>", ADDRESS_UTF8, "a@\xc3\xa4.example", ""},
		{"<\"\xc3\xa4\"@example.org>", ADDRESS_UTF8, "\xc3\xa4@example.org", ""},
		{"<\xff@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<\xc0\x80@example.org>", ADDRESS_SYNTAX, "", ""},
		{"<\xed\xa0\x80@example.org>", ADDRESS_SYNTAX, "", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_path(&cases[i]);
}

static void
two_spellings_of_one_mailbox_are_the_same_bytes(void **state)
{
	static const char *const pairs[][2] = {
		{"\"a\"@example.org", "a@example.org"},
		{"\"a.b\"@Example.Org", "a.b@example.org"},
		{"\"\\a\\.b\"@example.org", "a.b@example.org"},
		{"\"a\\ b\"@example.org", "\"a b\"@example.org"},
		{"a@[IPV6:::1]", "a@[ipv6:::1]"},
		{"\"\\\"\"@example.org", "\"\\\"\"@example.org"},
		{"\"\"@example.org", "\"\"@example.org"},
		{"\"a..b\"@example.org", "\"a..b\"@example.org"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct address a, again;
		assert_int_equal(address_mailbox(span_of(pairs[i][0]), &a), ADDRESS_OK);
		assert_string_equal(a.text, pairs[i][1]);
		assert_int_equal(address_mailbox(span_from(a.text, a.len), &again), ADDRESS_OK);
		assert_string_equal(again.text, a.text);
	}
}

static void
parts_are_found_again(void **state)
{
	char local[ADDRESS_LOCAL_MAX + 1];
	struct address a;
	(void)state;

	assert_int_equal(address_mailbox(SPAN("\"a@\\\"b\"@Example.org"), &a), ADDRESS_OK);
	address_local(&a, local);
	assert_string_equal(local, "a@\"b");
	assert_true(span_equal(address_domain(&a), SPAN("example.org")));
	assert_true(span_equal(address_domain_of(span_of(a.text)), SPAN("example.org")));
	assert_true(span_equal(address_local_of(span_of(a.text)), SPAN("\"a@\\\"b\"")));
	assert_true(span_equal(address_local_of(SPAN("postmaster")), SPAN("postmaster")));
	assert_int_equal(address_domain_of(SPAN("postmaster")).len, 0);
	assert_int_equal(address_domain_of(SPAN("")).len, 0);
	assert_int_equal(address_domain_of(SPAN("\"a@b\"")).len, 0);
}

static void
lengths_have_their_bounds(void **state)
{
	char text[700];
	struct address a;
	(void)state;

	for (size_t n = 1; n <= 300; n++) {
		memset(text, 'x', n);
		memcpy(text + n, "@y.example", 11);
		assert_int_equal(address_mailbox(span_of(text), &a),
				 n <= ADDRESS_LOCAL_MAX ? ADDRESS_OK : ADDRESS_TOO_LONG);
	}
	for (size_t n = 1; n <= 300; n++) {
		memcpy(text, "y@", 2);
		for (size_t i = 0; i < n; i++)
			text[2 + i] = i % 2 ? '.' : 'x';
		text[2 + n] = '\0';
		enum address_outcome expected = n > ADDRESS_DOMAIN_MAX ? ADDRESS_TOO_LONG
						: n % 2		       ? ADDRESS_OK
								       : ADDRESS_SYNTAX;
		assert_int_equal(address_mailbox(span_of(text), &a), expected);
	}
	memset(text, 'x', 64);
	memcpy(text + 64, ".org", 5);
	assert_false(domain_is_valid(span_of(text)));
	assert_true(domain_is_valid(span_of(text + 1)));
}

/* ---- the suite of isemail ---- */

static char *
read_data(const char *name)
{
	const char *folder = getenv("CULVER_TEST_DATA");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : "../shared/data", name);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	char *text = calloc(1, 1 << 20);
	assert_non_null(text);
	size_t n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* the text of <tag> within one <test>, entities and the signs for control characters resolved */
static bool
element(const char *test, const char *tag, char *to, size_t size)
{
	char open[40], shut[40];
	size_t n = 0;

	snprintf(open, sizeof(open), "<%s>", tag);
	snprintf(shut, sizeof(shut), "</%s>", tag);
	const char *at = strstr(test, open);
	const char *end = at != NULL ? strstr(at, shut) : NULL;
	const char *next = strstr(test + 1, "<test ");
	to[0] = '\0';
	if (end == NULL || (next != NULL && at > next))
		return false;
	for (at += strlen(open); at < end && n + 4 < size;) {
		unsigned long code;
		char *behind;
		if (strncmp(at, "&#x", 3) == 0) {
			code = strtoul(at + 3, &behind, 16);
			at = behind + 1;
			if (code >= 0x2400 && code < 0x2480)
				to[n++] = (char)(code - 0x2400);
			else if (code < 0x80)
				to[n++] = (char)code;
			else
				n += (size_t)snprintf(to + n, 4, "\xc2%c", (char)code);
		} else if (strncmp(at, "&amp;", 5) == 0) {
			to[n++] = '&';
			at += 5;
		} else if (strncmp(at, "&quot;", 6) == 0) {
			to[n++] = '"';
			at += 6;
		} else {
			to[n++] = *at++;
		}
	}
	to[n] = '\0';
	return n > 0;
}

static void
isemail_agrees(void **state)
{
	char *text = read_data("addresses/isemail/tests.xml");
	size_t judged = 0;
	(void)state;

	if (text == NULL)
		skip();
	for (const char *t = strstr(text, "<test "); t != NULL; t = strstr(t + 1, "<test ")) {
		char address[1024], category[64], diagnosis[64];
		struct address a;
		if (!element(t, "address", address, sizeof(address)) ||
		    !element(t, "category", category, sizeof(category)) ||
		    !element(t, "diagnosis", diagnosis, sizeof(diagnosis)))
			continue;
		/* we take long local parts on purpose (VERP, SRS) */
		if (strcmp(diagnosis, "ISEMAIL_RFC5322_LOCAL_TOOLONG") == 0 ||
		    strcmp(diagnosis, "ISEMAIL_RFC5322_TOOLONG") == 0)
			continue;
		bool good = strcmp(category, "ISEMAIL_VALID_CATEGORY") == 0 ||
			    strcmp(category, "ISEMAIL_DNSWARN") == 0 ||
			    strcmp(category, "ISEMAIL_RFC5321") == 0;
		/* what is only deprecated in a header may have a plain form of RFC 5321 */
		if (strcmp(category, "ISEMAIL_DEPREC") == 0)
			continue;
		enum address_outcome outcome = address_mailbox(span_of(address), &a);
		if ((outcome == ADDRESS_OK) != good)
			fail_msg("%s (%s): outcome %d", address, diagnosis, outcome);
		judged++;
	}
	free(text);
	assert_true(judged > 80);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_is_read_leniently_where_the_world_needs_it),
		cmocka_unit_test(path_is_strict_in_all_else),
		cmocka_unit_test(two_spellings_of_one_mailbox_are_the_same_bytes),
		cmocka_unit_test(parts_are_found_again),
		cmocka_unit_test(lengths_have_their_bounds),
		cmocka_unit_test(isemail_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
