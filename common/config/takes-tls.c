/*
 * takes-tls - what the rows of `tls` do with their arguments, and which certificates an address shows
 *
 * See takes.h.  Every pair of a certificate and its key has one place in config->pairs, however many blocks name it: by that number
 * master hands the files to signer and smtpd.
 */
#include <netinet/in.h>

#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"

/* as certbot and its like lay a directory out */
#define DIRECTORY_CERTIFICATE "fullchain.pem"
#define DIRECTORY_KEY "privkey.pem"
#define IMPLICIT_PORT 465 /* submissions (RFC 8314, section 3.3) */
#define PATH_ROOM (VALUE_PATH_MAX + 32u)

void
take_tls(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct config_tls *tls = (struct config_tls *)(void *)((char *)object + d->field);

	(void)line;
	tls->is_given = true;
	if (d->where == PLACE_LISTEN)
		p->listen_tls_at[p->config->listen_count - 1] = p->at;
	else
		p->tls_at = p->at;
	p->opened = tls;
}

/* the paths of a line into an array of words; a slash at the end stays, since it says what the path is */
static void
take_paths(struct parse *p, const struct grammar_line *line, bool may_be_directory,
	   struct config_words *to)
{
	struct span path;

	to->words = arena_alloc(&p->config->arena, line->count * sizeof(char *));
	to->count = 0;
	if (to->words == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 1; i < line->count; i++) {
		struct span word = line->words[i].text;
		bool is_directory = may_be_directory && span_ends(word, SPAN("/"));

		if (value_path(word, &path) < 0) {
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: expected a path that begins with `/`, at most %d "
				      "bytes, without `.` and `..` in it",
				      SPAN_ARG(word), VALUE_PATH_MAX);
			path = word;
		}
		if (is_directory)
			path = word;
		to->words[to->count++] = parse_keep(p, path);
	}
}

void
take_certificate(struct parse *p, const struct directive *d, const struct grammar_line *line,
		 void *object)
{
	(void)d;
	take_paths(p, line, true, &((struct config_tls *)object)->certificates);
}

void
take_key(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	(void)d;
	take_paths(p, line, false, &((struct config_tls *)object)->keys);
}

void
take_tls_policy(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	enum config_tls_policy *policy =
		(enum config_tls_policy *)(void *)((char *)object + d->field);
	struct span word = line->words[1].text;

	if (span_equal(word, SPAN("modern")))
		*policy = CONFIG_TLS_MODERN;
	else if (span_equal(word, SPAN("intermediate")))
		*policy = CONFIG_TLS_INTERMEDIATE;
	else if (span_equal(word, SPAN("old")))
		*policy = CONFIG_TLS_OLD;
	else
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected `modern`, `intermediate` or `old`", SPAN_ARG(word));
}

/* ---- what depends on more than one line ---- */

void
parse_mistake_at(struct parse *p, const struct parse_position *at, const char *text)
{
	struct parse_position kept = p->at;

	p->at = *at;
	parse_mistake(p, at->column, "%s", text);
	p->at = kept;
}

/* the number of a pair, which is added where it is new */
static size_t
pair_number(struct parse *p, const struct parse_position *at, const struct config_pair *pair)
{
	struct config *c = p->config;

	for (size_t i = 0; i < c->pair_count; i++)
		if (strcmp(c->pairs[i].certificate, pair->certificate) == 0 &&
		    strcmp(c->pairs[i].key, pair->key) == 0)
			return i;
	if (c->pair_count == CONFIG_PAIRS_MAX) {
		parse_mistake_at(p, at, "there are more certificates than the 16 that can be held");
		return 0;
	}
	c->pairs[c->pair_count] = *pair;
	return c->pair_count++;
}

/* a directory's `certificate` and key */
static struct config_pair
of_directory(struct parse *p, const char *directory)
{
	struct config_pair pair;
	struct buffer path;

	buffer_init(&path, PATH_ROOM);
	buffer_format(&path, "%s" DIRECTORY_CERTIFICATE, directory);
	pair.certificate = parse_keep(p, buffer_get(&path));
	buffer_clear(&path);
	buffer_format(&path, "%s" DIRECTORY_KEY, directory);
	pair.key = parse_keep(p, buffer_get(&path));
	buffer_free(&path);
	return pair;
}

static void
find_pairs(struct parse *p, const struct parse_position *at, struct config_tls *tls)
{
	size_t key = 0;
	bool fits = true;

	tls->pair_count = 0;
	for (size_t i = 0; i < tls->certificates.count && !p->no_memory; i++) {
		char *path = tls->certificates.words[i];
		struct config_pair pair = {.certificate = path};

		if (span_ends(span_of(path), SPAN("/")))
			pair = of_directory(p, path);
		else if (key < tls->keys.count)
			pair.key = tls->keys.words[key++];
		else
			fits = false;
		if (pair.certificate != NULL && pair.key != NULL &&
		    tls->pair_count < CONFIG_PAIRS_MAX)
			tls->pairs[tls->pair_count++] = pair_number(p, at, &pair);
	}
	if (!fits || key < tls->keys.count)
		parse_mistake_at(
			p, at,
			"expected one `key` for each `certificate` that is a file, in their "
			"order; a directory ends with `/` and has its own");
}

void
parse_finish_tls(struct parse *p)
{
	struct config *c = p->config;

	if (c->tls.is_given) {
		find_pairs(p, &p->tls_at, &c->tls);
		if (c->tls.certificates.count == 0)
			parse_mistake_at(p, &p->tls_at, "expected a `certificate` in this block");
		else
			parse_finish_clients(p, &p->tls_at, &c->tls);
	}
	for (size_t i = 0; i < c->listen_count; i++) {
		struct config_listen *l = &c->listens[i];

		if (l->tls.is_given) {
			find_pairs(p, &p->listen_tls_at[i], &l->tls);
			parse_finish_clients(p, &p->listen_tls_at[i], &l->tls);
		} else {
			l->tls = c->tls;
			if (l->role == CONFIG_MX)
				parse_ask_nothing(&l->tls);
		}
		if (l->implicit_tls && l->tls.certificates.count == 0)
			parse_mistake_at(
				p, &p->listen_at[i],
				"this address speaks TLS from the first byte on; expected a "
				"`tls` with a `certificate`, or `implicit-tls no`");
	}
}

bool
parse_is_implicit(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	return ntohs(address->ss_family == AF_INET6 ? six->sin6_port : four->sin_port) ==
	       IMPLICIT_PORT;
}
