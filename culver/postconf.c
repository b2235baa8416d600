/*
 * postconf - see culver/postconf.h
 *
 * Called by culver/names.c.  Only parameters whose meaning is the same here are known: whoever asks for another one is told so.
 */
#include "culver/postconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/mail/hop.h"
#include "culver/human.h"
#include "culver/names.h"
#include "culver/options.h"

#define VALUE_MAX (1u << 20)
#define TABLE_MAX (64u << 20) /* bytes of a table */
#define READ_SIZE 65536

/* ---- parameters ---- */

static void
put_hostname(const struct config *c, struct buffer *to)
{
	buffer_string(to, c->hostname);
}

static void
put_origin(const struct config *c, struct buffer *to)
{
	buffer_string(to, c->origin);
}

static void
put_spool(const struct config *c, struct buffer *to)
{
	buffer_string(to, c->spool);
}

static void
put_size_limit(const struct config *c, struct buffer *to)
{
	buffer_format(to, "%" PRIu64, c->limits.message_size);
}

static void
put_delimiter(const struct config *c, struct buffer *to)
{
	if (c->extension != 0)
		buffer_char(to, c->extension);
}

/* domains whose mail ends here */
static void
put_destination(const struct config *c, struct buffer *to)
{
	size_t first = to->len;
	for (size_t i = 0; i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];
		for (size_t n = 0; d->relay == NULL && d->users_system && n < d->name_count; n++)
			buffer_format(to, "%s%s", to->len > first ? ", " : "", d->names[n]);
	}
}

static void
put_relay_domains(const struct config *c, struct buffer *to)
{
	size_t first = to->len;
	for (size_t i = 0; i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];
		for (size_t n = 0; d->relay != NULL && n < d->name_count; n++)
			buffer_format(to, "%s%s", to->len > first ? ", " : "", d->names[n]);
	}
}

static void
put_networks(const struct config *c, struct buffer *to)
{
	for (size_t i = 0; i < c->relay_from_count; i++) {
		const struct config_network *n = &c->relay_from[i];
		char text[INET6_ADDRSTRLEN] = "";
		bool is_six = n->family == AF_INET6;
		if (inet_ntop(n->family, n->address, text, sizeof(text)) != NULL)
			buffer_format(to, "%s%s%s%s/%u", i > 0 ? " " : "", is_six ? "[" : "", text,
				      is_six ? "]" : "", n->bits);
	}
}

static void
put_relayhost(const struct config *c, struct buffer *to)
{
	struct span rest = c->outbound.hops != NULL ? span_of(c->outbound.hops) : SPAN_NONE;
	struct hop first;
	if (hop_parse(span_word(&rest), &first) < 0)
		return;
	buffer_format(to, first.is_mx ? "%.*s:%u" : "[%.*s]:%u", SPAN_ARG(first.host),
		      (unsigned)first.port);
}

static void
put_version(const struct config *c, struct buffer *to)
{
	(void)c;
	buffer_string(to, "Culver " CULVER_VERSION);
}

/* in the order of their names */
static const struct parameter {
	const char *name;
	void (*put)(const struct config *c, struct buffer *to);
} parameters[] = {
	{"mail_version", put_version},	      {"message_size_limit", put_size_limit},
	{"mydestination", put_destination},   {"myhostname", put_hostname},
	{"mynetworks", put_networks},	      {"myorigin", put_origin},
	{"queue_directory", put_spool},	      {"recipient_delimiter", put_delimiter},
	{"relay_domains", put_relay_domains}, {"relayhost", put_relayhost},
};

#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

static void
put_parameter(const struct config *c, const struct parameter *p, bool value_alone,
	      struct buffer *to)
{
	if (!value_alone)
		buffer_format(to, "%s = ", p->name);
	p->put(c, to);
	buffer_char(to, '\n');
}

static bool
put_named(const struct config *c, const char *name, bool value_alone, struct buffer *to)
{
	for (size_t i = 0; i < PARAMETERS; i++) {
		if (strcmp(parameters[i].name, name) == 0) {
			put_parameter(c, &parameters[i], value_alone, to);
			return true;
		}
	}
	fprintf(stderr, "postconf: warning: %s: unknown parameter\n", name);
	return false;
}

int
postconf_postconf(int argc, char **argv)
{
	struct culver_options o;
	struct buffer out;
	bool value_alone = false;
	names_options(&o);
	opterr = 0;
	for (int c = getopt(argc, argv, "c:dhnv"); c != -1; c = getopt(argc, argv, "c:dhnv")) {
		value_alone = value_alone || c == 'h';
		if (c == 'c')
			names_config(&o, optarg);
		if (c == '?') {
			fputs("postconf: fatal: it only reads: postconf [-h] [-n] [PARAMETER...]; "
			      "the configuration is culver.conf(5)\n",
			      stderr);
			return 1;
		}
	}
	struct config *c = options_config(&o);
	if (c == NULL)
		return 1;
	buffer_init(&out, VALUE_MAX);
	int status = 0;
	for (size_t i = 0; optind == argc && i < PARAMETERS; i++)
		put_parameter(c, &parameters[i], value_alone, &out);
	for (int i = optind; i < argc; i++) {
		if (!put_named(c, argv[i], value_alone, &out))
			status = 1;
	}
	if (human_print(&out) < 0)
		status = 1;
	buffer_free(&out);
	config_free(c);
	return status;
}

