/*
 * table-sqlite - one query to an sqlite file (common/config/database.h)
 */
#include <stdlib.h>

#include "common/config/database.h"
#include "lookup/tables.h"

_Static_assert(TABLE_REASON_MAX >= DATABASE_REASON_MAX, "a reason of sqlite must fit");

static void *
open_sqlite(struct table_source *s)
{
	struct database *d = database_open(s->path, s->query, s->reason);

	s->entries = 0; /* nobody counts them */
	return d;
}

static enum table_outcome
find_sqlite(void *content, struct span key, struct arena *arena, struct table_answer *answer,
	    char reason[TABLE_REASON_MAX])
{
	*answer = (struct table_answer){SPAN_NONE, NULL};
	switch (database_ask(content, key, arena, &answer->value, reason)) {
	case DATABASE_FOUND:
		return TABLE_FOUND;
	case DATABASE_ABSENT:
		return TABLE_ABSENT;
	case DATABASE_TROUBLE:
		break;
	}
	return TABLE_TROUBLE;
}

static void
close_sqlite(void *content)
{
	database_close(content);
}

const struct table_module table_sqlite = {
	.is_database = true, .open = open_sqlite, .find = find_sqlite, .close = close_sqlite};
