/*
 * parse - what the rows of the table and config_parse share while a text is read
 *
 * Only config.c and takes.c include this.
 */
#ifndef COMMON_CONFIG_PARSE_H
#define COMMON_CONFIG_PARSE_H

#include "common/config/config.h"
#include "common/config/directives.h"
#include "common/config/grammar.h"

#define PARSE_DEPTH 4  /* of blocks that have a meaning: general, listen, limit, and one to spare */
#define PARSE_FILES 32 /* of files within one another; LOAD_DEPTH is less */

struct parse_position {
	struct span file;
	unsigned line, column;
};

struct parse_block {
	const struct directive *by; /* NULL: the file itself */
	unsigned place;
	void *object;
	struct parse_position at;
	struct parse_position seen[DIRECTIVES_MAX]; /* of each row; line 0: not yet */
};

/* a name that is local, and where that is said */
struct parse_name {
	struct span name;
	size_t domain;	 /* index of config->domains */
	size_t at_index; /* the how-manieth name of the text */
	struct parse_position at;
};

/* a word that shall be a table */
struct parse_use {
	const char *word;
	struct parse_position at;
	bool is_users;
};

struct parse {
	struct config *config;
	struct config_errors *errors;
	struct arena scratch; /* words of the current line */
	struct parse_position at;
	bool is_silent; /* within a block that is skipped */
	bool no_memory;
	struct parse_block blocks[PARSE_DEPTH];
	size_t depth;	/* blocks in use, the file itself included */
	size_t skipped; /* blocks open that have no meaning */
	struct parse_position skipped_at;
	size_t file_depth[PARSE_FILES]; /* blocks that were open when it began */
	size_t file_count;
	void *opened; /* set by a row's `take`: the object of the block that follows */
	struct parse_name *names;
	size_t name_count;
	uint64_t listen_given
		[CONFIG_LISTENS_MAX]; /* bit n: the n-th word of `limit` stands in its block */
	struct parse_position listen_at[CONFIG_LISTENS_MAX];
	struct parse_position tls_at; /* of the general `tls`; of that of each `listen`: */
	struct parse_position listen_tls_at[CONFIG_LISTENS_MAX];
	struct parse_position certificates_at; /* of `certificates` in `auth` */
	bool has_log;
	struct parse_position *domain_at; /* of each domain, in the order of the file */
	struct parse_use *uses;
	size_t use_count;
	struct parse_position *route_at; /* of each route, in the order of the file */
};

/* parse_mistake - at this line; column from 1 */
void parse_mistake(struct parse *p, unsigned column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* parse_mistake_at - the same elsewhere, about what depends on more than one line (takes-tls.c) */
void parse_mistake_at(struct parse *p, const struct parse_position *at, const char *text);
/* copies into the configuration; NULL sets no_memory */
char *parse_keep(struct parse *p, struct span s);
/* the same in lower case */
char *parse_keep_lower(struct parse *p, struct span s);
/* parse_grow - an array of the configuration with room for one element more; NULL sets no_memory; zeroed */
void *parse_grow(struct parse *p, void *array, size_t count, size_t size);

/* parse_standards - fills `object` with the defaults of all rows of one place */
void parse_standards(struct parse *p, unsigned place, void *object);
/* parse_finish - what depends on more than one line: defaults, local names, the limits of each `listen` (finish.c) */
void parse_finish(struct parse *p, const struct config_defaults *defaults);
/* parse_finish_domains - tables that are not there, and directives of a domain that do not go together (takes-domains.c) */
void parse_finish_domains(struct parse *p, bool as_root);
/* parse_hops - the arguments as words of common/mail/hop.h, SMTP ones, parted by blanks; NULL sets no_memory (takes-routes.c) */
char *parse_hops(struct parse *p, const struct grammar_line *line);
/* parse_lmtp_hop - the argument behind the `at`-th word as one word of hop.h, an LMTP one; NULL sets no_memory (takes-routes.c) */
char *parse_lmtp_hop(struct parse *p, const struct grammar_line *line, size_t at);
/* parse_finish_routes - a route without a word or given twice is a mistake; sorts them (takes-routes.c) */
void parse_finish_routes(struct parse *p);
/* parse_finish_tls - the certificates of each address, and their keys (takes-tls.c) */
void parse_finish_tls(struct parse *p);
/* parse_finish_clients - what a block of `tls` says of clients' certificates goes together; numbers its `client-ca` (takes-clients.c) */
void parse_finish_clients(struct parse *p, const struct parse_position *at, struct config_tls *tls);
/* parse_ask_nothing - the block is the general one, and the address is where other hosts bring mail */
void parse_ask_nothing(struct config_tls *tls);
/* parse_is_implicit - is that the port of submission by TLS from the first byte on? */
bool parse_is_implicit(const struct sockaddr_storage *address);

#endif
