/*
 * aliases - a text table in the format of /etc/aliases (aliases(5) of sendmail and Postfix)
 *
 *     name: value, value, ...      continued by lines that begin with blank space
 *
 * lookup reads them, `culver check` names what is wrong in them.  A name is matched without case; a quoted name or value may hold anything.
 */
#ifndef COMMON_CONFIG_ALIASES_H
#define COMMON_CONFIG_ALIASES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text/arena.h"
#include "common/text/span.h"

enum alias_value_kind {
	ALIAS_ADDRESS, /* user or user@domain, backslash taken off */
	ALIAS_COMMAND, /* |command */
	ALIAS_FILE,    /* /path */
	ALIAS_INCLUDE, /* :include:/path */
};

struct alias_value {
	enum alias_value_kind kind;
	struct span text;
	bool direct; /* \user: no further alias */
};

struct alias_entry {
	struct span name; /* lower case */
	unsigned line;
	const struct alias_value *values;
	size_t value_count;
};

/* aliases_parse - calls `entry` for each; `wrong` for each line that is none (line, column, sentence); both may stop nothing */
int aliases_parse(struct span text, struct arena *arena, void (*entry)(void *owner, const struct alias_entry *e),
		  void (*wrong)(void *owner, unsigned line, unsigned column, const char *text), void *owner)
	__attribute__((warn_unused_result));

#endif
