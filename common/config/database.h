/*
 * database - a table in an sqlite file, opened for one query and for reading alone
 *
 * For lookup, which asks, and `culver check`, which says what is wrong.  The file may be another's and is not trusted: its schema runs
 * nothing, and statements have bounds in size, steps and time.  It must keep a rollback journal (not WAL, whose readers write).
 */
#ifndef COMMON_CONFIG_DATABASE_H
#define COMMON_CONFIG_DATABASE_H

#include <stddef.h>
#include <stdint.h>

#include "common/text/arena.h"
#include "common/text/span.h"

#define DATABASE_TIME_MS 250	  /* of one question, waiting for a writer included */
#define DATABASE_LENGTH_MAX 65536 /* bytes of a value, a row, a statement */
#define DATABASE_REASON_MAX 256
#define DATABASE_ROWS_MAX 10000 /* of one answer */

struct database;

enum database_outcome { DATABASE_FOUND, DATABASE_ABSENT, DATABASE_TROUBLE };

/*
 * database_open - NULL: `reason` says why
 *
 * The query is one statement that only reads, gives one column, and has one `?`.
 */
struct database *database_open(const char *path, const char *query,
			       char reason[DATABASE_REASON_MAX]);
void database_close(struct database *d);
/* database_ask - the values of all rows, parted by ", ", in the arena; NULL is no value; TROUBLE: `reason` says why */
enum database_outcome database_ask(struct database *d, struct span key, struct arena *arena,
				   struct span *value, char reason[DATABASE_REASON_MAX])
	__attribute__((warn_unused_result));

#endif
