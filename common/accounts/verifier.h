/*
 * verifier - what is kept of a password, and what SCRAM does with it (RFC 5802, section 3; RFC 7677)
 *
 *     SaltedPassword := PBKDF2(password, salt, iterations)
 *     ClientKey      := HMAC(SaltedPassword, "Client Key")     StoredKey := H(ClientKey)
 *     ServerKey      := HMAC(SaltedPassword, "Server Key")
 *
 * Kept are salt, iterations, StoredKey and ServerKey: who reads them can guess, but not log in with them.  Used by auth, which checks,
 * by `culver user`, which makes them, and by delivery, which logs in elsewhere.  The hash functions are libcrypto's.
 */
#ifndef COMMON_ACCOUNTS_VERIFIER_H
#define COMMON_ACCOUNTS_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define VERIFIER_KEY_MAX 32   /* bytes of the longer hash */
#define VERIFIER_SALT_MAX 64  /* of one that another system made */
#define VERIFIER_SALT_SIZE 16 /* of ours */
#define VERIFIER_ITERATIONS \
	20000 /* RFC 7677, section 4, has 4096 as the least; a check costs about 10 ms */
#define VERIFIER_ITERATIONS_MIN 4096
#define VERIFIER_ITERATIONS_MAX 1000000 /* what a database may ask of us */

enum verifier_hash { VERIFIER_SHA256 = 1, VERIFIER_SHA1 = 2 };

struct verifier {
	enum verifier_hash hash;
	uint64_t iterations;
	unsigned char salt[VERIFIER_SALT_MAX];
	size_t salt_len;
	unsigned char stored_key[VERIFIER_KEY_MAX];
	unsigned char server_key[VERIFIER_KEY_MAX];
};

/* "SHA-256", "SHA-1" */
const char *verifier_hash_name(enum verifier_hash hash);
size_t verifier_key_size(enum verifier_hash hash);

/* verifier_open - loads what libcrypto loads with the first use, from files too; before confine; fatal() when it cannot */
void verifier_open(void);

/* All: -1 when libcrypto fails (memory).  Passwords are prepared ones (prepare.h). */

/* verifier_make - a fresh salt, VERIFIER_ITERATIONS */
int verifier_make(enum verifier_hash hash, struct span password, struct verifier *v)
	__attribute__((warn_unused_result));
/* verifier_check - is this its password?  Costs the iterations, whatever the answer. */
int verifier_check(const struct verifier *v, struct span password, bool *is_right)
	__attribute__((warn_unused_result));
/*
 * verifier_prove - does `proof` (verifier_key_size bytes) show that the client knows ClientKey; if so, `signature` is what the server says
 *
 * `message` is SCRAM's AuthMessage.
 */
int verifier_prove(const struct verifier *v, struct span message, const unsigned char *proof,
		   bool *is_right, unsigned char signature[VERIFIER_KEY_MAX])
	__attribute__((warn_unused_result));
/*
 * verifier_answer - the client's side: the proof that it knows the password, and what a server that knows its verifier says then
 *
 * Of `v` hash, iterations and salt count, which the server said; `message` is SCRAM's AuthMessage.
 */
int verifier_answer(const struct verifier *v, struct span password, struct span message,
		    unsigned char proof[VERIFIER_KEY_MAX],
		    unsigned char signature[VERIFIER_KEY_MAX]) __attribute__((warn_unused_result));
/*
 * verifier_decoy - for a login that is not there: salt and iterations that stay the same for the same login, and keys that nothing fits
 *
 * So that nobody learns from a challenge which logins exist (RFC 5802, section 9).  `secret`: of this database.
 */
int verifier_decoy(enum verifier_hash hash, struct span secret, struct span login,
		   struct verifier *v) __attribute__((warn_unused_result));

#endif
