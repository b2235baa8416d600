/*
 * rules - tables of lines: `key value`, patterns (pcre_table(5) of Postfix), networks (cidr_table(5) of Postfix)
 *
 * lookup serves them, `culver check` names what is wrong in them.  Empty lines and lines whose first mark is `#` are skipped; a line that
 * begins with blank space continues the one before.  A mistake costs its line and no other.
 */
#ifndef COMMON_CONFIG_RULES_H
#define COMMON_CONFIG_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config/config.h"
#include "common/text/arena.h"
#include "common/text/span.h"

#define RULES_DEPTH_MAX 32  /* of `if` within `if` */
#define RULES_GROUPS_MAX 99 /* $99 */
#define RULES_KEY_MAX 512   /* bytes: no address is longer */

struct rules_reader {
	void *owner;
	/* a line with a mistake: line and column from 1, a sentence */
	void (*wrong)(void *owner, unsigned line, unsigned column, const char *text);
};

/*
 * rules_each - calls `each`, with `owner`, for every line, joined with what continues it and trimmed; -1: the arena is full
 */
int rules_each(struct span text, struct arena *arena, const struct rules_reader *r,
	       void (*each)(void *owner, const struct rules_reader *r, unsigned line,
			    struct span text),
	       void *owner) __attribute__((warn_unused_result));

/* ---- key value ---- */

/*
 * rules_pair - false: said what is wrong
 *
 * The key ends at the first blank; one in double quotes may hold blanks, and \ takes the next byte as it is.  It becomes lower case
 * (in `arena`).  Without a value the value is empty.
 */
bool rules_pair(const struct rules_reader *r, unsigned line, struct span text, struct arena *arena,
		struct span *key, struct span *value);

/* ---- /pattern/flags value ---- */

enum rules_kind { RULES_MATCH, RULES_IF, RULES_ENDIF };

struct rules_pattern {
	enum rules_kind kind;
	bool is_negated; /* ! before the pattern */
	struct span
		pattern; /* between its delimiters; where a backslash stood before one, it is still there */
	struct span flags;	/* as written; of imsxAEU each changes its default */
	struct span value;	/* MATCH alone; $1 ${1} $(1) for what a group matched, $$ for $ */
	unsigned highest_group; /* that value names */
	unsigned line;
	unsigned pattern_column;
};

/* rules_pattern - false: said what is wrong; what `if` and `endif` do without harm behind themselves is said, and ignored */
bool rules_pattern(const struct rules_reader *r, unsigned line, struct span text,
		   struct rules_pattern *p);
/* rules_put - the value with its groups; `group` gives what the n-th matched */
struct buffer;
void rules_put(struct span value, struct span (*group)(void *owner, unsigned n), void *owner,
	       struct buffer *to);

/* ---- network value ---- */

struct rules_network {
	enum rules_kind kind;
	bool is_negated;
	struct config_network network;
	struct span value; /* MATCH alone */
	unsigned line;
};

bool rules_network(const struct rules_reader *r, unsigned line, struct span text,
		   struct rules_network *n);
bool rules_network_has(const struct config_network *n, int family, const unsigned char address[16]);

/* ---- if and endif, for whoever keeps the rules ---- */

struct rules_nest {
	unsigned lines[RULES_DEPTH_MAX]; /* of each open `if` */
	size_t depth;
};

/* rules_nest - false: the line is to be left out, said why */
bool rules_nest(const struct rules_reader *r, struct rules_nest *nest, enum rules_kind kind,
		unsigned line);
/* rules_nest_end - each `if` that is open still is said */
void rules_nest_end(const struct rules_reader *r, const struct rules_nest *nest);

/* ---- what a table of users says of one ---- */

#define RULES_QUOTA_MAX (UINT64_C(1) << 60) /* bytes */

struct rules_user {
	struct span home;    /* absolute; empty: as `deliver` says */
	uint64_t quota;	     /* bytes of his Maildir; 0: as many as there is room for */
	struct span deliver; /* the name of a delivery; empty: as the block says */
};

/* rules_user - empty, or words home=PATH quota=SIZE deliver=NAME; false: *wrong (static) says why it is none */
bool rules_user(struct span value, struct rules_user *user, const char **wrong);

#endif
