/*
 * store - see store.h
 *
 *  1  No file but the database is ever opened: the rollback journal is in memory, so is what sqlite sorts.  A process that is killed within a change
 *     may leave a damaged file; whoever opens it as OWNER looks at the whole of it first.
 *  2  After verified_put there are no more rows of its outcome than the bound, whatever other processes have put or forgotten.
 */
#include "common/verified/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 600
#define PAGES_MAX 65536 /* of 4096 bytes: 256 MB, more than the rows can be */

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS verified ("
	" address TEXT PRIMARY KEY, outcome INTEGER NOT NULL, asked INTEGER NOT NULL,"
	" code INTEGER NOT NULL, status TEXT NOT NULL, reply TEXT NOT NULL, host TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS oldest ON verified (outcome, asked);"
	/* counted as it goes: count(*) would read the whole of them at each change */
	"CREATE TABLE IF NOT EXISTS counted (outcome INTEGER PRIMARY KEY, rows INTEGER NOT NULL);"
	"INSERT OR IGNORE INTO counted VALUES (1, 0), (2, 0);"
	"CREATE TRIGGER IF NOT EXISTS came AFTER INSERT ON verified BEGIN"
	" UPDATE counted SET rows = rows + 1 WHERE outcome = new.outcome; END;"
	"CREATE TRIGGER IF NOT EXISTS went AFTER DELETE ON verified BEGIN"
	" UPDATE counted SET rows = rows - 1 WHERE outcome = old.outcome; END;";

#define COLUMNS "address, outcome, asked, code, status, reply, host"

struct verified_store {
	sqlite3 *handle;
	uint64_t max[VERIFY_REFUSED + 1]; /* by outcome */
};

static enum verified_outcome
trouble(struct verified_store *s, char reason[VERIFIED_REASON_MAX])
{
	int code = sqlite3_errcode(s->handle);

	snprintf(reason, VERIFIED_REASON_MAX, "%s", sqlite3_errmsg(s->handle));
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? VERIFIED_DAMAGE : VERIFIED_TROUBLE;
}

static int
run(struct verified_store *s, const char *sql)
{
	return sqlite3_exec(s->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* NULL: sqlite says why */
static sqlite3_stmt *
prepare(struct verified_store *s, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(s->handle, sql, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	return statement;
}

static int
bind_text(sqlite3_stmt *statement, int n, struct span text)
{
	return sqlite3_bind_text(statement, n, text.len > 0 ? text.at : "", (int)text.len,
				 SQLITE_STATIC) == SQLITE_OK
		       ? 0
		       : -1;
}

/* ---- begin and end ---- */

/* is it whole?  A file of no length is a new one. */
static bool
is_whole(struct verified_store *s)
{
	sqlite3_stmt *statement = prepare(s, "PRAGMA quick_check(1)");
	bool whole = false;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		const char *word = (const char *)sqlite3_column_text(statement, 0);

		whole = word != NULL && strcmp(word, "ok") == 0;
	}
	(void)sqlite3_finalize(statement);
	return whole;
}

static int
prepare_handle(struct verified_store *s)
{
	char pages[64];

	(void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_busy_timeout(s->handle, VERIFIED_WAIT_MS);
	sqlite3_limit(s->handle, SQLITE_LIMIT_ATTACHED, 0);
	snprintf(pages, sizeof(pages), "PRAGMA max_page_count = %d", PAGES_MAX);
	return run(s, "PRAGMA temp_store = MEMORY") == 0 &&
			       run(s, "PRAGMA journal_mode = MEMORY") == 0 &&
			       run(s, "PRAGMA synchronous = OFF") == 0 && run(s, pages) == 0
		       ? 0
		       : -1;
}

/* NULL: reason; *is_damaged: because it is no sound database */
static struct verified_store *
open_once(const char *path, enum verified_mode mode, bool *is_damaged,
	  char reason[VERIFIED_REASON_MAX])
{
	struct verified_store *s = calloc(1, sizeof(*s));
	int flags = SQLITE_OPEN_READWRITE | (mode == VERIFIED_OWNER ? SQLITE_OPEN_CREATE : 0);

	*is_damaged = false;
	snprintf(reason, VERIFIED_REASON_MAX, "out of memory");
	if (s == NULL)
		return NULL;
	verified_bounds(s, VERIFIED_TAKEN_MAX, VERIFIED_REFUSED_MAX);
	if (sqlite3_open_v2(path, &s->handle,
			    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
				    SQLITE_OPEN_NOFOLLOW,
			    NULL) == SQLITE_OK &&
	    prepare_handle(s) == 0) {
		if (mode == VERIFIED_VISITOR)
			return s;
		if (!is_whole(s)) {
			*is_damaged = sqlite3_errcode(s->handle) != SQLITE_BUSY;
			snprintf(reason, VERIFIED_REASON_MAX, "the database is damaged");
			goto wrong;
		}
		if (run(s, "BEGIN IMMEDIATE") == 0 && run(s, schema) == 0 && run(s, "COMMIT") == 0)
			return s;
	}
	if (s->handle != NULL)
		*is_damaged = trouble(s, reason) == VERIFIED_DAMAGE;
wrong:
	verified_close(s);
	return NULL;
}

struct verified_store *
verified_open(const char *directory, enum verified_mode mode, bool *was_damaged,
	      char reason[VERIFIED_REASON_MAX])
{
	char path[PATH_MAX_BYTES], aside[PATH_MAX_BYTES];
	struct verified_store *s;

	*was_damaged = false;
	if (snprintf(path, sizeof(path), "%s/" VERIFIED_FILE, directory) >= (int)sizeof(path) ||
	    snprintf(aside, sizeof(aside), "%s/" VERIFIED_DAMAGED, directory) >=
		    (int)sizeof(aside)) {
		snprintf(reason, VERIFIED_REASON_MAX, "the path is too long");
		return NULL;
	}
	s = open_once(path, mode, was_damaged, reason);
	if (s != NULL || mode == VERIFIED_VISITOR || !*was_damaged)
		return s;
	if (rename(path, aside) != 0) {
		snprintf(reason, VERIFIED_REASON_MAX, "it cannot be set aside: %s",
			 strerror(errno));
		return NULL;
	}
	bool again;
	return open_once(path, mode, &again, reason);
}

void
verified_close(struct verified_store *s)
{
	if (s == NULL)
		return;
	(void)sqlite3_close(s->handle);
	free(s);
}

void
verified_bounds(struct verified_store *s, uint64_t taken, uint64_t refused)
{
	s->max[VERIFY_TAKEN] = taken;
	s->max[VERIFY_REFUSED] = refused;
}

/* ---- rows ---- */

/* what is longer than it can have been written is none of ours; false then */
static bool
take_text(sqlite3_stmt *statement, int column, char *to, size_t size)
{
	const char *at = (const char *)sqlite3_column_text(statement, column);
	size_t len = (size_t)sqlite3_column_bytes(statement, column);

	if (at == NULL || len >= size || memchr(at, '\0', len) != NULL)
		return false;
	memcpy(to, at, len);
	to[len] = '\0';
	return true;
}

static bool
take_row(sqlite3_stmt *statement, struct verified_row *row)
{
	sqlite3_int64 outcome = sqlite3_column_int64(statement, 1);
	sqlite3_int64 code = sqlite3_column_int64(statement, 3);

	*row = (struct verified_row){.outcome = (enum verify_outcome)outcome,
				     .asked_ms = sqlite3_column_int64(statement, 2),
				     .code = (unsigned)code};
	return (outcome == VERIFY_TAKEN || outcome == VERIFY_REFUSED) && code >= 0 && code <= 599 &&
	       row->asked_ms >= 0 && take_text(statement, 0, row->address, sizeof(row->address)) &&
	       take_text(statement, 4, row->status, sizeof(row->status)) &&
	       take_text(statement, 5, row->reply, sizeof(row->reply)) &&
	       take_text(statement, 6, row->host, sizeof(row->host));
}

enum verified_outcome
verified_find(struct verified_store *s, struct span address, struct verified_row *row,
	      char reason[VERIFIED_REASON_MAX])
{
	sqlite3_stmt *statement = prepare(s, "SELECT " COLUMNS " FROM verified WHERE address = ?");
	enum verified_outcome outcome = VERIFIED_TROUBLE;
	int step = SQLITE_ERROR;

	if (statement != NULL && bind_text(statement, 1, address) == 0)
		step = sqlite3_step(statement);
	if (step == SQLITE_DONE) {
		outcome = VERIFIED_ABSENT;
	} else if (step != SQLITE_ROW) {
		outcome = trouble(s, reason);
	} else if (take_row(statement, row)) {
		outcome = VERIFIED_DONE;
	} else {
		outcome = VERIFIED_ABSENT; /* none of ours: the next answer takes its place */
	}
	(void)sqlite3_finalize(statement);
	return outcome;
}

static int
insert(struct verified_store *s, const struct verified_row *row)
{
	sqlite3_stmt *statement =
		prepare(s, "INSERT INTO verified (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)");
	int step = SQLITE_ERROR;

	if (statement != NULL && bind_text(statement, 1, span_of(row->address)) == 0 &&
	    sqlite3_bind_int(statement, 2, (int)row->outcome) == SQLITE_OK &&
	    sqlite3_bind_int64(statement, 3, row->asked_ms) == SQLITE_OK &&
	    sqlite3_bind_int(statement, 4, (int)row->code) == SQLITE_OK &&
	    bind_text(statement, 5, span_of(row->status)) == 0 &&
	    bind_text(statement, 6, span_of(row->reply)) == 0 &&
	    bind_text(statement, 7, span_of(row->host)) == 0)
		step = sqlite3_step(statement);
	return sqlite3_finalize(statement) == SQLITE_OK && step == SQLITE_DONE ? 0 : -1;
}

/* delete - the rows of an address, or all when it is empty; how many, -1 */
static int
delete_rows(struct verified_store *s, struct span address)
{
	sqlite3_stmt *statement =
		prepare(s, address.len > 0 ? "DELETE FROM verified WHERE address = ?"
					   : "DELETE FROM verified");
	int step = SQLITE_ERROR;

	if (statement != NULL && (address.len == 0 || bind_text(statement, 1, address) == 0))
		step = sqlite3_step(statement);
	if (sqlite3_finalize(statement) != SQLITE_OK || step != SQLITE_DONE)
		return -1;
	return sqlite3_changes(s->handle);
}

/* the oldest of an outcome go until there are no more than may be */
static int
make_room(struct verified_store *s, enum verify_outcome outcome)
{
	sqlite3_stmt *statement =
		prepare(s, "DELETE FROM verified WHERE address IN (SELECT address FROM verified"
			   " WHERE outcome = ?1 ORDER BY asked LIMIT"
			   " max(0, (SELECT rows FROM counted WHERE outcome = ?1) - ?2))");
	int step = SQLITE_ERROR;

	if (statement != NULL && sqlite3_bind_int(statement, 1, (int)outcome) == SQLITE_OK &&
	    sqlite3_bind_int64(statement, 2, (sqlite3_int64)s->max[outcome]) == SQLITE_OK)
		step = sqlite3_step(statement);
	return sqlite3_finalize(statement) == SQLITE_OK && step == SQLITE_DONE ? 0 : -1;
}

/* the change is undone */
static enum verified_outcome
give_up(struct verified_store *s, char reason[VERIFIED_REASON_MAX])
{
	enum verified_outcome outcome = trouble(s, reason);

	(void)run(s, "ROLLBACK");
	return outcome;
}

enum verified_outcome
verified_put(struct verified_store *s, const struct verified_row *row,
	     char reason[VERIFIED_REASON_MAX])
{
	if (run(s, "BEGIN IMMEDIATE") < 0)
		return trouble(s, reason);
	if (delete_rows(s, span_of(row->address)) < 0 || insert(s, row) < 0 ||
	    make_room(s, row->outcome) < 0 || run(s, "COMMIT") < 0)
		return give_up(s, reason);
	return VERIFIED_DONE;
}

enum verified_outcome
verified_forget(struct verified_store *s, struct span address, char reason[VERIFIED_REASON_MAX])
{
	int gone = delete_rows(s, address);

	if (gone < 0)
		return trouble(s, reason);
	return gone > 0 ? VERIFIED_DONE : VERIFIED_ABSENT;
}

enum verified_outcome
verified_list(struct verified_store *s, struct span address,
	      void (*tell)(void *owner, const struct verified_row *row), void *owner,
	      char reason[VERIFIED_REASON_MAX])
{
	sqlite3_stmt *statement =
		prepare(s, "SELECT " COLUMNS
			   " FROM verified WHERE ?1 = '' OR address = ?1 ORDER BY address");
	enum verified_outcome outcome = VERIFIED_ABSENT;
	struct verified_row row;
	int step = SQLITE_ERROR;

	if (statement == NULL || bind_text(statement, 1, address) < 0) {
		outcome = trouble(s, reason);
		(void)sqlite3_finalize(statement);
		return outcome;
	}
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!take_row(statement, &row))
			continue;
		outcome = VERIFIED_DONE;
		tell(owner, &row);
	}
	if (step != SQLITE_DONE)
		outcome = trouble(s, reason);
	(void)sqlite3_finalize(statement);
	return outcome;
}
