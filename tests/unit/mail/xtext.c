/*
 * xtext - the parameters of DSN as they are spelled
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mail/xtext.h"
#include "common/text/utf8.h"

struct pair {
	const char *from, *to; /* to NULL: refused */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
check(const struct buffer *b, int outcome, const struct pair *p)
{
	if ((outcome == 0) != (p->to != NULL))
		fail_msg("%s: outcome %d", p->from, outcome);
	assert_true(span_equal(buffer_get(b), p->to != NULL ? span_of(p->to) : SPAN_NONE));
}

static void
check_orcpt(const struct pair *pairs, size_t count, bool may_utf8)
{
	struct buffer b;

	buffer_init(&b, 4096);
	for (size_t i = 0; i < count; i++) {
		buffer_clear(&b);
		check(&b, xtext_orcpt_decode(span_of(pairs[i].from), may_utf8, &b), &pairs[i]);
	}
	buffer_free(&b);
}

static void
xtext_takes_what_the_rfc_takes_and_nothing_else(void **state)
{
	static const struct pair pairs[] = {
		{"QQ314159", "QQ314159"},
		{"a+20b+2Bc+3Dd", "a b+c=d"},
		{"a;b@c!", "a;b@c!"},
		{"", NULL},
		{"a b", NULL},
		{"a=b", NULL},
		{"a+", NULL},
		{"a+2", NULL},
		{"a+2b", NULL},
		{"a+0D+0A", NULL},
		{"a+00", NULL},
		{"a+7F", NULL},
		{"a+C3+A4", NULL},
		{"\xc3\xa4", NULL},
		{"a\tb", NULL},
	};
	struct buffer b;
	(void)state;

	buffer_init(&b, 4096);
	for (size_t i = 0; i < COUNT(pairs); i++) {
		buffer_clear(&b);
		check(&b, xtext_decode(span_of(pairs[i].from), &b), &pairs[i]);
	}
	buffer_free(&b);
}

static void
orcpt_is_a_type_and_its_address(void **state)
{
	static const struct pair pairs[] = {
		{"rfc822;ann@example.org", "rfc822;ann@example.org"},
		{"RFC822;Ann+2Btag@example.org", "rfc822;Ann+tag@example.org"},
		{"x400;/c=de", NULL},
		{"x400;/c+3Dde", "x400;/c=de"},
		{"utf-8;ann@example.org", "utf-8;ann@example.org"},
		{"UTF-8;\\x{E4}nn@ex\\x{20AC}.org", "utf-8;\xc3\xa4nn@ex\xe2\x82\xac.org"},
		{"utf-8;a\\x{2B}b\\x{5C}\\x{20}\\x{10FFFF}", "utf-8;a+b\\ \xf4\x8f\xbf\xbf"},
		{"rfc822;", NULL},
		{"rfc822", NULL},
		{";a@b", NULL},
		{"rfc 822;a@b", NULL},
		{"rfc822;a b", NULL},
		{"rfc822;\xc3\xa4", NULL},
		{"utf-8;\xc3\xa4", NULL},
		{"utf-8;a+2Bb", NULL},
		{"utf-8;\\x{41}", NULL},
		{"utf-8;\\x{0E4}", NULL},
		{"utf-8;\\x{e4}", NULL},
		{"utf-8;\\x{D800}", NULL},
		{"utf-8;\\x{110000}", NULL},
		{"utf-8;\\x{}", NULL},
		{"utf-8;\\x{E4", NULL},
		{"utf-8;\\x{1F}", NULL},
		{"utf-8;\\x{7F}", NULL},
		{"utf-8;a\\b", NULL},
	};
	(void)state;

	check_orcpt(pairs, COUNT(pairs), false);
}

static void
orcpt_may_have_utf8_with_smtputf8_alone(void **state)
{
	static const struct pair pairs[] = {
		{"utf-8;\xc3\xa4@example.org", "utf-8;\xc3\xa4@example.org"},
		{"utf-8;\xc3@example.org", NULL},
		{"utf-8;\xed\xa0\x80@example.org", NULL},
		{"rfc822;\xc3\xa4@example.org", NULL},
	};
	(void)state;

	check_orcpt(pairs, COUNT(pairs), true);
}

static void
what_is_written_is_read_as_the_same(void **state)
{
	static const char *const values[] = {"rfc822;a+b=c d@example.org", "x400;/c=de/",
					     "utf-8;\xc3\xa4+\\ =\xf0\x9f\x90\xa6@\xe2\x82\xac"};
	struct buffer text, again;
	(void)state;

	buffer_init(&text, 4096);
	buffer_init(&again, 4096);
	for (size_t i = 0; i < COUNT(values); i++) {
		for (int may_utf8 = 0; may_utf8 < 2; may_utf8++) {
			buffer_clear(&text);
			buffer_clear(&again);
			xtext_orcpt_encode(span_of(values[i]), may_utf8 != 0, &text);
			assert_int_equal(
				xtext_orcpt_decode(buffer_get(&text), may_utf8 != 0, &again), 0);
			assert_true(span_equal(buffer_get(&again), span_of(values[i])));
			assert_true(may_utf8 != 0 || !utf8_is_needed(buffer_get(&text)));
		}
	}
	buffer_free(&text);
	buffer_free(&again);
}

static void
utf8_knows_overlong_forms_surrogates_and_what_is_cut(void **state)
{
	(void)state;
	assert_true(utf8_is_valid(SPAN("")));
	assert_true(utf8_is_valid(SPAN("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6")));
	assert_false(utf8_is_valid(SPAN("\xc0\x80")));
	assert_false(utf8_is_valid(SPAN("\xe0\x80\x80")));
	assert_false(utf8_is_valid(SPAN("\xed\xa0\x80")));
	assert_false(utf8_is_valid(SPAN("\xf4\x90\x80\x80")));
	assert_false(utf8_is_valid(SPAN("\xe2\x82")));
	assert_false(utf8_is_valid(SPAN("\x80")));
	assert_false(utf8_is_valid(SPAN("\xff")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xtext_takes_what_the_rfc_takes_and_nothing_else),
		cmocka_unit_test(orcpt_is_a_type_and_its_address),
		cmocka_unit_test(orcpt_may_have_utf8_with_smtputf8_alone),
		cmocka_unit_test(what_is_written_is_read_as_the_same),
		cmocka_unit_test(utf8_knows_overlong_forms_surrogates_and_what_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
