/*
 * certificate - certificates and keys as their files have them (PEM), and whether two of them are a pair
 *
 * For signer (keys), smtpd (certificates) and `culver check` (both).  Everything that comes back is the caller's; what is wrong is a sentence that
 * goes on behind the name of a file.
 */
#ifndef COMMON_TLS_CERTIFICATE_H
#define COMMON_TLS_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/text/span.h"

#define CERTIFICATE_FILE_MAX (1u << 20) /* bytes of a file of certificates or of a key */
#define CERTIFICATE_CHAIN_MAX 16
#define CERTIFICATE_RSA_MIN 2048 /* bits; the longest that signer answers are for has 8,192 */
#define CERTIFICATE_RSA_MAX 8192

/* a server's certificate, and those above it that a client may lack */
struct certificate {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *public;
	uint64_t key; /* the number of its key */
};

/* NULL: done; else what is wrong (static), and nothing is set */
const char *certificate_read(struct span pem, struct certificate *to)
	__attribute__((warn_unused_result));
void certificate_free(struct certificate *c);
/* certificate_names - is the certificate for that host? */
bool certificate_names(const struct certificate *c, const char *host);
/* certificate_first_name - the first host that it names; NULL: none.  Static, until the next call. */
const char *certificate_first_name(const struct certificate *c);
/* certificate_is_over - is `now` (seconds, wall clock) behind its last one, or less than `ahead` seconds before it? */
bool certificate_is_over(const struct certificate *c, int64_t now, int64_t ahead);

/* certificate_key_read - a private key, of a type that TLS servers have here: RSA, ECDSA, Ed25519; passwords are not asked for */
const char *certificate_key_read(struct span pem, EVP_PKEY **to)
	__attribute__((warn_unused_result));
/* certificate_key_number - the number by which signer knows it; of either half */
int certificate_key_number(const EVP_PKEY *key, uint64_t *number)
	__attribute__((warn_unused_result));
/* certificate_fits - is the key that of the certificate? */
bool certificate_fits(const struct certificate *c, const EVP_PKEY *key);

#endif
