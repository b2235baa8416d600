/*
 * tables - see tables.h; called by aliases.c, virtual.c and main.c
 *
 * States of a table: never looked at; read (`content`); in trouble (`error`), with or without an old content, which is not served
 * meanwhile but compared with.
 */
#include "lookup/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

#define MISTAKES_TOLD_MAX 20  /* of one reading; the rest is counted */
#define TROUBLE_TOLD_MS 10000 /* a table that does not answer is told of at most that often */
#define ERROR_OTHER (-1)      /* none of errno */

struct table {
	char *word;
	enum config_table_type type;
	const char *path, *query; /* the configuration's, or within `word` */
	const struct table_module *module;
	void *content;
	struct stat loaded; /* of the file when `content` was read from it */
	struct stat seen;   /* at the last look */
	int error;	    /* why it cannot be read; 0: it can */
	bool looked;
	int64_t looked_at_ms, tell_again_ms;
	struct table *next;
};

struct tables {
	const struct config *config;
	struct table *first;
};

/* what one reading found wrong */
struct mistakes {
	const char *path;
	size_t count;
};

struct tables *
tables_new(const struct config *config)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal(EXIT_OS, ENOMEM, "tables");
	t->config = config;
	return t;
}

static void
forget(struct table *table)
{
	if (table->content != NULL)
		table->module->close(table->content);
	table->content = NULL;
}

void
tables_free(struct tables *t)
{
	while (t->first != NULL) {
		struct table *table = t->first;

		t->first = table->next;
		forget(table);
		free(table->word);
		free(table);
	}
	free(t);
}

/* ---- reading ---- */

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct mistakes *m = owner;

	if (++m->count <= MISTAKES_TOLD_MAX)
		EVENT("table-mistake", event_string("path", m->path), event_number("line", line),
		      event_number("column", column), event_string("reason", text));
}

static bool
is_same_version(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* file_read - the whole file; *version is what it was before it was read.  NULL and errno. */
static char *
file_read(const char *path, struct stat *version, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	size_t have = 0;
	int error = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, version) < 0)
		error = errno;
	else if (!S_ISREG(version->st_mode))
		error = EINVAL;
	else if ((uint64_t)version->st_size > TABLE_MAX)
		error = EFBIG;
	else if ((text = malloc((size_t)version->st_size + 1)) == NULL)
		error = ENOMEM;
	while (error == 0 && have < (size_t)version->st_size) {
		ssize_t n = read(fd, text + have, (size_t)version->st_size - have);

		if (n < 0 && errno != EINTR)
			error = errno;
		else if (n == 0) /* cut while it was read: the next look finds another version */
			break;
		else if (n > 0)
			have += (size_t)n;
	}
	close(fd);
	*len = have;
	if (error == 0)
		return text;
	free(text);
	errno = error;
	return NULL;
}

/* trouble - `reason` NULL: as errno says */
static void
trouble(struct table *table, int error, const char *reason)
{
	if (reason == NULL)
		reason = error == EINVAL  ? "not a regular file"
			 : error == EFBIG ? "the file is too large"
					  : strerror(error);
	if (table->error != error)
		EVENT("table-trouble", event_string("path", table->path),
		      event_string("reason", reason));
	table->error = error;
}

static void
load(struct table *table, const struct stat *now)
{
	int64_t start_us = clock_monotonic_us();
	struct mistakes mistakes = {.path = table->path};
	struct table_source s = {
		.path = table->path, .query = table->query, .reader = {&mistakes, on_wrong}};
	struct stat version = *now;
	void *content;

	if (table->module->is_database) {
		if (!S_ISREG(now->st_mode)) {
			trouble(table, EINVAL, NULL);
			return;
		}
	} else {
		s.text = file_read(table->path, &version, &s.len);
		if (s.text == NULL) {
			trouble(table, errno, NULL);
			return;
		}
	}
	content = table->module->open(&s);
	if (content == NULL) {
		trouble(table, s.reason[0] != '\0' ? ERROR_OTHER : ENOMEM,
			s.reason[0] != '\0' ? s.reason : NULL);
		return;
	}
	forget(table);
	table->content = content;
	table->loaded = version;
	table->error = 0;
	EVENT("table-read", event_string("path", table->path),
	      event_number("entries", (int64_t)s.entries),
	      event_number("mistakes", (int64_t)mistakes.count),
	      event_number("took_us", clock_monotonic_us() - start_us));
}

