/*
 * keys - what is signed, by which scheme, and that the signatures are right
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/tls/certificate.h"
#include "common/tls/remote-key.h"
#include "signer/keys.h"

enum { RSA_KEY, P256_KEY, P384_KEY, ED25519_KEY, KEYS };

static EVP_PKEY *whole[KEYS];
static uint64_t numbers[KEYS];
static char verify[64 + 34 + 32], exchange[64 + 4 + 32];

/* a file as master hands it over */
static int
file_of(EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;

	assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(b, &text);
	int fd = memfd_create("key", MFD_CLOEXEC);
	assert_true(fd >= 0 && write(fd, text, (size_t)len) == len);
	BIO_free(b);
	return fd;
}

static int
take_keys(void **state)
{
	static struct start s;

	(void)state;
	whole[RSA_KEY] = EVP_RSA_gen(2048);
	whole[P256_KEY] = EVP_EC_gen("P-256");
	whole[P384_KEY] = EVP_EC_gen("P-384");
	whole[ED25519_KEY] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(s.files[i].name, START_NAME_MAX, "key.%zu", i);
		s.files[i].fd = file_of(whole[i]);
		assert_int_equal(certificate_key_number(whole[i], &numbers[i]), 0);
	}
	/* the generation before had one of them too */
	snprintf(s.files[KEYS].name, START_NAME_MAX, "key-before.0");
	s.files[KEYS].fd = file_of(whole[P256_KEY]);
	s.file_count = KEYS + 1;
	keys_take(&s);
	memset(verify, ' ', 64);
	memcpy(verify + 64, "TLS 1.3, server CertificateVerify", 34);
	memset(exchange, 0x22, sizeof(exchange));
	memcpy(exchange + 64, "\3\0\x1d\x20", 4);
	return keys_count() == KEYS ? 0 : -1;
}

static int
sign(size_t key, unsigned scheme, struct span text)
{
	struct signer_sign call = {.key = numbers[key], .scheme = scheme, .text = text};
	unsigned char signature[SIGNER_SIGNATURE_MAX];
	size_t len = 0;
	int outcome = keys_sign(&call, signature, &len);

	if (outcome != 0)
		return outcome;
	const char *hash = scheme == REMOTE_KEY_ED25519		  ? NULL
			   : scheme >> 8 == 4 || scheme == 0x0804 ? "SHA256"
			   : scheme >> 8 == 5 || scheme == 0x0805 ? "SHA384"
								  : "SHA512";
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *k;
	assert_int_equal(EVP_DigestVerifyInit_ex(c, &k, hash, NULL, NULL, whole[key], NULL), 1);
	if (scheme >> 8 == 8 && hash != NULL) {
		assert_true(EVP_PKEY_CTX_set_rsa_padding(k, RSA_PKCS1_PSS_PADDING) > 0);
		assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(k, RSA_PSS_SALTLEN_DIGEST) > 0);
	}
	assert_int_equal(
		EVP_DigestVerify(c, signature, len, (const unsigned char *)text.at, text.len), 1);
	EVP_MD_CTX_free(c);
	return 0;
}

#define VERIFY span_from(verify, sizeof(verify))
#define EXCHANGE span_from(exchange, sizeof(exchange))

static void
what_tls_signs_is_signed_and_right(void **state)
{
	(void)state;
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_RSA_PSS_SHA256, VERIFY), 0);
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_RSA_PSS_SHA384, VERIFY), 0);
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_RSA_PSS_SHA512, EXCHANGE), 0);
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_RSA_PKCS1_SHA256, EXCHANGE), 0);
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_RSA_PKCS1_SHA512, EXCHANGE), 0);
	assert_int_equal(sign(P256_KEY, REMOTE_KEY_ECDSA_SHA256, VERIFY), 0);
	assert_int_equal(sign(P256_KEY, REMOTE_KEY_ECDSA_SHA384, EXCHANGE), 0);
	assert_int_equal(sign(P384_KEY, REMOTE_KEY_ECDSA_SHA384, VERIFY), 0);
	assert_int_equal(sign(ED25519_KEY, REMOTE_KEY_ED25519, VERIFY), 0);
	assert_int_equal(sign(ED25519_KEY, REMOTE_KEY_ED25519, EXCHANGE), 0);
}

static void
a_scheme_that_fits_neither_key_nor_shape_is_refused(void **state)
{
	(void)state;
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_ECDSA_SHA256, VERIFY), SIGNER_NO_SCHEME);
	assert_int_equal(sign(P256_KEY, REMOTE_KEY_RSA_PSS_SHA256, VERIFY), SIGNER_NO_SCHEME);
	/* TLS 1.3 has no PKCS#1 and binds hash to curve */
	assert_int_equal(sign(RSA_KEY, REMOTE_KEY_RSA_PKCS1_SHA256, VERIFY), SIGNER_NO_SCHEME);
	assert_int_equal(sign(P256_KEY, REMOTE_KEY_ECDSA_SHA384, VERIFY), SIGNER_NO_SCHEME);
	assert_int_equal(sign(P384_KEY, REMOTE_KEY_ECDSA_SHA256, VERIFY), SIGNER_NO_SCHEME);
	/* MD5 with SHA-1, SHA-1, none at all */
	assert_int_equal(sign(RSA_KEY, 0x0201, EXCHANGE), SIGNER_NO_SCHEME);
	assert_int_equal(sign(P256_KEY, 0x0203, EXCHANGE), SIGNER_NO_SCHEME);
	assert_int_equal(sign(RSA_KEY, 0, EXCHANGE), SIGNER_NO_SCHEME);
}

static void
any_other_text_is_refused_whatever_the_scheme(void **state)
{
	(void)state;
	for (size_t key = 0; key < KEYS; key++)
		for (unsigned scheme = 0; scheme < 0x0900; scheme++)
			assert_int_equal(sign(key, scheme, SPAN("pay mallory 100")),
					 SIGNER_NO_SHAPE);
}

static void
an_unknown_key_is_refused(void **state)
{
	struct signer_sign call = {.key = 7, .scheme = REMOTE_KEY_ED25519, .text = VERIFY};
	unsigned char signature[SIGNER_SIGNATURE_MAX];
	size_t len;

	(void)state;
	assert_int_equal(keys_has(numbers[RSA_KEY]), 0);
	assert_int_equal(keys_has(7), SIGNER_NO_KEY);
	assert_int_equal(keys_sign(&call, signature, &len), SIGNER_NO_KEY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_tls_signs_is_signed_and_right),
		cmocka_unit_test(a_scheme_that_fits_neither_key_nor_shape_is_refused),
		cmocka_unit_test(any_other_text_is_refused_whatever_the_scheme),
		cmocka_unit_test(an_unknown_key_is_refused),
	};

	return cmocka_run_group_tests(tests, take_keys, NULL);
}
