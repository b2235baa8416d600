/*
 * store - see store.h
 *
 *  1  Between two calls no transaction is open: a process that ends anywhere leaves the file as it was before its change, or a journal from
 *     which sqlite makes it so.  A reader that finds such a journal cannot undo (it may not write): trouble, until `culver user` is run.
 *  2  A login has a row of each hash, or none: store_put and store_remove change all of them in one transaction.
 *  3  What a removed or changed verifier was is overwritten (secure_delete).
 */
#include "common/accounts/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MODE 0640
#define VALUE_MAX 65536

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS account ("
	" login TEXT NOT NULL, hash TEXT NOT NULL, iterations INTEGER NOT NULL,"
	" salt BLOB NOT NULL, stored_key BLOB NOT NULL, server_key BLOB NOT NULL,"
	" changed INTEGER NOT NULL, PRIMARY KEY (login, hash)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT "
	"ROWID;";

struct store {
	sqlite3 *handle;
};

static enum store_outcome
trouble(struct store *s, char reason[STORE_REASON_MAX])
{
	snprintf(reason, STORE_REASON_MAX, "%s", sqlite3_errmsg(s->handle));
	return STORE_TROUBLE;
}

static int
run(struct store *s, const char *sql)
{
	return sqlite3_exec(s->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* NULL: sqlite says why */
static sqlite3_stmt *
prepare(struct store *s, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(s->handle, sql, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	return statement;
}

static int
bind_text(sqlite3_stmt *statement, int n, struct span text)
{
	return sqlite3_bind_text(statement, n, text.at, (int)text.len, SQLITE_STATIC) == SQLITE_OK
		       ? 0
		       : -1;
}

static int
bind_bytes(sqlite3_stmt *statement, int n, const void *at, size_t len)
{
	return sqlite3_bind_blob(statement, n, at, (int)len, SQLITE_STATIC) == SQLITE_OK ? 0 : -1;
}

/* a statement without parameters to set any more and without rows */
static int
finish(sqlite3_stmt *statement)
{
	int step = sqlite3_step(statement);

	return sqlite3_finalize(statement) == SQLITE_OK && step == SQLITE_DONE ? 0 : -1;
}

/* ---- begin and end ---- */

static int
make_schema(struct store *s)
{
	unsigned char secret[STORE_SECRET_SIZE];
	sqlite3_stmt *statement;
	int outcome = -1;

	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -1;
	if (run(s, "BEGIN IMMEDIATE") < 0 || run(s, schema) < 0)
		goto out;
	statement = prepare(s, "INSERT OR IGNORE INTO setting VALUES ('decoy', ?)");
	if (statement == NULL)
		goto out;
	if (bind_bytes(statement, 1, secret, sizeof(secret)) < 0) {
		(void)sqlite3_finalize(statement);
		goto out;
	}
	outcome = finish(statement) == 0 ? run(s, "COMMIT") : -1;
out:
	explicit_bzero(secret, sizeof(secret));
	return outcome;
}

struct store *
store_open(const char *path, bool may_write, char reason[STORE_REASON_MAX])
{
	struct store *s = calloc(1, sizeof(*s));
	int flags = may_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;

	if (s == NULL) {
		snprintf(reason, STORE_REASON_MAX, "out of memory");
		return NULL;
	}
	if (sqlite3_open_v2(path, &s->handle,
			    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
			    NULL) != SQLITE_OK)
		goto wrong;
	(void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_busy_timeout(s->handle, STORE_WAIT_MS);
	sqlite3_limit(s->handle, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(s->handle, SQLITE_LIMIT_ATTACHED, 0);
	if (run(s, "PRAGMA temp_store = MEMORY") < 0)
		goto wrong;
	if (may_write && chmod(path, FILE_MODE) != 0) {
		snprintf(reason, STORE_REASON_MAX, "%s", strerror(errno));
		store_close(s);
		return NULL;
	}
	/* EXTRA: the directory too is synced when the journal goes */
	if (may_write && (run(s, "PRAGMA journal_mode = DELETE") < 0 ||
			  run(s, "PRAGMA synchronous = EXTRA") < 0 ||
			  run(s, "PRAGMA secure_delete = ON") < 0 || make_schema(s) < 0))
		goto wrong;
	return s;
wrong:
	if (s->handle != NULL)
		(void)trouble(s, reason);
	else
		snprintf(reason, STORE_REASON_MAX, "out of memory");
	store_close(s);
	return NULL;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	/* a transaction that is open is rolled back */
	(void)sqlite3_close(s->handle);
	free(s);
}

/* ---- reading ---- */

/* a column of exactly, or at most, `size` bytes; how many, -1: it is not so */
static int
take_bytes(sqlite3_stmt *statement, int column, void *to, size_t size, bool is_exact)
{
	const void *at = sqlite3_column_blob(statement, column);
	size_t len = (size_t)sqlite3_column_bytes(statement, column);

	if (at == NULL || len == 0 || len > size || (is_exact && len != size))
		return -1;
	memcpy(to, at, len);
	return (int)len;
}

static int
take_verifier(sqlite3_stmt *statement, enum verifier_hash hash, struct verifier *v)
{
	size_t size = verifier_key_size(hash);
	int64_t iterations = sqlite3_column_int64(statement, 0);
	int salt_len;

	*v = (struct verifier){.hash = hash};
	salt_len = take_bytes(statement, 1, v->salt, sizeof(v->salt), false);
	if (iterations < VERIFIER_ITERATIONS_MIN || iterations > VERIFIER_ITERATIONS_MAX ||
	    salt_len < 0 || take_bytes(statement, 2, v->stored_key, size, true) < 0 ||
	    take_bytes(statement, 3, v->server_key, size, true) < 0)
		return -1;
	v->iterations = (uint64_t)iterations;
	v->salt_len = (size_t)salt_len;
	return 0;
}

enum store_outcome
store_find(struct store *s, struct span login, enum verifier_hash hash, struct verifier *v,
	   char reason[STORE_REASON_MAX])
{
	sqlite3_stmt *statement =
		prepare(s, "SELECT iterations, salt, stored_key, server_key FROM account "
			   "WHERE login = ? AND hash = ?");
	enum store_outcome outcome;
	int step;

	if (statement == NULL || bind_text(statement, 1, login) < 0 ||
	    bind_text(statement, 2, span_of(verifier_hash_name(hash))) < 0) {
		outcome = trouble(s, reason);
		(void)sqlite3_finalize(statement);
		return outcome;
	}
	step = sqlite3_step(statement);
	if (step == SQLITE_DONE) {
		outcome = STORE_ABSENT;
	} else if (step != SQLITE_ROW) {
		outcome = trouble(s, reason);
	} else if (take_verifier(statement, hash, v) < 0) {
		snprintf(reason, STORE_REASON_MAX, "the verifier of %.*s is none", SPAN_ARG(login));
		outcome = STORE_TROUBLE;
	} else {
		outcome = STORE_DONE;
	}
	(void)sqlite3_finalize(statement);
	return outcome;
}

enum store_outcome
store_secret(struct store *s, unsigned char secret[STORE_SECRET_SIZE],
	     char reason[STORE_REASON_MAX])
{
	sqlite3_stmt *statement = prepare(s, "SELECT value FROM setting WHERE name = 'decoy'");
	enum store_outcome outcome = STORE_DONE;

	if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW ||
	    take_bytes(statement, 0, secret, STORE_SECRET_SIZE, true) < 0)
		outcome = trouble(s, reason);
	(void)sqlite3_finalize(statement);
	return outcome;
}

enum store_outcome
store_list(struct store *s, void (*tell)(void *owner, const char *login, int64_t changed_s),
	   void *owner, char reason[STORE_REASON_MAX])
{
	sqlite3_stmt *statement =
		prepare(s, "SELECT login, max(changed) FROM account GROUP BY login ORDER BY login");
	enum store_outcome outcome = STORE_DONE;
	int step = SQLITE_ERROR;

	while (statement != NULL && (step = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *login = (const char *)sqlite3_column_text(statement, 0);

		if (login != NULL)
			tell(owner, login, sqlite3_column_int64(statement, 1));
	}
	if (step != SQLITE_DONE)
		outcome = trouble(s, reason);
	(void)sqlite3_finalize(statement);
	return outcome;
}

/* ---- writing ---- */

/* 1: there is such a login, 0: there is none, -1 */
static int
has_login(struct store *s, const char *login)
{
	sqlite3_stmt *statement = prepare(s, "SELECT 1 FROM account WHERE login = ? LIMIT 1");
	int step, has = -1;

	if (statement != NULL && bind_text(statement, 1, span_of(login)) == 0) {
		step = sqlite3_step(statement);
		if (step == SQLITE_ROW || step == SQLITE_DONE)
			has = step == SQLITE_ROW;
	}
	(void)sqlite3_finalize(statement);
	return has;
}

static int
put_row(struct store *s, const char *login, const struct verifier *v, int64_t now_s)
{
	sqlite3_stmt *statement =
		prepare(s, "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?, ?)");
	size_t size = verifier_key_size(v->hash);

	if (statement == NULL || bind_text(statement, 1, span_of(login)) < 0 ||
	    bind_text(statement, 2, span_of(verifier_hash_name(v->hash))) < 0 ||
	    sqlite3_bind_int64(statement, 3, (sqlite3_int64)v->iterations) != SQLITE_OK ||
	    bind_bytes(statement, 4, v->salt, v->salt_len) < 0 ||
	    bind_bytes(statement, 5, v->stored_key, size) < 0 ||
	    bind_bytes(statement, 6, v->server_key, size) < 0 ||
	    sqlite3_bind_int64(statement, 7, now_s) != SQLITE_OK) {
		(void)sqlite3_finalize(statement);
		return -1;
	}
	return finish(statement);
}

/* the change is undone */
static enum store_outcome
give_up(struct store *s, enum store_outcome outcome, char reason[STORE_REASON_MAX])
{
	if (outcome == STORE_TROUBLE)
		(void)trouble(s, reason);
	(void)run(s, "ROLLBACK");
	return outcome;
}

enum store_outcome
store_put(struct store *s, const char *login, bool is_new, const struct verifier *verifiers,
	  size_t count, char reason[STORE_REASON_MAX])
{
	int has;

	if (run(s, "BEGIN IMMEDIATE") < 0)
		return trouble(s, reason);
	has = has_login(s, login);
	if (has < 0)
		return give_up(s, STORE_TROUBLE, reason);
	if (is_new == (has == 1))
		return give_up(s, is_new ? STORE_PRESENT : STORE_ABSENT, reason);
	for (size_t i = 0; i < count; i++)
		if (put_row(s, login, &verifiers[i], (int64_t)time(NULL)) < 0)
			return give_up(s, STORE_TROUBLE, reason);
	return run(s, "COMMIT") == 0 ? STORE_DONE : give_up(s, STORE_TROUBLE, reason);
}

enum store_outcome
store_remove(struct store *s, const char *login, char reason[STORE_REASON_MAX])
{
	sqlite3_stmt *statement;

	if (run(s, "BEGIN IMMEDIATE") < 0)
		return trouble(s, reason);
	statement = prepare(s, "DELETE FROM account WHERE login = ?");
	if (statement == NULL || bind_text(statement, 1, span_of(login)) < 0) {
		(void)sqlite3_finalize(statement);
		return give_up(s, STORE_TROUBLE, reason);
	}
	if (finish(statement) < 0)
		return give_up(s, STORE_TROUBLE, reason);
	if (sqlite3_changes(s->handle) == 0)
		return give_up(s, STORE_ABSENT, reason);
	return run(s, "COMMIT") == 0 ? STORE_DONE : give_up(s, STORE_TROUBLE, reason);
}
