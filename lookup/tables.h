/*
 * tables - the tables that the configuration names: asked by one interface, read again when they change
 *
 * A table is looked at (stat) at most once in TABLES_LOOK_MS.  One that came by rename is read at once; one that is being written in
 * place only when two looks in a row agree, so that no half of it is served.  (A database is opened anew only when another file
 * took its place: what changes in it sqlite sees.)  A table that cannot be read is trouble for whoever asks, never an empty
 * table.  Mistakes in its lines are logged and concern their lines only.
 *
 * Each kind of table is a module: table-aliases (/etc/aliases format), table-text (key value), table-pcre, table-cidr, table-sqlite.
 */
#ifndef LOOKUP_TABLES_H
#define LOOKUP_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/aliases.h"
#include "common/config/config.h"
#include "common/config/rules.h"
#include "common/text/arena.h"
#include "common/text/span.h"

#define TABLES_LOOK_MS 1000
#define TABLE_MAX (64u << 20)	      /* bytes of one file; a longer one is trouble */
#define TABLE_MEMORY_MAX (512u << 20) /* of its entries */
#define TABLE_REASON_MAX 256

enum table_outcome {
	TABLE_FOUND,
	TABLE_ABSENT,  /* no such key in it */
	TABLE_TROUBLE, /* the table cannot be read now, or gives no answer */
};

struct table_answer {
	struct span
		value; /* as the table has it; in the arena of the question, or as long as an entry */
	const struct alias_entry *entry; /* of a text table of aliases: taken apart; else NULL */
};

/* ---- what a module is ---- */

/* what one is made from; `text` is the module's from then on (malloc), whatever the outcome */
struct table_source {
	const char *path;
	const char *query;
	char *text;
	size_t len;
	struct rules_reader reader;    /* to whom it says what is wrong */
	char reason[TABLE_REASON_MAX]; /* why it was not opened; empty: out of memory */
	size_t entries;		       /* that it has */
};

struct table_module {
	bool is_database; /* opens `path` itself, there is no text */
	bool is_whole;	  /* its keys are patterns: it is asked for an address as a whole alone */
	void *(*open)(struct table_source *s); /* NULL: s->reason */
	/* TROUBLE: `reason` says why */
	enum table_outcome (*find)(void *content, struct span key, struct arena *arena,
				   struct table_answer *answer, char reason[TABLE_REASON_MAX]);
	void (*close)(void *content);
};

extern const struct table_module table_aliases, table_text, table_pcre, table_cidr, table_sqlite;

/* ---- asking ---- */

struct tables;

/* tables_new - `config` must live as long; fatal() when memory is out */
struct tables *tables_new(const struct config *config);
void tables_free(struct tables *t);
/* tables_preload - reads the tables of all domains, so that the first client does not wait for it */
void tables_preload(struct tables *t);

/*
 * tables_find - `key` (lower case) in the table that `word` names, as it is used
 *
 * `now_ms` is monotonic.  An entry stays until the next call with a later `now_ms`: whoever walks over several entries gives the
 * same time to all calls.
 */
enum table_outcome tables_find(struct tables *t, const char *word, enum config_use use,
			       struct span key, int64_t now_ms, struct arena *arena,
			       struct table_answer *answer) __attribute__((warn_unused_result));
/* tables_is_whole - is it asked for a whole address alone? */
bool tables_is_whole(const struct tables *t, const char *word);

#endif
