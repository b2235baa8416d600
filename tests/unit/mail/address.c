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

/* a diagnosis of isemail with which we do not agree: how many of its cases we take and it would not, and why */
struct class_difference {
	const char *diagnosis;
	size_t count;
	const char *why;
};

static const struct class_difference isemail_differences[] = {
	{"ISEMAIL_RFC5322_LOCAL_TOOLONG", 3,
	 "local parts of more than 64 bytes are taken on purpose: VERP and SRS make them"},
	{"ISEMAIL_RFC5322_TOOLONG", 2,
	 "so are paths of more than 256 bytes, whose domain the DNS can still hold"},
	{"ISEMAIL_RFC5321_IPV6DEPRECATED", 1,
	 "a :: that stands for one group: RFC 5952 would not write it, RFC 4291 reads it"},
};

/* isemail_accepts - what its ORIGIN says for a path: the categories that RFC 5321 allows; all else is a header's, or wrong */
static bool
isemail_accepts(const char *category)
{
	return strcmp(category, "ISEMAIL_VALID_CATEGORY") == 0 ||
	       strcmp(category, "ISEMAIL_DNSWARN") == 0 || strcmp(category, "ISEMAIL_RFC5321") == 0;
}

static void
isemail_agrees(void **state)
{
	enum { CLASSES = sizeof(isemail_differences) / sizeof(isemail_differences[0]) };
	char *text = read_data("addresses/isemail/tests.xml");
	size_t judged = 0, left = 0, found[CLASSES] = {0};
	(void)state;

	if (text == NULL)
		skip();
	for (const char *t = strstr(text, "<test "); t != NULL; t = strstr(t + 1, "<test ")) {
		char address[1024], category[64], diagnosis[64];
		struct address a;
		/* one address is empty, and judged as such */
		element(t, "address", address, sizeof(address));
		assert_true(element(t, "category", category, sizeof(category)));
		assert_true(element(t, "diagnosis", diagnosis, sizeof(diagnosis)));
		enum address_outcome outcome = address_mailbox(span_of(address), &a);
		judged++;
		if ((outcome == ADDRESS_OK) == isemail_accepts(category))
			continue;
		size_t class = 0;
		while (class < CLASSES &&
		       strcmp(isemail_differences[class].diagnosis, diagnosis) != 0)
			class ++;
		if (class == CLASSES)
			fail_msg("%s (%s, %s): outcome %d", address, category, diagnosis, outcome);
		found[class]++;
		left++;
	}
	free(text);
	for (size_t i = 0; i < CLASSES; i++) {
		print_message("isemail: %zu of %s differ: %s\n", found[i],
			      isemail_differences[i].diagnosis, isemail_differences[i].why);
		assert_int_equal(found[i], isemail_differences[i].count);
	}
	print_message("isemail: %zu addresses, %zu differ for the reasons given\n", judged, left);
	assert_int_equal(judged, 131);
}

/* ---- the suites of flanker and Postfix ---- */

/* an address on which we differ, and why */
struct difference {
	const char *text;
	const char *why;
};

static bool
differs(const struct difference *d, size_t count, struct span text)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal(span_of(d[i].text), text))
			return true;
	return false;
}

/* judge_lines - each line of the file as an address, or as the local part of one; how many; *left: those on which we differ */
static size_t
judge_lines(const char *name, bool is_local_part, bool good, const struct difference *d,
	    size_t count, size_t *left)
{
	char *text = read_data(name);
	size_t judged = 0;

	if (text == NULL)
		return 0;
	for (struct span rest = span_of(text); rest.len > 0;) {
		struct span line = span_cut(&rest, '\n');
		char whole[2048];
		struct address a;
		bool is_taken;

		if (line.len == 0 || line.at[0] == '#')
			continue;
		snprintf(whole, sizeof(whole), "%.*s%s", SPAN_ARG(line),
			 is_local_part ? "@example.org" : "");
		enum address_outcome o = address_mailbox(span_of(whole), &a);
		is_taken = o == ADDRESS_OK || o == ADDRESS_UTF8;
		if ((is_taken != good) != differs(d, count, line))
			fail_msg("%s: %.*s: outcome %d", name, SPAN_ARG(line), o);
		*left += is_taken != good;
		judged++;
	}
	free(text);
	return judged;
}

/*
 * All are taken or refused as flanker says, but for what is no mailbox of a path, and one name that nobody decodes here.  (tok822_parse and
 * smtpd_addr_valid of Postfix, which stand beside them, judge header fields and address rewriting: neither is a path.)
 */
static void
flanker_agrees(void **state)
{
	static const struct difference good[] = {
		{"Bill Gates <\"billy\"@retired.Micr!osoft99.com>", "a header's: display name"},
		{"Steve Jobs <steve@apple.com>", "a header's: display name"},
		{"Matt \"The Matt\" Mickiewicz <matt.Mickiewicz@99designs.com>",
		 "a header's: display name"},
		{"\"<john@smith.com>\" <john@smith.com>", "a header's: display name"},
		{"(this is a comment) test@example.com", "a header's: comment"},
		{"(this is a comment)test@example.com", "a header's: comment"},
		{"test@example.com(this is a comment)", "a header's: comment"},
		{"test@example.com (this is a comment)", "a header's: comment"},
	};
	static const struct difference bad[] = {
		{"test@xn--example.com",
		 "no Punycode, but letters, digits and hyphens: the DNS has the last word"},
	};
	size_t left = 0, judged;
	(void)state;

	judged = judge_lines("addresses/flanker/mailbox_valid.txt", false, true, good,
			     sizeof(good) / sizeof(good[0]), &left);
	if (judged == 0)
		skip();
	judged += judge_lines("addresses/flanker/mailbox_invalid.txt", false, false, bad,
			      sizeof(bad) / sizeof(bad[0]), &left);
	judged += judge_lines("addresses/flanker/abridged_localpart_valid.txt", true, true, NULL, 0,
			      &left);
	judged += judge_lines("addresses/flanker/abridged_localpart_invalid.txt", true, false, NULL,
			      0, &left);
	print_message("flanker: %zu addresses, %zu differ for the reasons given\n", judged, left);
	assert_int_equal(judged, 374);
	assert_int_equal(left, 9);
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
		cmocka_unit_test(flanker_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
