/*
 * directives - the one table of what culver.conf may say
 *
 * Each directive, and each word of `limit`, is a row.  config_parse works by it, `culver check --directives` prints it, and
 * culver.conf(5) is tested against it.  A new directive is a new row and nothing else, but for the field it fills.
 */
#ifndef COMMON_CONFIG_DIRECTIVES_H
#define COMMON_CONFIG_DIRECTIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config/grammar.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

struct parse;

/* where a directive may stand; one bit each.  What `field` counts from is in brackets. */
enum place {
	PLACE_GENERAL = 1,	 /* in no block			[struct config] */
	PLACE_LOG = 2,		 /* log { }			[struct config] */
	PLACE_LISTEN = 4,	 /* listen { }			[struct config_listen] */
	PLACE_DOMAIN = 8,	 /* domain { }			[struct config_domain] */
	PLACE_OUTBOUND = 16,	 /* outbound { }			[struct config_outbound] */
	PLACE_LIMIT = 32,	 /* limit { }			[struct config_limits] */
	PLACE_LISTEN_LIMIT = 64, /* listen { limit { } }	[struct config_limits] */
	PLACE_ROUTE = 128,	 /* route { }			[struct config_route] */
	PLACE_SITE = 256,	 /* site { }			[struct config_site] */
	PLACE_TLS = 512,	 /* tls { }			[struct config_tls] */
	PLACE_BUDGET = 1024,	 /* budget { }			[struct config_budget] */
	PLACE_AUTH = 2048,	 /* auth { }			[struct config_auth] */
	PLACE_HOP_TLS = 4096,	 /* tls { } of a next hop	[struct config_hop_tls] */
	PLACE_VERIFY = 8192,	 /* verify { }			[struct config_verify] */
	PLACE_ANY = 16383,
};

enum unit {
	UNIT_NONE,
	UNIT_COUNT,
	UNIT_BYTES, /* K, M, G, T may follow */
	UNIT_TIME,  /* in ms; written 90s, 5m, 1h30m */
};

struct directive {
	const char *word;
	const char *arguments; /* for people */
	unsigned where;	       /* PLACE_ bits */
	unsigned opens;	       /* the place its block is; 0: it takes none */
	bool needs_block;
	bool repeats;		     /* may be given again in the same block */
	size_t min_words, max_words; /* of arguments */
	/* the default, spelled as in the file and read by `take`; NULL: none, or it depends on more, as `otherwise` says */
	const char *standard;
	const char *otherwise;
	size_t field; /* offset of what it fills */
	/* checks the arguments and fills the field; reports each mistake itself */
	void (*take)(struct parse *p, const struct directive *d, const struct grammar_line *line,
		     void *object);
	enum unit unit;	   /* of a number */
	uint64_t min, max; /* of a number */
	const char *reply; /* limit: what a client is told; NULL: no client is told */
	const char *sentence;
};

extern const struct directive directives[];
extern const size_t directive_count;
#define DIRECTIVES_MAX 160

/* directive_find - the row of `word` at `place`; NULL if there is none */
const struct directive *directive_find(struct span word, unsigned place);
/* directive_is_planned - is it a word of the design which this version does not have yet? */
bool directive_is_planned(struct span word);
/* place_name - "the file", "domain" ...; of one bit */
const char *place_name(unsigned place);
/* amount_format - 52428800 bytes are 50M, 5400000 ms are 90m; always what number_parse_* reads */
void amount_format(enum unit unit, uint64_t amount, struct buffer *to);
/* directive_default - the default for people: `standard`, else `otherwise` */
const char *directive_default(const struct directive *d);
/* directives_print - the table: a line a row, tabs between word, where, arguments, default, sentence */
void directives_print(struct buffer *to);

#endif
