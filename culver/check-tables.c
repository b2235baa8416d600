/*
 * check-tables - see check-tables.h; called by check.c
 */
#include "culver/check-tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/aliases.h"
#include "common/config/database.h"
#include "common/config/mailbox.h"
#include "common/config/pattern.h"
#include "common/config/rules.h"

#define TABLE_MAX (64u << 20) /* bytes of one table */
#define TABLE_MEMORY_MAX (512u << 20)

#define READ_SIZE ((size_t)64 << 10)

struct name {
	struct span name;
	unsigned line;
};

/* one table that is read, for one use */
struct table {
	const char *path;
	const struct config_domain *domain;
	enum config_use use;
	const struct config *logins; /* a value is the name of one, or `none`; NULL: of no login */
	struct arena arena;
	struct rules_nest nest;
	struct buffer *output;
	size_t mistakes, warnings;
	struct name *names;
	size_t name_count, name_size;
	bool no_memory;
};

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct table *t = owner;

	t->mistakes++;
	buffer_format(t->output, "%s:%u:%u: %s\n", t->path, line, column, text);
}

static void
keep_name(struct table *t, struct span name, unsigned line)
{
	if (t->name_count == t->name_size) {
		size_t size = t->name_size == 0 ? 256 : t->name_size * 2;
		struct name *names = reallocarray(t->names, size, sizeof(*names));

		if (names == NULL) {
			t->no_memory = true;
			return;
		}
		t->names = names;
		t->name_size = size;
	}
	t->names[t->name_count++] = (struct name){name, line};
}

static void
alias_entry(void *owner, const struct alias_entry *e)
{
	struct table *t = owner;

	keep_name(t, e->name, e->line);
}

static int
compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.at, y->name.at, len);

	if (order != 0)
		return order;
	if (x->name.len != y->name.len)
		return x->name.len < y->name.len ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static void
find_doubles(struct table *t)
{
	if (t->name_count > 1)
		qsort(t->names, t->name_count, sizeof(t->names[0]), compare_names);
	for (size_t i = 1; i < t->name_count; i++) {
		if (!span_equal(t->names[i - 1].name, t->names[i].name))
			continue;
		t->warnings++;
		buffer_format(t->output,
			      "%s:%u:1: warning: `%.*s` stands in line %u already; only the first "
			      "counts\n",
			      t->path, t->names[i].line, SPAN_ARG(t->names[i].name),
			      t->names[i - 1].line);
	}
}

/* 0, or -1 with errno */
static int
read_table(const char *path, struct buffer *content)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error = 0;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	while (error == 0) {
		char *at = buffer_reserve(content, READ_SIZE);
		ssize_t n = at != NULL ? read(fd, at, READ_SIZE) : 0;

		if (at == NULL)
			error = EFBIG;
		else if (n < 0 && errno != EINTR)
			error = errno;
		else if (n == 0)
			break;
		else if (n > 0)
			content->len += (size_t)n;
	}
	close(fd);
	errno = error;
	return error == 0 ? 0 : -1;
}

/* ---- what a line says ---- */

/* check_value - is it right for that use? */
static void
check_value(struct table *t, unsigned line, struct span value)
{
	struct alias_entry e = {.line = line};
	struct rules_user user;
	const char *wrong = NULL;

	switch (t->use) {
	case CONFIG_ALIASES:
	case CONFIG_VIRTUAL:
		if (aliases_values(value, line, &t->arena, &e, on_wrong, t) < 0)
			t->no_memory = true;
		return;
	case CONFIG_USERS:
		if (!rules_user(value, &user, &wrong))
			;
		else if (user.home.len > 0 && !mailbox_home_ok(config_homes(t->domain), user.home))
			wrong = "`home=` is not below the prefix of `home` or `deliver`";
		else if (config_delivery_find(t->domain, user.deliver) == NULL)
			wrong = "the domain has no `delivery` of the name behind `deliver=`";
		if (wrong != NULL)
			on_wrong(t, line, 1, wrong);
		return;
	case CONFIG_DELIVER_BY:
		if (value.len == 0 || config_delivery_find(t->domain, value) == NULL)
			on_wrong(t, line, 1,
				 "expected behind the key the name of a `delivery` of the domain");
		return;
	case CONFIG_RECIPIENTS:
		if (t->logins != NULL && !span_equal(value, SPAN("none")) &&
		    config_login_find(t->logins, value) == NULL)
			on_wrong(t, line, 1, "expected the name of a `login` block, or `none`");
		return;
	case CONFIG_USES:
		return;
	}
}

static void
text_line(void *owner, const struct rules_reader *r, unsigned line, struct span text)
{
	struct table *t = owner;
	struct span key, value;

	if (!rules_pair(r, line, text, &t->arena, &key, &value))
		return;
	keep_name(t, key, line);
	check_value(t, line, value);
}

