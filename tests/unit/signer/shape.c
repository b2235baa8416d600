/*
 * shape - nothing but what a TLS server signs has a shape
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "signer/shape.h"

static char text[512];

static struct span
verify(const char *who, size_t hash)
{
	memset(text, ' ', 64);
	size_t len = 64 + strlen(who) + 1;
	memcpy(text + 64, who, strlen(who) + 1);
	memset(text + len, 0x5a, hash);
	return span_from(text, len + hash);
}

static struct span
exchange(unsigned char kind, unsigned curve, size_t said, size_t point, char first)
{
	memset(text, 0x11, sizeof(text));
	text[64] = (char)kind;
	text[65] = (char)(curve >> 8);
	text[66] = (char)curve;
	text[67] = (char)said;
	text[68] = first;
	return span_from(text, 68 + point);
}

static void
the_certificate_verify_of_a_server_has_a_shape(void **state)
{
	(void)state;
	assert_int_equal(shape_of(verify("TLS 1.3, server CertificateVerify", 32)), SHAPE_VERIFY);
	assert_int_equal(shape_of(verify("TLS 1.3, server CertificateVerify", 48)), SHAPE_VERIFY);
}

static void
that_of_a_client_or_of_another_length_has_none(void **state)
{
	struct span s;

	(void)state;
	assert_int_equal(shape_of(verify("TLS 1.3, client CertificateVerify", 32)), SHAPE_NONE);
	assert_int_equal(shape_of(verify("TLS 1.3, server CertificateVerify", 31)), SHAPE_NONE);
	assert_int_equal(shape_of(verify("TLS 1.3, server CertificateVerify", 64)), SHAPE_NONE);
	s = verify("TLS 1.3, server CertificateVerify", 32);
	text[10] = 'x';
	assert_int_equal(shape_of(s), SHAPE_NONE);
	s = verify("TLS 1.3, server CertificateVerify", 32);
	text[64 + 33] = ' '; /* the octet that parts them */
	assert_int_equal(shape_of(s), SHAPE_NONE);
	/* each end that is cut off */
	s = verify("TLS 1.3, server CertificateVerify", 32);
	for (size_t len = 0; len < s.len; len++)
		assert_int_equal(shape_of(span_from(s.at, len)), SHAPE_NONE);
}

static void
a_key_exchange_on_each_curve_has_a_shape(void **state)
{
	(void)state;
	assert_int_equal(shape_of(exchange(3, 0x17, 65, 65, 4)), SHAPE_EXCHANGE);
	assert_int_equal(shape_of(exchange(3, 0x18, 97, 97, 4)), SHAPE_EXCHANGE);
	assert_int_equal(shape_of(exchange(3, 0x19, 133, 133, 4)), SHAPE_EXCHANGE);
	assert_int_equal(shape_of(exchange(3, 0x1d, 32, 32, 77)), SHAPE_EXCHANGE);
	assert_int_equal(shape_of(exchange(3, 0x1e, 56, 56, 77)), SHAPE_EXCHANGE);
}

static void
another_kind_curve_point_or_length_has_none(void **state)
{
	struct span s;

	(void)state;
	assert_int_equal(shape_of(exchange(1, 0x17, 65, 65, 4)), SHAPE_NONE);
	assert_int_equal(shape_of(exchange(3, 0x16, 65, 65, 4)), SHAPE_NONE);
	assert_int_equal(shape_of(exchange(3, 0x117, 65, 65, 4)), SHAPE_NONE);
	assert_int_equal(shape_of(exchange(3, 0x17, 65, 65, 2)), SHAPE_NONE);
	assert_int_equal(shape_of(exchange(3, 0x17, 65, 66, 4)), SHAPE_NONE);
	assert_int_equal(shape_of(exchange(3, 0x17, 64, 65, 4)), SHAPE_NONE);
	assert_int_equal(shape_of(exchange(3, 0x1d, 32, 33, 4)), SHAPE_NONE);
	s = exchange(3, 0x1d, 32, 32, 77);
	for (size_t len = 0; len < s.len; len++)
		assert_int_equal(shape_of(span_from(s.at, len)), SHAPE_NONE);
}

static void
a_hash_or_a_mail_has_none(void **state)
{
	(void)state;
	memset(text, 0, sizeof(text));
	assert_int_equal(shape_of(span_from(text, 32)), SHAPE_NONE);
	assert_int_equal(shape_of(SPAN("from:ann@example.org\r\nsubject:hello\r\n")), SHAPE_NONE);
	assert_int_equal(shape_of(SPAN_NONE), SHAPE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_certificate_verify_of_a_server_has_a_shape),
		cmocka_unit_test(that_of_a_client_or_of_another_length_has_none),
		cmocka_unit_test(a_key_exchange_on_each_curve_has_a_shape),
		cmocka_unit_test(another_kind_curve_point_or_length_has_none),
		cmocka_unit_test(a_hash_or_a_mail_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
