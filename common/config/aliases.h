/*
 * aliases - a text table in the format of /etc/aliases (aliases(5) of sendmail and Postfix)
 *
 *     name: value, value, ...      continued by lines that begin with blank space
 *
 * lookup reads them, `culver check` names what is wrong in them.  A name is matched without case; a quoted name or value may
 * hold anything.  Empty lines and lines whose first mark is `#` are skipped, also between a line and what continues it.  A
 * text in parentheses is a comment, and of `Some Name <address>` only the address counts.
 */
#ifndef COMMON_CONFIG_ALIASES_H
#define COMMON_CONFIG_ALIASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/arena.h"
#include "common/text/span.h"

#define ALIASES_NAME_MAX 255	 /* bytes of a name: no local part is longer */
#define ALIASES_VALUES_MAX 10000 /* values of one name */

enum alias_value_kind {
	ALIAS_ADDRESS, /* user or user@domain, backslash taken off; canonical as common/mail/address.h says */
	ALIAS_COMMAND, /* |command; the text is without the bar */
	ALIAS_FILE,    /* /path */
	ALIAS_INCLUDE, /* :include:/path; the text is the path */
	ALIAS_DOMAIN, /* @domain, the same local part there; the text is the domain; of aliases_values alone */
};

struct alias_value {
	enum alias_value_kind kind;
	struct span text;
	bool direct; /* \user: no further alias */
};

/*
 * alias_value_hash - by which a journal names a line, and whoever reads its file again finds it; never 0
 *
 * Not against an adversary: who can write the file needs no collision to have his commands run.
 */
uint64_t alias_value_hash(const struct alias_value *v);

/*
 * One name.  value_count 0: its line is wrong (`wrong` has been called for it), so nobody can say where its mail goes: who
 * asks for it is told to come again, not that there is no such name.
 */
struct alias_entry {
	struct span name; /* lower case, unquoted */
	unsigned line;
	const struct alias_value *values;
	size_t value_count;
};

/*
 * aliases_parse - calls `entry` for each; `wrong` for each line that is none (line, column, sentence); both may stop nothing
 *
 * Names, values and texts lie in `arena` (or are spans of `text`, which must live as long); the entry itself only during the
 * call.  A name that comes twice is given twice: the first counts, the caller says so of the second.  -1: the arena is full.
 */
int aliases_parse(struct span text, struct arena *arena,
		  void (*entry)(void *owner, const struct alias_entry *e),
		  void (*wrong)(void *owner, unsigned line, unsigned column, const char *text),
		  void *owner) __attribute__((warn_unused_result));

/*
 * aliases_values - the values of one name alone: what other tables than those of text say
 *
 * Fills all of *e but `name`; value_count 0: it is wrong, and `wrong` has been called.  `text` must live as long as the values.  -1: the
 * arena is full.
 */
int aliases_values(struct span text, unsigned line, struct arena *arena, struct alias_entry *e,
		   void (*wrong)(void *owner, unsigned line, unsigned column, const char *text),
		   void *owner) __attribute__((warn_unused_result));

#endif
