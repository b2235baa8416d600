/*
 * answers - what libunbound found becomes an answer; records that are not whole are none
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "resolver/answers.h"

#define BYTES(text) span_from(text, sizeof(text) - 1)

static struct answers_record record;
static struct answer answer;

static const struct ub_result *
result(int rcode, int havedata, int secure, int bogus, char *canonical)
{
	static char qname[] = "Asked.test";
	static char *none[] = {NULL};
	static struct ub_result r;

	r = (struct ub_result){.qname = qname,
			       .data = none,
			       .canonname = canonical,
			       .rcode = rcode,
			       .havedata = havedata,
			       .secure = secure,
			       .bogus = bogus,
			       .ttl = 77};
	return &r;
}

static void
names_are_lower_case_and_without_their_last_dot(void **state)
{
	char text[RESOLVER_NAME_MAX + 1];
	size_t used;

	(void)state;
	assert_int_equal(answers_name(BYTES("\4Mail\7eXample\0rest"), &used, text), 0);
	assert_string_equal(text, "mail.example");
	assert_int_equal(used, 14);
	assert_int_equal(answers_name(BYTES("\0"), &used, text), 0);
	assert_string_equal(text, "");
}

static void
names_that_are_not_whole_or_would_be_read_otherwise_are_none(void **state)
{
	char text[RESOLVER_NAME_MAX + 1];
	char large[300];
	size_t used;

	(void)state;
	assert_int_equal(answers_name(BYTES(""), &used, text), -1);
	assert_int_equal(answers_name(BYTES("\4Mail"), &used, text), -1);
	assert_int_equal(answers_name(BYTES("\5Mail\0"), &used, text), -1);
	/* a pointer: libunbound has followed all */
	assert_int_equal(answers_name(BYTES("\300\14"), &used, text), -1);
	assert_int_equal(answers_name(BYTES("\3a.b\0"), &used, text), -1);
	assert_int_equal(answers_name(BYTES("\3a b\0"), &used, text), -1);
	assert_int_equal(answers_name(BYTES("\3a\nb\0"), &used, text), -1);
	/* 255 bytes are the longest, 256 are none */
	for (size_t i = 0; i < sizeof(large); i += 64) {
		large[i] = 63;
		memset(large + i + 1, 'a', i + 64 <= sizeof(large) ? 63 : sizeof(large) - i - 1);
	}
	large[192] = 61;
	large[254] = 0;
	assert_int_equal(answers_name(span_from(large, 255), &used, text), 0);
	assert_int_equal(strlen(text), 253);
	large[192] = 62;
	large[255] = 0;
	assert_int_equal(answers_name(span_from(large, 256), &used, text), -1);
}

static void
each_type_has_its_members(void **state)
{
	(void)state;
	assert_int_equal(answers_record(RESOLVER_A, BYTES("\300\0\2\1"), &record), 0);
	assert_int_equal(record.record.data.len, 4);
	assert_int_equal(answers_record(RESOLVER_AAAA, BYTES("0123456789abcdef"), &record), 0);
	assert_int_equal(record.record.data.len, 16);
	assert_int_equal(answers_record(RESOLVER_MX, BYTES("\1\2\1a\1B\0"), &record), 0);
	assert_int_equal(record.record.preference, 258);
	assert_true(span_equal(record.record.name, SPAN("a.b")));
	assert_int_equal(answers_record(RESOLVER_MX, BYTES("\0\0\0"), &record), 0);
	assert_int_equal(record.record.name.len, 0);
	assert_int_equal(answers_record(RESOLVER_CNAME, BYTES("\1a\0"), &record), 0);
	assert_true(span_equal(record.record.name, SPAN("a")));
	assert_int_equal(answers_record(RESOLVER_TXT, BYTES("\2ab\0\3cde"), &record), 0);
	assert_true(span_equal(record.record.data, SPAN("abcde")));
	assert_int_equal(answers_record(RESOLVER_TLSA, BYTES("\3\1\1x"), &record), 0);
}

static void
records_that_are_not_whole_are_none(void **state)
{
	(void)state;
	assert_int_equal(answers_record(RESOLVER_A, BYTES("\300\0\2"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_A, BYTES("\300\0\2\1\1"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_AAAA, BYTES("0123"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_MX, BYTES("\0\1"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_MX, BYTES("\0\1\1a\0x"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_PTR, BYTES("\1a"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_TXT, BYTES(""), &record), -1);
	assert_int_equal(answers_record(RESOLVER_TXT, BYTES("\5ab"), &record), -1);
	assert_int_equal(answers_record(RESOLVER_TLSA, BYTES("\3\1\1"), &record), -1);
	assert_int_equal(answers_record((enum resolver_rr)2, BYTES("\1a\0"), &record), -1);
}

static void
outcomes_are_told_apart(void **state)
{
	(void)state;
	answers_judge(result(0, 1, 0, 0, NULL), &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_FOUND);
	assert_int_equal(answer.message.security, RESOLVER_INSECURE);
	assert_int_equal(answer.message.ttl, 77);
	assert_true(span_equal(answer.message.canonical, SPAN("asked.test")));
	answers_judge(result(0, 0, 1, 0, NULL), &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_NO_DATA);
	assert_int_equal(answer.message.security, RESOLVER_SECURE);
	answers_judge(result(3, 0, 0, 0, NULL), &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_NO_NAME);
	answers_judge(result(2, 0, 0, 0, NULL), &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_TROUBLE);
	assert_non_null(strstr(answer.text, "SERVFAIL"));
	answers_judge(result(5, 0, 0, 0, NULL), &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_TROUBLE);
	assert_non_null(strstr(answer.text, "5"));
}

static void
what_is_bogus_is_trouble_whatever_it_says(void **state)
{
	static char why[] = "validation failure\n<a.test. A IN>";
	struct ub_result r = *result(0, 1, 0, 1, NULL);

	(void)state;
	answers_judge(&r, &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_TROUBLE);
	assert_int_equal(answer.message.security, RESOLVER_BOGUS);
	assert_true(answer.message.text.len > 0);
	r.rcode = 3;
	r.why_bogus = why;
	answers_judge(&r, &answer);
	assert_int_equal(answer.message.outcome, RESOLVER_TROUBLE);
	assert_string_equal(answer.text, "validation failure?<a.test. A IN>");
}

static void
the_canonical_name_is_where_the_cnames_led_to(void **state)
{
	char plain[] = "Real.Test.", odd[] = "a b.test.";

	(void)state;
	answers_judge(result(0, 1, 0, 0, plain), &answer);
	assert_true(span_equal(answer.message.canonical, SPAN("real.test")));
	answers_judge(result(0, 1, 0, 0, odd), &answer);
	assert_true(span_equal(answer.message.canonical, SPAN("asked.test")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_lower_case_and_without_their_last_dot),
		cmocka_unit_test(names_that_are_not_whole_or_would_be_read_otherwise_are_none),
		cmocka_unit_test(each_type_has_its_members),
		cmocka_unit_test(records_that_are_not_whole_are_none),
		cmocka_unit_test(outcomes_are_told_apart),
		cmocka_unit_test(what_is_bogus_is_trouble_whatever_it_says),
		cmocka_unit_test(the_canonical_name_is_where_the_cnames_led_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
