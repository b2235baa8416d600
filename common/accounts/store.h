/*
 * store - the accounts for submission: one sqlite file of verifiers
 *
 * ACCOUNTS/accounts.db, owned by root (as an ordinary user: his), readable by auth's group.  `culver user` writes it, auth reads it.  It keeps a
 * rollback journal, and each change is on the disk when store_put or store_remove returns.  A row for each hash of a login; both are
 * made from one password and changed in one transaction.  No password is in it.
 */
#ifndef COMMON_ACCOUNTS_STORE_H
#define COMMON_ACCOUNTS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/accounts/prepare.h"
#include "common/accounts/verifier.h"
#include "common/text/span.h"

#define STORE_FILE "accounts.db"
#define STORE_WAIT_MS 2000 /* for whoever writes or reads meanwhile */
#define STORE_REASON_MAX 200
#define STORE_SECRET_SIZE 32

struct store;

enum store_outcome {
	STORE_DONE,
	STORE_ABSENT,  /* no such login */
	STORE_PRESENT, /* store_put: there is one already */
	STORE_TROUBLE, /* `reason` says why */
};

/*
 * store_open - the file at `path` for reading; with `may_write` for writing, and it is made where it is not there (mode 0640)
 *
 * NULL: `reason` says why.
 */
struct store *store_open(const char *path, bool may_write, char reason[STORE_REASON_MAX]);
void store_close(struct store *s);

/* store_find - `login` is a prepared one (prepare.h) */
enum store_outcome store_find(struct store *s, struct span login, enum verifier_hash hash,
			      struct verifier *v, char reason[STORE_REASON_MAX])
	__attribute__((warn_unused_result));
/* store_secret - what decoys are made from (verifier_decoy); the same for as long as the file lives */
enum store_outcome store_secret(struct store *s, unsigned char secret[STORE_SECRET_SIZE],
				char reason[STORE_REASON_MAX]) __attribute__((warn_unused_result));

/* store_put - a new login (`is_new`, else PRESENT is no obstacle but ABSENT is) with a verifier of each hash */
enum store_outcome store_put(struct store *s, const char *login, bool is_new,
			     const struct verifier *verifiers, size_t count,
			     char reason[STORE_REASON_MAX]) __attribute__((warn_unused_result));
enum store_outcome store_remove(struct store *s, const char *login, char reason[STORE_REASON_MAX])
	__attribute__((warn_unused_result));
/* store_list - every login in its order, with the wall clock in seconds of its last change */
enum store_outcome store_list(struct store *s,
			      void (*tell)(void *owner, const char *login, int64_t changed_s),
			      void *owner, char reason[STORE_REASON_MAX])
	__attribute__((warn_unused_result));

#endif
