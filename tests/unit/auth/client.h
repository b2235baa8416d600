/*
 * client - the other end of SCRAM, written from RFC 5802 apart from the server's: what a client answers
 */
#ifndef TESTS_UNIT_AUTH_CLIENT_H
#define TESTS_UNIT_AUTH_CLIENT_H

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/accounts/verifier.h"
#include "common/text/base64.h"

#define CLIENT_MESSAGE_MAX 4096

static inline void
client_proof(bool is_sha1, const char *password, const unsigned char *salt, size_t salt_len,
	     int iterations, const char *message, unsigned char *proof)
{
	const EVP_MD *md = is_sha1 ? EVP_sha1() : EVP_sha256();
	int size = EVP_MD_get_size(md);
	unsigned char salted[64], key[64], stored[64], signature[64];

	if (PKCS5_PBKDF2_HMAC(password, -1, salt, (int)salt_len, iterations, md, size, salted) !=
		    1 ||
	    HMAC(md, salted, size, (const unsigned char *)"Client Key", 10, key, NULL) == NULL ||
	    EVP_Digest(key, (size_t)size, stored, NULL, md, NULL) != 1 ||
	    HMAC(md, stored, size, (const unsigned char *)message, strlen(message), signature,
		 NULL) == NULL)
		abort();
	for (int i = 0; i < size; i++)
		proof[i] = key[i] ^ signature[i];
}

/* client_final - `header` is what stands in `c`; `extra` behind the nonce, with its comma */
static inline void
client_final(bool is_sha1, const char *bare, const char *server_first, const char *header,
	     const char *password, const char *extra, char to[CLIENT_MESSAGE_MAX])
{
	struct span rest = span_of(server_first);
	struct span nonce = span_cut(&rest, ','), salt_text = span_skip(span_cut(&rest, ','), 2);
	char without[CLIENT_MESSAGE_MAX / 4], message[CLIENT_MESSAGE_MAX];
	char encoded[CLIENT_MESSAGE_MAX / 8];
	unsigned char salt[VERIFIER_SALT_MAX], proof[64];
	int salt_len = base64_decode(salt_text, salt, sizeof(salt));

	if (salt_len < 0)
		abort();
	base64_encode(span_of(header), encoded);
	snprintf(without, sizeof(without), "c=%s,%.*s%s", encoded, SPAN_ARG(nonce), extra);
	snprintf(message, sizeof(message), "%s,%s,%s", bare, server_first, without);
	client_proof(is_sha1, password, salt, (size_t)salt_len, atoi(rest.at + 2), message, proof);
	base64_encode(span_from((const char *)proof, is_sha1 ? 20 : 32), encoded);
	snprintf(to, CLIENT_MESSAGE_MAX, "%s,p=%s", without, encoded);
}

#endif
