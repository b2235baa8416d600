/*
 * remote-key - handshakes whose private keys are not in the server's contexts
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/tls/remote-key.h"

#define TURNS_MAX 20

/* the other process: its keys by their numbers, and what it was asked for */
static struct {
	EVP_PKEY *key[4];
	enum remote_key_scheme scheme;
	size_t text_len;
	int count;
	bool is_broken;
} other;

static size_t
sign(void *owner, uint64_t number, enum remote_key_scheme scheme, struct span text,
     unsigned char *signature)
{
	const char *hashes[] = {NULL, "SHA256", "SHA384", "SHA512"};
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *k;
	size_t len = REMOTE_KEY_SIGNATURE_MAX;
	const char *hash = scheme == REMOTE_KEY_ED25519 ? NULL
			   : scheme >> 8 == 8		? hashes[scheme - 0x0803]
							: hashes[(scheme >> 8) - 3];

	assert_ptr_equal(owner, &other);
	assert_in_range(number, 0, 3);
	other.scheme = scheme;
	other.text_len = text.len;
	other.count++;
	assert_int_equal(EVP_DigestSignInit_ex(c, &k, hash, NULL, "provider=default",
					       other.key[number], NULL),
			 1);
	if (scheme >> 8 == 8 && scheme != REMOTE_KEY_ED25519) {
		assert_true(EVP_PKEY_CTX_set_rsa_padding(k, RSA_PKCS1_PSS_PADDING) > 0);
		assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(k, RSA_PSS_SALTLEN_DIGEST) > 0);
	}
	assert_int_equal(
		EVP_DigestSign(c, signature, &len, (const unsigned char *)text.at, text.len), 1);
	EVP_MD_CTX_free(c);
	if (other.is_broken)
		signature[len / 2] ^= 1;
	return len;
}

static const struct remote_key_signer signer = {.sign = sign, .owner = &other};

static X509 *
certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();

	assert_non_null(x);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"mx.example", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	return x;
}

/* both ends in one process, over memory; 1: both are through */
static int
shake(SSL *server, SSL *client)
{
	int s = 0, c = 0;

	for (int i = 0; i < TURNS_MAX && !(s == 1 && c == 1); i++) {
		c = SSL_do_handshake(client);
		s = SSL_do_handshake(server);
		if ((c != 1 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ) ||
		    (s != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ))
			return 0;
	}
	return s == 1 && c == 1;
}

/* one handshake of key `number`, by that version and those schemes */
static int
handshake(uint64_t number, int version, const char *schemes)
{
	SSL_CTX *sc = SSL_CTX_new(TLS_server_method()), *cc = SSL_CTX_new(TLS_client_method());
	X509 *x = certificate(other.key[number]);
	EVP_PKEY *public = X509_get_pubkey(x);
	EVP_PKEY *key = remote_key_new(public, number);
	BIO *a, *b;
	int done;

	assert_non_null(key);
	assert_int_equal(SSL_CTX_use_certificate(sc, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(sc, key), 1);
	assert_int_equal(SSL_CTX_check_private_key(sc), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(cc, version), 1);
	assert_int_equal(SSL_CTX_set1_sigalgs_list(cc, schemes), 1);
	assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(cc), x), 1);
	SSL_CTX_set_verify(cc, SSL_VERIFY_PEER, NULL);
	SSL *s = SSL_new(sc), *c = SSL_new(cc);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	other.count = 0;
	done = shake(s, c);
	if (done)
		assert_int_equal(SSL_version(s), version);
	SSL_free(s);
	SSL_free(c);
	EVP_PKEY_free(key);
	EVP_PKEY_free(public);
	X509_free(x);
	SSL_CTX_free(sc);
	SSL_CTX_free(cc);
	return done;
}

static int
make_keys(void **state)
{
	(void)state;
	other.key[0] = EVP_RSA_gen(2048);
	other.key[1] = EVP_EC_gen("P-256");
	other.key[2] = EVP_EC_gen("P-384");
	other.key[3] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return remote_key_start(&signer);
}

