/*
 * database - see database.h
 */
#include "common/config/database.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/text/buffer.h"

#define STEPS_A_LOOK 1000 /* of sqlite's machine, between two looks at the clock */
#define VALUE_MAX (1u << 20)

struct database {
	sqlite3 *handle;
	sqlite3_stmt *statement;
	int64_t until_ms;
};

__attribute__((format(printf, 2, 3))) static void
say(char reason[DATABASE_REASON_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, DATABASE_REASON_MAX, format, args);
	va_end(args);
}

static int
is_late(void *owner)
{
	const struct database *d = owner;

	return clock_monotonic_ms() >= d->until_ms;
}

/* a writer is at work, for milliseconds mostly */
static int
wait_for_writer(void *owner, int times)
{
	(void)times;
	if (is_late(owner))
		return 0;
	sqlite3_sleep(1);
	return 1;
}

/* what the schema of the file may do: be read */
static int
authorize(void *owner, int action, const char *a, const char *b, const char *c, const char *d)
{
	(void)owner;
	(void)a;
	(void)c;
	(void)d;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b != NULL && strcmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
	}
	return SQLITE_DENY;
}

static void
set_bounds(struct database *d)
{
	sqlite3 *h = d->handle;

	(void)sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_limit(h, SQLITE_LIMIT_LENGTH, DATABASE_LENGTH_MAX);
	sqlite3_limit(h, SQLITE_LIMIT_SQL_LENGTH, DATABASE_LENGTH_MAX);
	sqlite3_limit(h, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(h, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_limit(h, SQLITE_LIMIT_VARIABLE_NUMBER, 1);
	sqlite3_progress_handler(h, STEPS_A_LOOK, is_late, d);
	(void)sqlite3_busy_handler(h, wait_for_writer, d);
	(void)sqlite3_set_authorizer(h, authorize, NULL);
}

static void
start_clock(struct database *d)
{
	d->until_ms = clock_monotonic_ms() + DATABASE_TIME_MS;
}

struct database *
database_open(const char *path, const char *query, char reason[DATABASE_REASON_MAX])
{
	struct database *d = calloc(1, sizeof(*d));
	const char *tail = "";

	if (d == NULL) {
		say(reason, "out of memory");
		return NULL;
	}
	start_clock(d);
	if (sqlite3_open_v2(path, &d->handle,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
			    NULL) != SQLITE_OK) {
		say(reason, "%s", d->handle != NULL ? sqlite3_errmsg(d->handle) : "out of memory");
		goto wrong;
	}
	/* what it sorts it sorts in memory: there is no file that it may write */
	(void)sqlite3_exec(d->handle, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
	set_bounds(d);
	if (sqlite3_prepare_v3(d->handle, query, -1, SQLITE_PREPARE_PERSISTENT, &d->statement,
			       &tail) != SQLITE_OK)
		say(reason, "%s", sqlite3_errmsg(d->handle));
	else if (d->statement == NULL || tail[strspn(tail, " \t;")] != '\0')
		say(reason, "expected one statement");
	else if (!sqlite3_stmt_readonly(d->statement))
		say(reason, "the query writes");
	else if (sqlite3_column_count(d->statement) != 1)
		say(reason, "the query gives %d columns; expected one",
		    sqlite3_column_count(d->statement));
	else if (sqlite3_bind_parameter_count(d->statement) != 1)
		say(reason, "the query has %d places for the address; expected one `?`",
		    sqlite3_bind_parameter_count(d->statement));
	else
		return d;
wrong:
	database_close(d);
	return NULL;
}

void
database_close(struct database *d)
{
	if (d == NULL)
		return;
	(void)sqlite3_finalize(d->statement);
	(void)sqlite3_close(d->handle);
	free(d);
}

static void
add_row(sqlite3_stmt *statement, struct buffer *all, size_t *rows)
{
	const unsigned char *text = sqlite3_column_text(statement, 0);

	if (text == NULL) /* NULL, or out of memory: told apart by the caller */
		return;
	if ((*rows)++ > 0)
		buffer_string(all, ", ");
	buffer_add(all, text, (size_t)sqlite3_column_bytes(statement, 0));
	if (*rows > DATABASE_ROWS_MAX)
		all->failed = true;
}

enum database_outcome
database_ask(struct database *d, struct span key, struct arena *arena, struct span *value,
	     char reason[DATABASE_REASON_MAX])
{
	enum database_outcome outcome = DATABASE_TROUBLE;
	struct buffer all;
	size_t rows = 0;
	int step;

	start_clock(d);
	buffer_init(&all, VALUE_MAX);
	step = sqlite3_bind_text(d->statement, 1, key.at, (int)key.len, SQLITE_STATIC);
	if (step == SQLITE_OK)
		while ((step = sqlite3_step(d->statement)) == SQLITE_ROW && !all.failed)
			add_row(d->statement, &all, &rows);
	if (all.failed) {
		say(reason, "the answer is too long");
	} else if (step == SQLITE_INTERRUPT) {
		say(reason, "no answer within %d ms", DATABASE_TIME_MS);
	} else if (step != SQLITE_DONE || sqlite3_errcode(d->handle) == SQLITE_NOMEM) {
		say(reason, "%s", sqlite3_errmsg(d->handle));
	} else if (rows == 0) {
		outcome = DATABASE_ABSENT;
	} else {
		*value = arena_span(arena, buffer_get(&all));
		if (value->at != NULL)
			outcome = DATABASE_FOUND;
		else
			say(reason, "out of memory");
	}
	(void)sqlite3_reset(d->statement);
	(void)sqlite3_clear_bindings(d->statement);
	buffer_free(&all);
	return outcome;
}
