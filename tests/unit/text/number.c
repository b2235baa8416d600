/* number: the whole field or nothing */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text/number.h"

static void
number_takes_the_whole_field_within_its_range(void **state)
{
	uint64_t v = 7;
	(void)state;
	assert_int_equal(number_parse(SPAN("0"), 0, 9, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(number_parse(SPAN("18446744073709551615"), 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	static const char *const wrong[] = {"",
					    " 1",
					    "1 ",
					    "+1",
					    "-1",
					    "0x1",
					    "1a",
					    "18446744073709551616",
					    "99999999999999999999999"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(number_parse(span_of(wrong[i]), 0, UINT64_MAX, &v), -1);
	assert_int_equal(number_parse(SPAN("10"), 0, 9, &v), -1);
	assert_int_equal(number_parse(SPAN("1"), 2, 9, &v), -1);
	assert_true(v == UINT64_MAX);
}

static void
hex_takes_upper_case_digits_only(void **state)
{
	uint64_t v = 0;
	(void)state;
	assert_int_equal(number_parse_hex(SPAN("00062D0F6A3E1C"), &v), 0);
	assert_true(v == UINT64_C(0x62D0F6A3E1C));
	assert_int_equal(number_parse_hex(SPAN("abc"), &v), -1);
	assert_int_equal(number_parse_hex(SPAN(""), &v), -1);
	assert_int_equal(number_parse_hex(SPAN("12345678901234567"), &v), -1);
}

static void
size_and_duration_know_their_units(void **state)
{
	uint64_t v = 0;
	(void)state;
	assert_int_equal(number_parse_size(SPAN("50M"), 0, UINT64_MAX, &v), 0);
	assert_true(v == 50u << 20);
	assert_int_equal(number_parse_size(SPAN("M"), 0, UINT64_MAX, &v), -1);
	assert_int_equal(number_parse_size(SPAN("1m"), 0, UINT64_MAX, &v), -1);
	assert_int_equal(number_parse_size(SPAN("99999999999T"), 0, UINT64_MAX, &v), -1);
	assert_int_equal(number_parse_duration(SPAN("1h30m"), 0, UINT64_MAX, &v), 0);
	assert_true(v == 90 * 60 * 1000);
	assert_int_equal(number_parse_duration(SPAN("250ms"), 0, UINT64_MAX, &v), 0);
	assert_true(v == 250);
	assert_int_equal(number_parse_duration(SPAN("5"), 0, UINT64_MAX, &v), -1);
	assert_int_equal(number_parse_duration(SPAN("5d"), 0, 1000, &v), -1);
	assert_int_equal(number_parse_duration(SPAN("99999999999999999999w"), 0, UINT64_MAX, &v),
			 -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_takes_the_whole_field_within_its_range),
		cmocka_unit_test(hex_takes_upper_case_digits_only),
		cmocka_unit_test(size_and_duration_know_their_units),
	};
	return cmocka_run_group_tests_name("text/number", tests, NULL, NULL);
}
