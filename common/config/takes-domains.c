/*
 * takes-domains - what the rows of `table`, and those of `domain` that name tables, people and hosts, do with their arguments
 *
 * See takes.h.  Whether a name is that of a table is known at the end of the text (parse_finish_domains): it may stand before
 * its `table`.
 */
#include <stdio.h>

#include "common/config/mailbox.h"
#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"
#include "common/mail/address.h"

#define TABLE_NAME_MAX 64
#define LOGIN_NAME_MAX 255

#define FIELD(type, object, d) ((type *)(void *)((char *)(object) + (d)->field))

static struct span
argument(const struct grammar_line *line, size_t n)
{
	return line->words[n + 1].text;
}

/* ---- table ---- */

static bool
is_table_name(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		char c = ascii_lower(word.at[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
			return false;
	}
	return word.len > 0 && word.len <= TABLE_NAME_MAX && !span_equal(word, SPAN("system"));
}

static enum config_table_type
table_type(struct parse *p, const struct grammar_line *line)
{
	static const char *const types[] = {"file", "pcre", "cidr", "sqlite"};
	struct span word = argument(line, 1);
	bool is_planned = span_equal(word, SPAN("socketmap")) || span_equal(word, SPAN("program"));

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (span_equal(word, span_of(types[i])))
			return CONFIG_TABLE_FILE + (enum config_table_type)i;
	parse_mistake(p, line->words[2].column,
		      "`%.*s`: %sexpected `file`, `pcre`, `cidr` or `sqlite`", SPAN_ARG(word),
		      is_planned ? "this version of Culver does not know it yet; " : "");
	return CONFIG_TABLE_FILE;
}

static void
take_query(struct parse *p, const struct grammar_line *line, struct config_table *table)
{
	size_t marks = 0;

	if (table->type != CONFIG_TABLE_SQLITE) {
		if (line->count > 4)
			parse_mistake(p, line->words[4].column,
				      "`%.*s` is too much here; only `sqlite` takes a query",
				      SPAN_ARG(argument(line, 3)));
		return;
	}
	if (line->count < 5) {
		parse_mistake(p, line->end,
			      "expected a query behind the path, like \"SELECT address FROM "
			      "aliases WHERE name = ?\"");
		return;
	}
	for (size_t i = 0; i < argument(line, 3).len; i++)
		marks += argument(line, 3).at[i] == '?';
	if (marks == 0)
		parse_mistake(p, line->words[4].column,
			      "expected a query with one `?`, for which the address is put");
	table->query = parse_keep(p, argument(line, 3));
}

void
take_table(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config *c = object;
	struct config_table *tables =
		parse_grow(p, c->named_tables, c->named_table_count, sizeof(*tables));
	struct span name = argument(line, 0), path = argument(line, 2);
	struct config_table *table;

	(void)d;
	if (tables == NULL)
		return;
	if (!is_table_name(name))
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected a name of at most %d letters, digits, `-` and `_` "
			      "(and not `system`)",
			      SPAN_ARG(name), TABLE_NAME_MAX);
	if (value_path(path, &path) < 0)
		parse_mistake(p, line->words[3].column,
			      "`%.*s`: expected a path that begins with `/`, without `.` and `..` "
			      "in it",
			      SPAN_ARG(path));
	for (size_t i = 0; i < c->named_table_count; i++)
		if (tables[i].name != NULL && span_equal(span_of(tables[i].name), name))
			parse_mistake(p, line->words[1].column, "the table `%.*s` is here twice",
				      SPAN_ARG(name));
	c->named_tables = tables;
	table = &tables[c->named_table_count++];
	*table = (struct config_table){.name = parse_keep(p, name), .path = parse_keep(p, path)};
	table->type = table_type(p, line);
	take_query(p, line, table);
}

/* ---- tables of a domain ---- */

