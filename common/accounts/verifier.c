/*
 * verifier - see verifier.h
 */
#include "common/accounts/verifier.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "common/system/fatal.h"

struct hash {
	const char *name;
	const EVP_MD *(*md)(void);
	size_t size;
};

static const struct hash hashes[] = {
	[VERIFIER_SHA256] = {"SHA-256", EVP_sha256, 32},
	[VERIFIER_SHA1] = {"SHA-1", EVP_sha1, 20},
};

const char *
verifier_hash_name(enum verifier_hash hash)
{
	return hashes[hash].name;
}

size_t
verifier_key_size(enum verifier_hash hash)
{
	return hashes[hash].size;
}

static int
hmac(const struct hash *h, const unsigned char *key, struct span text, unsigned char *to)
{
	unsigned len = 0;

	if (HMAC(h->md(), key, (int)h->size, (const unsigned char *)text.at, text.len, to, &len) ==
		    NULL ||
	    len != h->size)
		return -1;
	return 0;
}

static int
digest(const struct hash *h, const unsigned char *from, unsigned char *to)
{
	return EVP_Digest(from, h->size, to, NULL, h->md(), NULL) == 1 ? 0 : -1;
}

struct keys {
	unsigned char client[VERIFIER_KEY_MAX], stored[VERIFIER_KEY_MAX], server[VERIFIER_KEY_MAX];
};

/* the keys of a password, for the caller to wipe; `v` has hash, salt and iterations */
static int
derive(const struct verifier *v, struct span password, struct keys *keys)
{
	const struct hash *h = &hashes[v->hash];
	unsigned char salted[VERIFIER_KEY_MAX];
	int outcome = -1;

	if (PKCS5_PBKDF2_HMAC(password.at, (int)password.len, v->salt, (int)v->salt_len,
			      (int)v->iterations, h->md(), (int)h->size, salted) == 1 &&
	    hmac(h, salted, SPAN("Client Key"), keys->client) == 0 &&
	    digest(h, keys->client, keys->stored) == 0 &&
	    hmac(h, salted, SPAN("Server Key"), keys->server) == 0)
		outcome = 0;
	explicit_bzero(salted, sizeof(salted));
	return outcome;
}

void
verifier_open(void)
{
	struct verifier v = {.hash = VERIFIER_SHA256, .iterations = 1, .salt_len = 1};
	struct keys keys;

	/* no file of OpenSSL's configuration changes what a password's check is */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_DIGESTS, NULL) !=
		    1 ||
	    derive(&v, SPAN("x"), &keys) < 0)
		fatal(EXIT_SOFTWARE, 0, "libcrypto has no SHA-256");
	v.hash = VERIFIER_SHA1;
	if (derive(&v, SPAN("x"), &keys) < 0)
		fatal(EXIT_SOFTWARE, 0, "libcrypto has no SHA-1");
}

int
verifier_make(enum verifier_hash hash, struct span password, struct verifier *v)
{
	struct keys keys = {{0}, {0}, {0}};
	int outcome;

	*v = (struct verifier){
		.hash = hash, .iterations = VERIFIER_ITERATIONS, .salt_len = VERIFIER_SALT_SIZE};
	if (getrandom(v->salt, VERIFIER_SALT_SIZE, 0) != VERIFIER_SALT_SIZE)
		return -1;
	outcome = derive(v, password, &keys);
	memcpy(v->stored_key, keys.stored, sizeof(v->stored_key));
	memcpy(v->server_key, keys.server, sizeof(v->server_key));
	explicit_bzero(&keys, sizeof(keys));
	return outcome;
}

int
verifier_check(const struct verifier *v, struct span password, bool *is_right)
{
	struct keys keys;
	int outcome = derive(v, password, &keys);

	*is_right = outcome == 0 &&
		    CRYPTO_memcmp(keys.stored, v->stored_key, verifier_key_size(v->hash)) == 0;
	explicit_bzero(&keys, sizeof(keys));
	return outcome;
}

int
verifier_prove(const struct verifier *v, struct span message, const unsigned char *proof,
	       bool *is_right, unsigned char signature[VERIFIER_KEY_MAX])
{
	const struct hash *h = &hashes[v->hash];
	unsigned char key[VERIFIER_KEY_MAX], hashed[VERIFIER_KEY_MAX];
	int outcome = -1;

	/* ClientSignature := HMAC(StoredKey, AuthMessage); ClientKey := ClientProof XOR ClientSignature */
	*is_right = false;
	if (hmac(h, v->stored_key, message, key) < 0)
		return -1;
	for (size_t i = 0; i < h->size; i++)
		key[i] ^= proof[i];
	if (digest(h, key, hashed) == 0 && hmac(h, v->server_key, message, signature) == 0) {
		*is_right = CRYPTO_memcmp(hashed, v->stored_key, h->size) == 0;
		outcome = 0;
	}
	explicit_bzero(key, sizeof(key));
	if (!*is_right)
		explicit_bzero(signature, VERIFIER_KEY_MAX);
	return outcome;
}

int
verifier_answer(const struct verifier *v, struct span password, struct span message,
		unsigned char proof[VERIFIER_KEY_MAX], unsigned char signature[VERIFIER_KEY_MAX])
{
	const struct hash *h = &hashes[v->hash];
	struct keys keys;
	int outcome = -1;

	/* ClientProof := ClientKey XOR HMAC(StoredKey, AuthMessage); ServerSignature := HMAC(ServerKey, AuthMessage) */
	if (derive(v, password, &keys) == 0 && hmac(h, keys.stored, message, proof) == 0 &&
	    hmac(h, keys.server, message, signature) == 0) {
		for (size_t i = 0; i < h->size; i++)
			proof[i] ^= keys.client[i];
		outcome = 0;
	}
	explicit_bzero(&keys, sizeof(keys));
	return outcome;
}

int
verifier_decoy(enum verifier_hash hash, struct span secret, struct span login, struct verifier *v)
{
	const struct hash *h = &hashes[VERIFIER_SHA256];
	unsigned char key[VERIFIER_KEY_MAX] = {0}, salt[VERIFIER_KEY_MAX];

	*v = (struct verifier){
		.hash = hash, .iterations = VERIFIER_ITERATIONS, .salt_len = VERIFIER_SALT_SIZE};
	memcpy(key, secret.at, secret.len < sizeof(key) ? secret.len : sizeof(key));
	/* the salts of two hashes differ, as they do where there is an account */
	key[0] ^= (unsigned char)hash;
	if (hmac(h, key, login, salt) < 0)
		return -1;
	memcpy(v->salt, salt, VERIFIER_SALT_SIZE);
	/* keys that are the hash of nothing known */
	if (getrandom(v->stored_key, sizeof(v->stored_key), 0) != (ssize_t)sizeof(v->stored_key) ||
	    getrandom(v->server_key, sizeof(v->server_key), 0) != (ssize_t)sizeof(v->server_key))
		return -1;
	return 0;
}