/* ---- tables ---- */

static int
fail(const char *name, const char *what, const char *why)
{
	fprintf(stderr, "%s: fatal: %s: %s\n", name, what, why);
	return 1;
}

/* the path in `TYPE:PATH`; NULL: a type that is no text file.  Those of indexed files have their text beside them. */
static const char *
path_of(const char *table)
{
	static const char *const types[] = {
		"hash:", "btree:", "lmdb:", "cdb:", "dbm:", "texthash:", "file:"};
	if (table[0] == '/' || strchr(table, ':') == NULL)
		return table;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strncmp(table, types[i], strlen(types[i])) == 0)
			return table + strlen(types[i]);
	}
	return NULL;
}

/* -1: errno */
static int
read_table(const char *path, struct buffer *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? 1 : -1;
	while (n > 0) {
		char *at = buffer_reserve(text, READ_SIZE);
		errno = EFBIG;
		n = at != NULL ? read(fd, at, READ_SIZE) : -1;
		text->len += n > 0 ? (size_t)n : 0;
	}
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

/* the next logical line: those that begin with a blank continue it; false: there is none */
static bool
next_line(struct span *text, struct buffer *line)
{
	buffer_clear(line);
	while (text->len > 0) {
		bool is_more = text->at[0] == ' ' || text->at[0] == '\t';
		if (line->len > 0 && !is_more && text->at[0] != '#' && text->at[0] != '\n')
			break;
		struct span one = span_cut(text, '\n'), trimmed = span_trim(one);
		if (trimmed.len == 0 || trimmed.at[0] == '#')
			continue;
		buffer_span(line, one);
	}
	return line->len > 0;
}

/* the value of `key`; false: it is not there */
static bool
find_value(struct span text, struct span key, char end_of_key, struct buffer *line,
	   struct span *value)
{
	while (next_line(&text, line)) {
		struct span rest = buffer_get(line);
		struct span name =
			end_of_key == ' ' ? span_word(&rest) : span_cut(&rest, end_of_key);
		if (!span_equal_nocase(span_trim(name), key))
			continue;
		*value = span_trim(rest);
		return true;
	}
	return false;
}

/* -q KEY TABLE; `end_of_key`: ':' in aliases(5), a blank else */
static int
ask(const char *name, const char *key, const char *table, char end_of_key)
{
	struct buffer text, line;
	struct span value;
	const char *path = path_of(table);
	if (path == NULL)
		return fail(name, table,
			    "only text tables are asked by this name; see culver check");
	buffer_init(&text, TABLE_MAX + READ_SIZE);
	buffer_init(&line, TABLE_MAX);
	int status = 1;
	if (read_table(path, &text) != 0)
		fail(name, table, strerror(errno));
	else if (find_value(buffer_get(&text), span_of(key), end_of_key, &line, &value) &&
		 printf("%.*s\n", SPAN_ARG(value)) > 0)
		status = 0;
	buffer_free(&line);
	buffer_free(&text);
	return status;
}

static int
run(const char *name, int argc, char **argv, char end_of_key)
{
	const char *key = NULL;
	opterr = 0;
	/* the letters that say how an index is made mean nothing: none is made */
	for (int c = getopt(argc, argv, "c:d:finoprq:s:uvwNF"); c != -1;
	     c = getopt(argc, argv, "c:d:finoprq:s:uvwNF")) {
		if (c == 'q')
			key = optarg;
		else if (c == 'd' || c == 'i' || c == 's' || c == 'F' || c == '?')
			return fail(name, argv[optind - 1],
				    "it only asks: -q KEY TABLE; tables are text, and an editor "
				    "changes them");
	}
	if (optind == argc)
		return fail(name, "usage", key != NULL ? "-q KEY TABLE..." : "TABLE...");
	int status = key != NULL;
	for (int i = optind; i < argc; i++) {
		if (key != NULL && ask(name, key, argv[i], end_of_key) == 0)
			return 0;
		/* what is there is read as it is */
		if (key == NULL && path_of(argv[i]) != NULL && access(path_of(argv[i]), R_OK) != 0)
			status = fail(name, argv[i], strerror(errno));
	}
	return status;
}

int
postconf_postmap(int argc, char **argv)
{
	return run("postmap", argc, argv, ' ');
}

int
postconf_postalias(int argc, char **argv)
{
	return run("postalias", argc, argv, ':');
}
