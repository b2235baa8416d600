/*
 * authorities - what a file of `client-ca` may hold, and whom it then vouches for
 */
#include "tests/unit/tls/harness.h"

#include <stdio.h>

#include "common/tls/authorities.h"

static EVP_PKEY *key;

static int
make_key(void **state)
{
	(void)state;
	key = EVP_EC_gen("P-256");
	return key != NULL ? 0 : -1;
}

static int
free_key(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

static int
verifies(const struct authorities *a, X509 *x)
{
	X509_STORE_CTX *c = X509_STORE_CTX_new();

	assert_int_equal(X509_STORE_CTX_init(c, a->store, x, NULL), 1);
	int is_right = X509_verify_cert(c);
	X509_STORE_CTX_free(c);
	return is_right;
}

static void
a_certificate_of_the_file_is_believed_itself(void **state)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");
	X509 *listed = make_certificate(key, "DNS:a.example", 3600);
	X509 *stranger = make_certificate(other, "DNS:a.example", 3600);
	X509 *twice[] = {listed, listed};
	struct authorities a;

	(void)state;
	assert_null(authorities_read(pem_certificates(twice, 2), &a));
	assert_int_equal(sk_X509_NAME_num(a.names), 1);
	assert_int_equal(verifies(&a, listed), 1);
	/* the same names, another key */
	assert_int_equal(verifies(&a, stranger), 0);
	authorities_free(&a);
	X509_free(listed);
	X509_free(stranger);
	EVP_PKEY_free(other);
}

static void
what_cannot_be_read_is_told(void **state)
{
	struct authorities a;
	X509 *x = make_certificate(key, NULL, 3600);
	X509 *many[AUTHORITIES_MAX + 1];
	char text[65536];

	(void)state;
	assert_string_equal(authorities_read(SPAN("nothing\n"), &a),
			    "there is no certificate (PEM) in it");
	assert_string_equal(authorities_read(SPAN_NONE, &a), "there is no certificate (PEM) in it");
	struct span pem = pem_certificates(&x, 1);
	/* the second one is cut off */
	snprintf(text, sizeof(text), "%.*s%.*s", SPAN_ARG(pem), (int)pem.len - 40, pem.at);
	assert_string_equal(authorities_read(span_of(text), &a),
			    "one of its certificates cannot be read");
	for (size_t i = 0; i < AUTHORITIES_MAX + 1; i++)
		many[i] = x;
	assert_non_null(strstr(authorities_read(pem_certificates(many, AUTHORITIES_MAX + 1), &a),
			       "more certificates"));
	X509_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_of_the_file_is_believed_itself),
		cmocka_unit_test(what_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, make_key, free_key);
}
