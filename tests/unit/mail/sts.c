/*
 * sts - records and policies of MTA-STS: what is one, and what is not (RFC 8461, sections 3.1 and 3.2; its appendix A)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/sts.h"

#define TEST(name) cmocka_unit_test(name)

static struct sts_policy policy;
static const char *wrong;

static void
expect_id(const char *record, const char *id)
{
	struct span found = SPAN_NONE;
	int outcome = sts_record(span_of(record), &found);

	if (outcome != (id == NULL ? -1 : 0))
		print_error("`%s`\n", record);
	assert_int_equal(outcome, id == NULL ? -1 : 0);
	if (id != NULL)
		assert_true(span_equal(found, span_of(id)));
}

static void
a_record_has_its_version_first_and_one_id(void **state)
{
	(void)state;
	expect_id("v=STSv1; id=20160831085700Z;", "20160831085700Z");
	expect_id("v=STSv1;id=1", "1");
	expect_id("v=STSv1;id=1 ; ", "1");
	expect_id("v=STSv1; a.b-c_d=x:y; id=1; ext=2;", "1");
	/* of two the first counts */
	expect_id("v=STSv1; id=1; id=2;", "1");
	expect_id("v=STSv1; id=12345678901234567890123456789012;",
		  "12345678901234567890123456789012");
}

static void
what_is_no_record_has_no_id(void **state)
{
	static const char *const records[] = {
		"",
		"v=STSv1",
		"v=STSv1;",
		"v=STSv1; id=;",
		"v=STSv1; id=123456789012345678901234567890123;",
		"v=STSv1; id=a-b;",
		"v=STSv1; id=1;; ext=2",
		"v=STSv1; id=1; ext",
		"v=STSv1; id=1; =2",
		"v=STSv1; id=1; ext=a=b",
		"v=STSv1; id=1; -ext=a",
		"v=STSv1; ID=1;",
		"v=stsv1; id=1;",
		"v=STSv12;id=20180907T090909;",
		"id=20180907T090909; v=STSv1;",
		" v=STSv1; id=1;",
		"azazaza;asdasdasdasd",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		expect_id(records[i], NULL);
}

static int
parse(const char *text)
{
	return sts_policy(span_of(text), &policy, &wrong);
}

static void
a_policy_is_read_whole(void **state)
{
	(void)state;
	assert_int_equal(parse("version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\n"
			       "mx: *.example.net\r\nmx: mx.backup-example.com\r\n"
			       "max_age: 1296000\r\n"),
			 0);
	assert_null(wrong);
	assert_int_equal(policy.mode, STS_TESTING);
	assert_int_equal(policy.max_age, 1296000);
	assert_int_equal(policy.mx_count, 3);
	assert_true(span_equal(policy.mx[1], SPAN("*.example.net")));
}

static void
line_ends_order_and_unknown_fields_do_not_matter(void **state)
{
	(void)state;
	assert_int_equal(parse("max_age:1\nx-new: \xc3\xa4 b: c\nmode:   enforce  \nmx:a.b\n"
			       "version: STSv1"),
			 0);
	assert_int_equal(policy.mode, STS_ENFORCE);
	assert_true(span_equal(policy.mx[0], SPAN("a.b")));
}

static void
of_fields_that_come_twice_the_first_counts(void **state)
{
	(void)state;
	assert_int_equal(parse("version: STSv1\nmode: enforce\nmode: none\nmx: a.b\nmax_age: 5\n"
			       "max_age: nonsense\nversion: 2\n"),
			 0);
	assert_int_equal(policy.mode, STS_ENFORCE);
	assert_int_equal(policy.max_age, 5);
}

static void
none_needs_no_mx_and_the_others_do(void **state)
{
	(void)state;
	assert_int_equal(parse("version: STSv1\nmode: none\nmax_age: 86400"), 0);
	assert_int_equal(parse("version: STSv1\nmode: enforce\nmax_age: 86400"), -1);
	assert_int_equal(parse("version: STSv1\nmode: testing\nmax_age: 86400"), -1);
}

static void
what_is_no_policy_is_refused_with_a_sentence(void **state)
{
	static const char *const texts[] = {
		"",
		"garbage",
		"mode: none\nmax_age: 1\n",
		"version: STSv2\nmode: none\nmax_age: 1\n",
		"version: STSv1\nmax_age: 1\n",
		"version: STSv1\nmode: none\n",
		"version: STSv1\nmode: Enforce\nmx: a.b\nmax_age: 1\n",
		"version: STSv1\nmode: doubt\nmx: a.b\nmax_age: 1\n",
		"version: STSv1\nmode: none\nmax_age: -1\n",
		"version: STSv1\nmode: none\nmax_age: 1s\n",
		"version: STSv1\nmode: none\nmax_age: 31557601\n",
		"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: *.*.b\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: a..b\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: a.b.\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: .a.b\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx:\nmax_age: 1\n",
		"version: STSv1\nmode: none\nmax_age: 1\nno field\n",
		"version: STSv1\nmode: none\nmax_age: 1\na b: c\n",
		"version: STSv1\nmode: none\nmax_age: 1\nx: a\rb\n",
		"version: STSv1\nmode: none\nmax_age: 1\nx: \x7f\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (parse(texts[i]) == 0)
			print_error("`%s`\n", texts[i]);
		assert_int_equal(parse(texts[i]), -1);
		assert_non_null(wrong);
	}
}

static void
a_policy_has_its_limits(void **state)
{
	static char text[2 * STS_POLICY_MAX];
	size_t len;

	(void)state;
	len = (size_t)sprintf(text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
	for (int i = 0; i < STS_MX_MAX; i++)
		len += (size_t)sprintf(text + len, "mx: mx%d.example\n", i);
	assert_int_equal(sts_policy(span_from(text, len), &policy, &wrong), 0);
	assert_int_equal(policy.mx_count, STS_MX_MAX);
	len += (size_t)sprintf(text + len, "mx: one.more.example\n");
	assert_int_equal(sts_policy(span_from(text, len), &policy, &wrong), -1);
	len = (size_t)sprintf(text, "version: STSv1\nmode: none\nmax_age: 1\nx: ");
	memset(text + len, 'a', STS_POLICY_MAX);
	assert_int_equal(sts_policy(span_from(text, STS_POLICY_MAX), &policy, &wrong), 0);
	assert_int_equal(sts_policy(span_from(text, STS_POLICY_MAX + 1), &policy, &wrong), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_has_its_version_first_and_one_id),
		TEST(what_is_no_record_has_no_id),
		TEST(a_policy_is_read_whole),
		TEST(line_ends_order_and_unknown_fields_do_not_matter),
		TEST(of_fields_that_come_twice_the_first_counts),
		TEST(none_needs_no_mx_and_the_others_do),
		TEST(what_is_no_policy_is_refused_with_a_sentence),
		TEST(a_policy_has_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
