/*
 * remote-key - private keys that another process holds, as keys of OpenSSL
 *
 * For smtpd's sessions (later delivery, with certificates of its own).  A built-in provider knows RSA, EC and ED25519 keys that are a public
 * key and a number: whatever is to be signed is handed over whole, with the scheme by its number in TLS (RFC 8446, section 4.2.3), and
 * the signature comes back.  Nothing private exists in this process; what asks for it (export) gets no answer.  There is no
 * decryption, so key exchange by RSA cannot be offered.
 */
#ifndef COMMON_TLS_REMOTE_KEY_H
#define COMMON_TLS_REMOTE_KEY_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define REMOTE_KEY_SIGNATURE_MAX 1024 /* RSA of 8,192 bits */

/* signature schemes: numbers of TLS (RFC 8446, section 4.2.3; RFC 5246's pairs of hash and algorithm are the same numbers) */
enum remote_key_scheme {
	REMOTE_KEY_RSA_PKCS1_SHA256 = 0x0401,
	REMOTE_KEY_RSA_PKCS1_SHA384 = 0x0501,
	REMOTE_KEY_RSA_PKCS1_SHA512 = 0x0601,
	REMOTE_KEY_ECDSA_SHA256 = 0x0403,
	REMOTE_KEY_ECDSA_SHA384 = 0x0503,
	REMOTE_KEY_ECDSA_SHA512 = 0x0603,
	REMOTE_KEY_RSA_PSS_SHA256 = 0x0804,
	REMOTE_KEY_RSA_PSS_SHA384 = 0x0805,
	REMOTE_KEY_RSA_PSS_SHA512 = 0x0806,
	REMOTE_KEY_ED25519 = 0x0807,
};

/* who signs: `signature` has REMOTE_KEY_SIGNATURE_MAX bytes; its length, or 0 when there is none */
struct remote_key_signer {
	size_t (*sign)(void *owner, uint64_t number, enum remote_key_scheme scheme,
		       struct span text, unsigned char *signature);
	void *owner;
};

/*
 * remote_key_start - makes the provider known to OpenSSL's default library context, once in a process; `signer` must live as long.
 * -1: OpenSSL refused (its error queue says why).
 */
int remote_key_start(const struct remote_key_signer *signer) __attribute__((warn_unused_result));
/* remote_key_end - after the last of its keys: what the end of a process releases else */
void remote_key_end(void);

/*
 * remote_key_new - the key `number` whose public half is `public` (of a certificate; not kept).  The caller owns what comes back
 * (EVP_PKEY_free); NULL: of another type, or out of memory.
 */
EVP_PKEY *remote_key_new(EVP_PKEY *public, uint64_t number) __attribute__((warn_unused_result));

#endif
