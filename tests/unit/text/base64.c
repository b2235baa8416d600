/*
 * base64 - what is decoded is what encoding gives again, and nothing else is
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/text/base64.h"

static void
base64_has_the_vectors_of_rfc_4648(void **state)
{
	static const char *const vectors[][2] = {{"", ""},
						 {"f", "Zg=="},
						 {"fo", "Zm8="},
						 {"foo", "Zm9v"},
						 {"foob", "Zm9vYg=="},
						 {"fooba", "Zm9vYmE="},
						 {"foobar", "Zm9vYmFy"}};
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char encoded[20], decoded[20] = "";

		base64_encode(span_of(vectors[i][0]), encoded);
		assert_string_equal(encoded, vectors[i][1]);
		int len = base64_decode(span_of(encoded), decoded, sizeof(decoded));
		assert_true(len == (int)strlen(vectors[i][0]));
		assert_memory_equal(decoded, vectors[i][0], (size_t)len);
	}
}

static void
base64_takes_nothing_that_has_a_second_spelling(void **state)
{
	static const char *const wrong[] = {"Z",
					    "Zg",
					    "Zg=",
					    "Zg===",
					    "Zh==",
					    "Zm9=",
					    "Zm8",
					    "Z===",
					    "====",
					    "=",
					    "Zg==Zg==",
					    "Zm9v\n",
					    "Zm 9v",
					    " Zm9v",
					    "Zm-v",
					    "Zm_v",
					    "Zm9v=",
					    "Z=g=",
					    "\xff\xff\xff\xff"};
	char to[20];
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (base64_decode(span_of(wrong[i]), to, sizeof(to)) != -1)
			fail_msg("`%s` was taken", wrong[i]);
	assert_int_equal(base64_decode(span_from("Zm9\0", 4), to, sizeof(to)), -1);
}

static void
base64_writes_no_more_than_it_may(void **state)
{
	char to[4] = "abc";
	(void)state;
	assert_int_equal(base64_decode(SPAN("Zm9v"), to, 3), 3);
	assert_int_equal(to[3], '\0');
	assert_int_equal(base64_decode(SPAN("Zm9v"), to, 2), -1);
	assert_int_equal(base64_decode(SPAN("Zm9vYg=="), to, 3), -1);
	assert_int_equal(to[3], '\0');
}

static void
base64_knows_every_byte(void **state)
{
	char bytes[256], encoded[BASE64_SIZE(sizeof(bytes)) + 1], decoded[256];
	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(i * 7 + len);
		base64_encode(span_from(bytes, len), encoded);
		assert_int_equal(strlen(encoded), BASE64_SIZE(len));
		assert_true(base64_decode(span_of(encoded), decoded, sizeof(decoded)) == (int)len);
		assert_memory_equal(bytes, decoded, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_has_the_vectors_of_rfc_4648),
		cmocka_unit_test(base64_takes_nothing_that_has_a_second_spelling),
		cmocka_unit_test(base64_writes_no_more_than_it_may),
		cmocka_unit_test(base64_knows_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
