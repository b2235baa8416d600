/*
 * certificate - files of certificates and keys, right ones and others
 */
#include "tests/unit/tls/harness.h"

#include <openssl/rsa.h>
#include <time.h>

#include "common/tls/certificate.h"

static EVP_PKEY *key, *other;

static int
make_keys(void **state)
{
	(void)state;
	key = EVP_EC_gen("P-256");
	other = EVP_EC_gen("P-256");
	return key != NULL && other != NULL ? 0 : -1;
}

static struct certificate
read_one(EVP_PKEY *of, const char *names, long ends_s)
{
	struct certificate c;
	X509 *x = make_certificate(of, names, ends_s);

	assert_null(certificate_read(pem_certificates(&x, 1), &c));
	X509_free(x);
	return c;
}

static void
a_chain_is_read_whole(void **state)
{
	struct certificate c;
	X509 *list[CERTIFICATE_CHAIN_MAX + 2];

	(void)state;
	for (size_t i = 0; i < CERTIFICATE_CHAIN_MAX + 2; i++)
		list[i] = make_certificate(i == 0 ? key : other, NULL, 3600);
	assert_null(certificate_read(pem_certificates(list, 3), &c));
	assert_int_equal(sk_X509_num(c.chain), 2);
	assert_true(certificate_fits(&c, key));
	assert_false(certificate_fits(&c, other));
	certificate_free(&c);
	assert_null(certificate_read(pem_certificates(list, CERTIFICATE_CHAIN_MAX + 1), &c));
	certificate_free(&c);
	assert_non_null(certificate_read(pem_certificates(list, CERTIFICATE_CHAIN_MAX + 2), &c));
	for (size_t i = 0; i < CERTIFICATE_CHAIN_MAX + 2; i++)
		X509_free(list[i]);
}

static void
what_is_no_certificate_or_key_is_refused(void **state)
{
	struct certificate c;
	EVP_PKEY *k = NULL;
	X509 *x = make_certificate(key, NULL, 3600);

	(void)state;
	assert_non_null(certificate_read(SPAN_NONE, &c));
	assert_non_null(certificate_read(SPAN("nothing"), &c));
	assert_non_null(certificate_read(pem_key(key, NULL), &c));
	assert_non_null(certificate_key_read(SPAN("nothing"), &k));
	assert_non_null(certificate_key_read(pem_certificates(&x, 1), &k));
	/* nobody is asked for a password, which would wait for ever */
	assert_non_null(certificate_key_read(pem_key(key, "secret"), &k));
	assert_null(k);
	X509_free(x);
}

static void
keys_that_are_too_short_or_of_other_types_are_refused(void **state)
{
	EVP_PKEY *k = NULL, *weak = EVP_RSA_gen(1024), *x = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");

	(void)state;
	assert_non_null(certificate_key_read(pem_key(weak, NULL), &k));
	assert_non_null(certificate_key_read(pem_key(x, NULL), &k));
	assert_null(k);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(x);
}

static void
both_halves_of_a_key_have_one_number(void **state)
{
	struct certificate c = read_one(key, NULL, 3600);
	EVP_PKEY *k = NULL;
	uint64_t number, another;

	(void)state;
	assert_null(certificate_key_read(pem_key(key, NULL), &k));
	assert_int_equal(certificate_key_number(k, &number), 0);
	assert_int_equal(certificate_key_number(other, &another), 0);
	assert_true(number == c.key);
	assert_true(another != c.key);
	EVP_PKEY_free(k);
	certificate_free(&c);
}

static void
names_are_those_of_the_extension(void **state)
{
	struct certificate c = read_one(key, "DNS:mx.example, DNS:*.wild.example", 3600);

	(void)state;
	assert_true(certificate_names(&c, "mx.example"));
	assert_true(certificate_names(&c, "MX.Example"));
	assert_true(certificate_names(&c, "a.wild.example"));
	assert_false(certificate_names(&c, "a.b.wild.example"));
	assert_false(certificate_names(&c, "wild.example"));
	assert_false(certificate_names(&c, "subject.example"));
	assert_string_equal(certificate_first_name(&c), "mx.example");
	certificate_free(&c);
	c = read_one(key, NULL, 3600);
	assert_null(certificate_first_name(&c));
	certificate_free(&c);
}

static void
its_end_is_known_before_and_behind_it(void **state)
{
	struct certificate c = read_one(key, NULL, 1000);
	int64_t now = time(NULL);

	(void)state;
	assert_false(certificate_is_over(&c, now, 0));
	assert_true(certificate_is_over(&c, now, 2000));
	assert_true(certificate_is_over(&c, now + 2000, 0));
	certificate_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_read_whole),
		cmocka_unit_test(what_is_no_certificate_or_key_is_refused),
		cmocka_unit_test(keys_that_are_too_short_or_of_other_types_are_refused),
		cmocka_unit_test(both_halves_of_a_key_have_one_number),
		cmocka_unit_test(names_are_those_of_the_extension),
		cmocka_unit_test(its_end_is_known_before_and_behind_it),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
