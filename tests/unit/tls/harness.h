/*
 * harness - keys and certificates made for a test, as their files have them
 */
#ifndef TESTS_UNIT_TLS_HARNESS_H
#define TESTS_UNIT_TLS_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/text/span.h"

/* signed by itself; `names` as X509V3_EXT_conf_nid takes them, NULL: none */
static inline X509 *
make_certificate(EVP_PKEY *key, const char *names, long ends_s)
{
	X509 *x = X509_new();

	assert_non_null(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), ends_s);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"subject.example", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	if (names != NULL) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
		assert_non_null(e);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	return x;
}

/* what was written into a memory BIO; lives until the next call */
static inline struct span
pem_text(BIO *b)
{
	static char text[65536];
	char *at;
	long len = BIO_get_mem_data(b, &at);

	assert_in_range(len, 0, sizeof(text));
	memcpy(text, at, (size_t)len);
	BIO_free(b);
	return span_from(text, (size_t)len);
}

static inline struct span
pem_certificates(X509 *const *list, size_t count)
{
	BIO *b = BIO_new(BIO_s_mem());

	for (size_t i = 0; i < count; i++)
		assert_int_equal(PEM_write_bio_X509(b, list[i]), 1);
	return pem_text(b);
}

static inline struct span
pem_key(EVP_PKEY *key, const char *password)
{
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(
		PEM_write_bio_PrivateKey(b, key, password != NULL ? EVP_aes_128_cbc() : NULL,
					 (const unsigned char *)password,
					 password != NULL ? (int)strlen(password) : 0, NULL, NULL),
		1);
	return pem_text(b);
}

#endif