static int
free_keys(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		EVP_PKEY_free(other.key[i]);
	remote_key_end();
	return 0;
}

static void
tls_1_3_is_signed_elsewhere(void **state)
{
	static const struct {
		uint64_t number;
		const char *schemes;
		enum remote_key_scheme scheme;
	} cases[] = {
		{0, "rsa_pss_rsae_sha256", REMOTE_KEY_RSA_PSS_SHA256},
		{0, "rsa_pss_rsae_sha384", REMOTE_KEY_RSA_PSS_SHA384},
		{0, "rsa_pss_rsae_sha512", REMOTE_KEY_RSA_PSS_SHA512},
		{1, "ecdsa_secp256r1_sha256", REMOTE_KEY_ECDSA_SHA256},
		{2, "ecdsa_secp384r1_sha384:ECDSA+SHA256", REMOTE_KEY_ECDSA_SHA384},
		{3, "ed25519", REMOTE_KEY_ED25519},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char schemes[128];

		/* the certificate's own signature is checked, too */
		snprintf(schemes, sizeof(schemes), "%s:RSA+SHA256", cases[i].schemes);
		assert_int_equal(handshake(cases[i].number, TLS1_3_VERSION, schemes), 1);
		assert_int_equal(other.scheme, cases[i].scheme);
		assert_int_equal(other.count, 1);
		/* 64 blanks, the context, a NUL and a hash (RFC 8446, section 4.4.3) */
		assert_true(other.text_len == 64 + 33 + 1 + 32 ||
			    other.text_len == 64 + 33 + 1 + 48);
	}
}

static void
tls_1_2_is_signed_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(handshake(0, TLS1_2_VERSION, "RSA+SHA256"), 1);
	assert_int_equal(other.scheme, REMOTE_KEY_RSA_PKCS1_SHA256);
	assert_int_equal(handshake(0, TLS1_2_VERSION, "RSA+SHA512:RSA+SHA256"), 1);
	assert_int_equal(handshake(0, TLS1_2_VERSION, "rsa_pss_rsae_sha256:RSA+SHA256"), 1);
	assert_int_equal(other.scheme, REMOTE_KEY_RSA_PSS_SHA256);
	assert_int_equal(handshake(1, TLS1_2_VERSION, "ECDSA+SHA256"), 1);
	assert_int_equal(other.scheme, REMOTE_KEY_ECDSA_SHA256);
	assert_int_equal(handshake(3, TLS1_2_VERSION, "ed25519"), 1);
	assert_int_equal(other.scheme, REMOTE_KEY_ED25519);
}

static void
a_wrong_signature_ends_the_handshake(void **state)
{
	(void)state;
	other.is_broken = true;
	assert_int_equal(handshake(0, TLS1_3_VERSION, "rsa_pss_rsae_sha256:RSA+SHA256"), 0);
	assert_int_equal(handshake(1, TLS1_2_VERSION, "ECDSA+SHA256"), 0);
	other.is_broken = false;
}

static void
sha_1_is_not_asked_for(void **state)
{
	(void)state;
	assert_int_equal(handshake(0, TLS1_2_VERSION, "RSA+SHA1"), 0);
	assert_int_equal(other.count, 0);
}

static void
nothing_private_can_be_had(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		EVP_PKEY *key = remote_key_new(other.key[i], i);
		OSSL_PARAM *params = NULL;
		unsigned char *der = NULL;

		assert_non_null(key);
		assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params), 0);
		assert_null(params);
		assert_true(i2d_PrivateKey(key, &der) <= 0);
		assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params), 1);
		OSSL_PARAM_free(params);
		assert_int_equal(EVP_PKEY_eq(key, other.key[i]), 1);
		EVP_PKEY_free(key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_1_3_is_signed_elsewhere),
		cmocka_unit_test(tls_1_2_is_signed_elsewhere),
		cmocka_unit_test(a_wrong_signature_ends_the_handshake),
		cmocka_unit_test(sha_1_is_not_asked_for),
		cmocka_unit_test(nothing_private_can_be_had),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