static void
take_word(struct parse *p, const struct grammar_line *line, size_t n, struct config_tables *to)
{
	struct span word = argument(line, n), path = word;
	struct parse_use *uses = parse_grow(p, p->uses, p->use_count, sizeof(*uses));
	char *kept;

	if (uses == NULL)
		return;
	p->uses = uses;
	if (span_starts(word, SPAN("/"))) {
		if (value_path(word, &path) < 0)
			parse_mistake(p, line->words[n + 1].column,
				      "`%.*s`: expected a path below `/` without `.` and `..` in "
				      "it, of at most %d bytes",
				      SPAN_ARG(word), VALUE_PATH_MAX);
	}
	kept = parse_keep(p, path);
	if (kept == NULL)
		return;
	to->words[to->count++] = kept;
	if (p->is_silent)
		return;
	uses[p->use_count] =
		(struct parse_use){.word = kept,
				   .at = p->at,
				   .is_users = span_equal(line->words[0].text, SPAN("users"))};
	uses[p->use_count++].at.column = line->words[n + 1].column;
}

void
take_tables(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	struct config_tables *to = FIELD(struct config_tables, object, d);

	to->count = 0;
	to->words = arena_alloc(&p->config->arena, (line->count - 1) * sizeof(char *));
	if (to->words == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i + 1 < line->count; i++)
		take_word(p, line, i, to);
}

void
take_users(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config_domain *domain = object;

	domain->users_system = span_equal(argument(line, 0), SPAN("system"));
	if (domain->users_system)
		domain->tables[CONFIG_USERS].count = 0;
	else
		take_tables(p, d, line, object);
}

void
take_as(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct span word = argument(line, 0);

	if (word.len == 0 || word.len > LOGIN_NAME_MAX || span_equal(word, SPAN("root")))
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected the login name of a user who is not root",
			      SPAN_ARG(word));
	*FIELD(char *, object, d) = parse_keep(p, word);
}

void
take_catch_all(struct parse *p, const struct directive *d, const struct grammar_line *line,
	       void *object)
{
	struct span word = argument(line, 0);
	bool is_local = address_domain_of(word).len == 0;
	char text[ADDRESS_MAX + sizeof("@localhost")];
	struct address address;

	snprintf(text, sizeof(text), "%.*s%s", (int)(word.len < ADDRESS_MAX ? word.len : 0),
		 word.at, is_local ? "@localhost" : "");
	if (address_mailbox(span_of(text), &address) != ADDRESS_OK) {
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected an address, or a name of this domain",
			      SPAN_ARG(word));
		return;
	}
	*FIELD(char *, object, d) = parse_keep(
		p, span_from(address.text, is_local ? address.domain_at - 1 : address.len));
}

void
take_relay(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	*FIELD(char *, object, d) = parse_hops(p, line);
}

/* ---- all of them ---- */

static void
check_use(struct parse *p, const struct parse_use *use)
{
	struct config_table table;

	if (config_table_find(p->config, use->word, &table) < 0) {
		mistake_add(p->errors, use->at.file, use->at.line, use->at.column,
			    "`%s`: there is no `table` of this name; expected %sthe path of a text "
			    "table, which begins with `/`, or the name of a `table`",
			    use->word, use->is_users ? "`system`, " : "");
		return;
	}
	if (table.type == CONFIG_TABLE_CIDR)
		mistake_add(p->errors, use->at.file, use->at.line, use->at.column,
			    "`%s`: a table of networks knows no mail addresses; expected one of "
			    "another kind",
			    use->word);
}

/* ends_here - is there a way to a mailbox that is not another server's? */
static bool
ends_here(const struct config_domain *d)
{
	bool ends = d->deliver.ending != CONFIG_LMTP;

	for (size_t i = 0; i < d->delivery_count; i++)
		ends = ends || d->deliveries[i].ending != CONFIG_LMTP;
	return ends;
}

/* is_within_home - a way to a mailbox that a virtual user can have, whose agent is confined to his home */
static bool
is_within_home(const struct config_domain *d, const struct config_delivery *v)
{
	bool is_box = v->ending == CONFIG_MAILDIR || v->ending == CONFIG_MBOX;
	const char *tail;

	if (!is_box || v->path == NULL || mailbox_is_at_home(v->path))
		return true;
	tail = v == &d->deliver && d->home == NULL ? mailbox_tail(v->path) : NULL;
	return tail != NULL && (v->ending == CONFIG_MAILDIR || tail[0] != '\0');
}

