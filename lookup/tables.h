/*
 * tables - the text tables that the configuration names, in memory, read again when they change
 *
 * A table is looked at (stat) at most once in TABLES_LOOK_MS.  One that came by rename is read at once; one that is being written in
 * place only when two looks in a row agree, so that no half of it is served.  A table that cannot be read is trouble for
 * whoever asks, never an empty table.  Mistakes in its lines are logged and concern their lines only.
 */
#ifndef LOOKUP_TABLES_H
#define LOOKUP_TABLES_H

#include <stdint.h>

#include "common/config/aliases.h"
#include "common/config/config.h"
#include "common/text/span.h"

#define TABLES_LOOK_MS 1000
#define TABLE_MAX (64u << 20)	      /* bytes of one file; a longer one is trouble */
#define TABLE_MEMORY_MAX (512u << 20) /* of its entries */

enum table_outcome {
	TABLE_FOUND,
	TABLE_ABSENT,  /* no such name in it */
	TABLE_TROUBLE, /* the table cannot be read now */
};

struct tables;

struct tables *tables_new(void); /* fatal() when memory is out */
void tables_free(struct tables *t);
/* tables_preload - reads the tables of all domains, so that the first client does not wait for it */
void tables_preload(struct tables *t, const struct config *c);

/*
 * tables_find - `name` (lower case) in the table at `path`
 *
 * `now_ms` is monotonic.  An entry stays until the next call with a later `now_ms`: whoever walks over several entries gives the
 * same time to all calls.
 */
enum table_outcome tables_find(struct tables *t, const char *path, struct span name, int64_t now_ms,
			       const struct alias_entry **entry)
	__attribute__((warn_unused_result));

#endif
