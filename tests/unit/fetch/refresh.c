/*
 * refresh - what an endpoint answers, and what a child that was broken into may tell its parent
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "fetch/refresh.h"

static struct refresh_result result;

static void
read_answer(const char *text, bool is_success)
{
	memset(&result, 0, sizeof(result));
	snprintf(result.reason, sizeof(result.reason), "said before");
	refresh_read(span_of(text), is_success, &result);
	assert_true(refresh_is_sound(&result));
}

static void
a_token_is_taken_with_its_time(void **state)
{
	(void)state;
	/* RFC 6749, section 5.1 */
	read_answer(
		"{\n \"access_token\":\"2YotnFZFEjr1zCsicMWpAA\",\n \"token_type\":\"example\",\n"
		" \"expires_in\":3599,\n \"refresh_token\":\"tGzv3JOkF0XG5Qx2TlKWIA\",\n"
		" \"example_parameter\":\"example_value\"\n}",
		true);
	assert_true(result.is_done);
	assert_string_equal(result.token, "2YotnFZFEjr1zCsicMWpAA");
	assert_string_equal(result.next, "tGzv3JOkF0XG5Qx2TlKWIA");
	assert_int_equal(result.expires_s, 3599);
	/* what is not said, or cannot be */
	read_answer("{\"access_token\":\"x\"}", true);
	assert_true(result.is_done);
	assert_int_equal(result.expires_s, REFRESH_EXPIRES_S);
	assert_string_equal(result.next, "");
	read_answer("{\"access_token\":\"x\",\"expires_in\":99999999999}", true);
	assert_int_equal(result.expires_s, REFRESH_EXPIRES_MAX_S);
	read_answer("{\"access_token\":\"x\",\"expires_in\":-1,\"refresh_token\":\"a b\"}", true);
	assert_int_equal(result.expires_s, 0);
	assert_string_equal(result.next, "");
}

static void
what_is_no_token_is_none(void **state)
{
	static const char *const wrong[] = {"",
					    "x",
					    "[]",
					    "{}",
					    "{\"access_token\":\"\"}",
					    "{\"access_token\":5}",
					    "{\"access_token\":\"a\\nb\"}",
					    "{\"access_token\":\"a\\u0001b\"}",
					    "{\"access_token\":\"a b\"}",
					    "{\"access_token\":\"\\u00fc\"}",
					    "{\"access_token\":\"a\",\"access_token\":\"b\"}",
					    "{\"access_token\":\"a\"} more"};
	static char text[FETCH_TOKEN_MAX + 64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		read_answer(wrong[i], true);
		assert_false(result.is_done);
		assert_string_equal(result.reason, "the answer has no token");
	}
	/* the longest, and one more */
	int n = snprintf(text, sizeof(text), "{\"access_token\":\"");
	memset(text + n, 'x', FETCH_TOKEN_MAX + 1);
	memcpy(text + n + FETCH_TOKEN_MAX, "\"}", 3);
	read_answer(text, true);
	assert_true(result.is_done);
	memcpy(text + n + FETCH_TOKEN_MAX, "x\"}", 4);
	read_answer(text, true);
	assert_false(result.is_done);
}

static void
a_refusal_is_told_by_its_word(void **state)
{
	(void)state;
	read_answer("{\"error\":\"invalid_grant\",\"error_description\":\"expired\"}", false);
	assert_false(result.is_done);
	assert_string_equal(result.reason, "the endpoint says invalid_grant");
	/* a page of a proxy: what was known before stays */
	read_answer("<html>", false);
	assert_string_equal(result.reason, "said before");
	/* a token that comes with a refusal is none */
	read_answer("{\"access_token\":\"x\"}", false);
	assert_false(result.is_done);
}

static void
a_result_that_is_not_sound_is_not_believed(void **state)
{
	(void)state;
	read_answer("{\"access_token\":\"x\"}", true);
	memset(result.next, 'x', sizeof(result.next));
	assert_false(refresh_is_sound(&result));
	read_answer("{\"access_token\":\"x\"}", true);
	memset(result.reason, 'x', sizeof(result.reason));
	assert_false(refresh_is_sound(&result));
	read_answer("{\"access_token\":\"x\"}", true);
	memset(result.token, 'x', sizeof(result.token));
	assert_false(refresh_is_sound(&result));
	read_answer("{\"access_token\":\"x\"}", true);
	result.token[0] = '\n';
	assert_false(refresh_is_sound(&result));
	result.token[0] = '\0';
	assert_false(refresh_is_sound(&result));
	read_answer("{\"access_token\":\"x\"}", true);
	result.expires_s = REFRESH_EXPIRES_MAX_S + 1;
	assert_false(refresh_is_sound(&result));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_taken_with_its_time),
		cmocka_unit_test(what_is_no_token_is_none),
		cmocka_unit_test(a_refusal_is_told_by_its_word),
		cmocka_unit_test(a_result_that_is_not_sound_is_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