/* is_current - the content is that of the file, as far as we have to know */
static bool
is_current(const struct table *table, const struct stat *now)
{
	if (table->content == NULL)
		return false;
	if (table->module->is_database)
		return is_same_file(now, &table->loaded);
	return is_same_version(now, &table->loaded);
}

/* look - is the file still the one we have read? */
static void
look(struct table *table, int64_t now_ms)
{
	struct stat now, before = table->seen;

	if (table->looked && now_ms - table->looked_at_ms < TABLES_LOOK_MS)
		return;
	table->looked = true;
	table->looked_at_ms = now_ms;
	if (stat(table->path, &now) < 0) {
		trouble(table, errno, NULL);
		return;
	}
	table->seen = now;
	if (is_current(table, &now)) {
		table->error = 0;
		return;
	}
	if (table->content != NULL && table->error == 0 && is_same_file(&now, &table->loaded) &&
	    !is_same_version(&now, &before))
		return; /* perhaps half written: the next look tells */
	load(table, &now);
}

static const struct table_module *
module_of(enum config_table_type type, bool is_for_aliases)
{
	switch (type) {
	case CONFIG_TABLE_FILE:
		return is_for_aliases ? &table_aliases : &table_text;
	case CONFIG_TABLE_PCRE:
		return &table_pcre;
	case CONFIG_TABLE_CIDR:
		return &table_cidr;
	case CONFIG_TABLE_SQLITE:
		return &table_sqlite;
	}
	return &table_text;
}

/* table_of - one that is used both for aliases and else is read twice, since a text table is read differently */
static struct table *
table_of(struct tables *t, const char *word, enum config_use use)
{
	struct config_table found;
	struct table *table;

	for (table = t->first; table != NULL; table = table->next)
		if (strcmp(table->word, word) == 0 &&
		    table->module == module_of(table->type, use == CONFIG_ALIASES))
			return table;
	table = calloc(1, sizeof(*table));
	if (table == NULL || (table->word = strdup(word)) == NULL ||
	    config_table_find(t->config, table->word, &found) < 0) {
		if (table != NULL)
			free(table->word);
		free(table);
		return NULL;
	}
	table->type = found.type;
	table->path = found.path;
	table->query = found.query;
	table->module = module_of(found.type, use == CONFIG_ALIASES);
	table->next = t->first;
	t->first = table;
	return table;
}

enum table_outcome
tables_find(struct tables *t, const char *word, enum config_use use, struct span key,
	    int64_t now_ms, struct arena *arena, struct table_answer *answer)
{
	struct table *table = table_of(t, word, use);
	char reason[TABLE_REASON_MAX] = "";
	enum table_outcome outcome;

	if (table == NULL)
		return TABLE_TROUBLE;
	look(table, now_ms);
	if (table->error != 0 || table->content == NULL)
		return TABLE_TROUBLE;
	outcome = table->module->find(table->content, key, arena, answer, reason);
	if (outcome == TABLE_TROUBLE && now_ms >= table->tell_again_ms) {
		table->tell_again_ms = now_ms + TROUBLE_TOLD_MS;
		EVENT("table-trouble", event_string("path", table->path),
		      event_string("reason", reason));
	}
	return outcome;
}

bool
tables_is_whole(const struct tables *t, const char *word)
{
	struct config_table table;

	return config_table_find(t->config, word, &table) == 0 &&
	       module_of(table.type, false)->is_whole;
}

void
tables_preload(struct tables *t)
{
	const struct config *c = t->config;

	for (size_t i = 0; i < c->domain_count; i++) {
		for (size_t use = 0; use < CONFIG_USES; use++) {
			const struct config_tables *tables = &c->domains[i].tables[use];

			for (size_t j = 0; j < tables->count; j++) {
				struct table *table =
					table_of(t, tables->words[j], (enum config_use)use);

				if (table != NULL)
					look(table, clock_monotonic_ms());
			}
		}
	}
	for (size_t i = 0; i < c->auth.senders.count; i++) {
		struct table *table = table_of(t, c->auth.senders.words[i], CONFIG_RECIPIENTS);

		if (table != NULL)
			look(table, clock_monotonic_ms());
	}
}
