/*
 * certificate - see certificate.h
 */
#include "common/tls/certificate.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <string.h>

static BIO *
open_text(struct span pem)
{
	return pem.len <= INT_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
}

/* a key with a password is a mistake that is told, not a question on the terminal */
static int
no_password(char *to, int size, int writing, void *owner)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)owner;
	return -1;
}

/* NULL: one that signer and the sessions can use */
static const char *
judge_key(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	if (EVP_PKEY_is_a(key, "RSA"))
		return bits < CERTIFICATE_RSA_MIN || bits > CERTIFICATE_RSA_MAX
			       ? "its RSA key is not of 2048 to 8192 bits"
			       : NULL;
	if (EVP_PKEY_is_a(key, "EC") || EVP_PKEY_is_a(key, "ED25519"))
		return NULL;
	return "its key is neither RSA nor ECDSA nor Ed25519";
}

const char *
certificate_read(struct span pem, struct certificate *to)
{
	struct certificate c = {NULL, NULL, NULL, 0};
	BIO *in = open_text(pem);
	const char *wrong = "out of memory";
	X509 *above;

	if (in == NULL || (c.chain = sk_X509_new_null()) == NULL)
		goto out;
	wrong = "there is no certificate (PEM) in it";
	c.leaf = PEM_read_bio_X509(in, NULL, no_password, NULL);
	if (c.leaf == NULL)
		goto out;
	wrong = "its certificate has no public key that can be read";
	c.public = X509_get_pubkey(c.leaf);
	if (c.public == NULL || certificate_key_number(c.public, &c.key) != 0)
		goto out;
	wrong = judge_key(c.public);
	if (wrong != NULL)
		goto out;
	while ((above = PEM_read_bio_X509(in, NULL, no_password, NULL)) != NULL) {
		if (sk_X509_num(c.chain) < CERTIFICATE_CHAIN_MAX &&
		    sk_X509_push(c.chain, above) > 0)
			continue;
		X509_free(above);
		wrong = "there are more certificates in it than a chain has";
		goto out;
	}
	*to = c;
	c = (struct certificate){NULL, NULL, NULL, 0};
	wrong = NULL;
out:
	ERR_clear_error();
	certificate_free(&c);
	BIO_free(in);
	return wrong;
}

void
certificate_free(struct certificate *c)
{
	X509_free(c->leaf);
	EVP_PKEY_free(c->public);
	sk_X509_pop_free(c->chain, X509_free);
	*c = (struct certificate){NULL, NULL, NULL, 0};
}

bool
certificate_names(const struct certificate *c, const char *host)
{
	return X509_check_host(c->leaf, host, 0, 0, NULL) == 1;
}

const char *
certificate_first_name(const struct certificate *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	static char kept[256];
	const char *found = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && found == NULL; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		if (n->type == GEN_DNS &&
		    span_copy(span_from((const char *)ASN1_STRING_get0_data(n->d.dNSName),
					(size_t)ASN1_STRING_length(n->d.dNSName)),
			      kept, sizeof(kept)) == 0)
			found = kept;
	}
	GENERAL_NAMES_free(names);
	return found;
}

bool
certificate_is_over(const struct certificate *c, int64_t now, int64_t ahead)
{
	time_t at = (time_t)(now + ahead);

	return X509_cmp_time(X509_get0_notAfter(c->leaf), &at) < 0;
}

const char *
certificate_key_read(struct span pem, EVP_PKEY **to)
{
	BIO *in = open_text(pem);
	EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
	const char *wrong = key != NULL ? judge_key(key)
					: "there is no private key (PEM, without a password) in it";

	ERR_clear_error();
	BIO_free(in);
	if (wrong != NULL) {
		EVP_PKEY_free(key);
		return wrong;
	}
	*to = key;
	return NULL;
}

int
certificate_key_number(const EVP_PKEY *key, uint64_t *number)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	bool done = len > 0 && SHA256(der, (size_t)len, hash) != NULL;

	OPENSSL_free(der);
	if (!done)
		return -1;
	*number = 0;
	for (size_t i = 0; i < sizeof(*number); i++)
		*number = *number << 8 | hash[i];
	return 0;
}

bool
certificate_fits(const struct certificate *c, const EVP_PKEY *key)
{
	return EVP_PKEY_eq(c->public, key) == 1;
}