static void
pattern_line(void *owner, const struct rules_reader *r, unsigned line, struct span text)
{
	struct table *t = owner;
	struct rules_pattern p;

	if (!rules_pattern(r, line, text, &p))
		return;
	if (p.kind != RULES_ENDIF) {
		pcre2_code *code = pattern_compile(r, &p);

		if (code == NULL)
			return;
		pcre2_code_free(code);
	}
	(void)rules_nest(r, &t->nest, p.kind, line);
	/* what its groups are put into is known at the match only */
	if (p.kind == RULES_MATCH && p.highest_group == 0)
		check_value(t, line, p.value);
}

static void
network_line(void *owner, const struct rules_reader *r, unsigned line, struct span text)
{
	struct table *t = owner;
	struct rules_network n;

	if (rules_network(r, line, text, &n))
		(void)rules_nest(r, &t->nest, n.kind, line);
}

/* ---- tables ---- */

static int
read_lines(struct table *t, enum config_table_type type, struct span text)
{
	const struct rules_reader reader = {t, on_wrong};
	int result = 0;

	switch (type) {
	case CONFIG_TABLE_FILE:
		if (t->use == CONFIG_ALIASES)
			return aliases_parse(text, &t->arena, alias_entry, on_wrong, t);
		return rules_each(text, &t->arena, &reader, text_line, t);
	case CONFIG_TABLE_PCRE:
		result = rules_each(text, &t->arena, &reader, pattern_line, t);
		break;
	case CONFIG_TABLE_CIDR:
		result = rules_each(text, &t->arena, &reader, network_line, t);
		break;
	case CONFIG_TABLE_SQLITE:
		return 0;
	}
	rules_nest_end(&reader, &t->nest);
	return result;
}

static void
check_database(struct table *t, const char *query)
{
	char reason[DATABASE_REASON_MAX] = "";
	struct database *d = database_open(t->path, query, reason);

	if (d == NULL) {
		t->mistakes++;
		buffer_format(t->output, "%s: %s\n", t->path, reason);
	}
	database_close(d);
}

static void
check_table(struct table *t, const struct config_table *table)
{
	struct buffer content;

	if (table->type == CONFIG_TABLE_SQLITE) {
		check_database(t, table->query);
		return;
	}
	buffer_init(&content, TABLE_MAX);
	arena_init(&t->arena, TABLE_MEMORY_MAX);
	if (read_table(t->path, &content) < 0) {
		t->mistakes++;
		buffer_format(t->output, "%s: cannot read: %s; expected a text table%s\n", t->path,
			      strerror(errno), t->use == CONFIG_ALIASES ? " of aliases" : "");
	} else if (read_lines(t, table->type, buffer_get(&content)) < 0 || t->no_memory) {
		t->mistakes++;
		buffer_format(t->output, "%s: too large\n", t->path);
	} else {
		find_doubles(t);
	}
	free(t->names);
	arena_free(&t->arena);
	buffer_free(&content);
}

/* is the word of this use in one of the tables before it? */
static bool
is_read(const struct config *c, size_t domain, enum config_use use, size_t n)
{
	const char *word = c->domains[domain].tables[use].words[n];

	/* each block has a prefix and deliveries of its own */
	for (size_t d = use == CONFIG_USERS || use == CONFIG_DELIVER_BY ? domain : 0; d <= domain;
	     d++) {
		const struct config_tables *tables = &c->domains[d].tables[use];

		for (size_t i = 0; i < tables->count; i++) {
			if (d == domain && i == n)
				return false;
			if (strcmp(tables->words[i], word) == 0)
				return true;
		}
	}
	return false;
}

/* tables of senders; a line's value is any words, or the name of one of `logins` */
static size_t
check_senders(const struct config *c, const struct config_tables *tables,
	      const struct config *logins, struct buffer *output)
{
	size_t mistakes = 0;

	for (size_t i = 0; i < tables->count; i++) {
		struct table t = {.use = CONFIG_RECIPIENTS, .logins = logins, .output = output};
		struct config_table table;

		if (config_table_find(c, tables->words[i], &table) < 0)
			continue;
		t.path = table.path;
		check_table(&t, &table);
		mistakes += t.mistakes;
	}
	return mistakes;
}

size_t
check_tables(const struct config *c, struct buffer *output)
{
	size_t mistakes = check_senders(c, &c->auth.senders, NULL, output) +
			  check_senders(c, &c->outbound.sent_as.senders, c, output);

	for (size_t i = 0; i < c->route_count; i++)
		mistakes += check_senders(c, &c->routes[i].sent_as.senders, c, output);
	for (size_t d = 0; d < c->domain_count; d++)
		for (size_t use = 0; use < CONFIG_USES; use++)
			for (size_t i = 0; i < c->domains[d].tables[use].count; i++) {
				struct table t = {.domain = &c->domains[d],
						  .use = (enum config_use)use,
						  .output = output};
				struct config_table table;

				if (is_read(c, d, t.use, i) ||
				    config_table_find(c, t.domain->tables[use].words[i], &table) <
					    0)
					continue;
				t.path = table.path;
				check_table(&t, &table);
				mistakes += t.mistakes;
			}
	return mistakes;
}