/* wrong_virtual - what is wrong with the ways to the mailboxes of `users TABLE`; NULL: nothing */
static const char *
wrong_virtual(const struct config_domain *d)
{
	if (!is_within_home(d, &d->deliver))
		return "beside `users TABLE` expected `deliver lmtp`, a command, a path below "
		       "`~/` and a line `home`, or without `home` `deliver maildir` with a path "
		       "that begins with `/` and has `{user}` in it, like "
		       "/var/mail/{domain}/{user}";
	for (size_t i = 0; i < d->delivery_count; i++)
		if (!is_within_home(d, &d->deliveries[i]))
			return "beside `users TABLE` the path of a `delivery` begins with `~/`, "
			       "the home of the virtual user";
	if (ends_here(d) && config_homes(d) != NULL && mailbox_tail(config_homes(d)) == NULL)
		return "beside `users TABLE` expected `home PATH`, where they are at home, like "
		       "/var/vmail/{domain}/{user}";
	return NULL;
}

static void
check_domain(struct parse *p, size_t n, bool as_root)
{
	const struct config_domain *domain = &p->config->domains[n];
	const struct parse_position *at = &p->domain_at[n];
	struct config_table table;
	bool has_table =
		domain->tables[CONFIG_USERS].count > 0 &&
		config_table_find(p->config, domain->tables[CONFIG_USERS].words[0], &table) == 0;
	const char *wrong = NULL;

	if (domain->relay != NULL && has_table)
		wrong = "`relay` and `users` exclude one another: what is relayed has no mailbox";
	else if (domain->relay != NULL && domain->as_user != NULL)
		wrong = "`relay` and `as` exclude one another: what is relayed has no mailbox";
	else if (domain->is_verified && config_verified_hops(domain) == NULL)
		wrong = "`recipients verify` stands beside `relay` or `deliver lmtp` only: there "
			"must be a next hop to be asked";
	else if (domain->is_verified && domain->tables[CONFIG_USERS].count > 0)
		wrong = "`recipients verify` and `users` exclude one another: the next hop knows "
			"who is there";
	else if (domain->relay == NULL && domain->tables[CONFIG_RECIPIENTS].count > 0)
		wrong = "`recipients` stands beside `relay` only; whose mailboxes are here says "
			"`users`";
	else if (domain->as_user != NULL && domain->tables[CONFIG_USERS].count == 0)
		wrong = "`as` stands beside `users TABLE` only; a user of the system is himself";
	else if (domain->home != NULL && domain->tables[CONFIG_USERS].count == 0)
		wrong = "`home` stands beside `users TABLE` only; the system knows where its users "
			"are at home";
	else if (domain->relay != NULL &&
		 (domain->delivery_count > 0 || domain->tables[CONFIG_DELIVER_BY].count > 0))
		wrong = "`relay` excludes `delivery` and `deliver-by`: what is relayed has no "
			"mailbox";
	else if (has_table && domain->as_user == NULL && as_root && ends_here(domain))
		wrong = "expected `as USER` beside `users TABLE`: who owns the mailboxes";
	else if (has_table)
		wrong = wrong_virtual(domain);
	if (wrong != NULL)
		mistake_add(p->errors, at->file, at->line, at->column, "%s", wrong);
}

void
parse_finish_domains(struct parse *p, bool as_root)
{
	struct config *c = p->config;

	for (size_t i = 0; i < p->use_count; i++)
		check_use(p, &p->uses[i]);
	for (size_t i = 0; i < c->domain_count; i++) {
		if (c->domains[i].relay != NULL || c->domains[i].is_verified)
			c->domains[i].users_system = false;
		check_domain(p, i, as_root);
	}
}

int
config_table_find(const struct config *c, const char *word, struct config_table *table)
{
	if (word[0] == '/') {
		*table = (struct config_table){word, CONFIG_TABLE_FILE, word, NULL};
		return 0;
	}
	for (size_t i = 0; i < c->named_table_count; i++)
		if (c->named_tables[i].name != NULL && strcmp(c->named_tables[i].name, word) == 0) {
			*table = c->named_tables[i];
			return 0;
		}
	return -1;
}
