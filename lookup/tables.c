/*
 * tables - text tables, read whole, found by a hash of the name; called by aliases.c and main.c
 *
 * States of a table: never looked at; read (`content`); in trouble (`error`), with or without an old content, which is not served
 * meanwhile but compared with.
 */
#include "lookup/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"

#define MISTAKES_TOLD_MAX 20 /* of one reading; the rest is counted */

/* what one reading of the file gave */
struct content {
	char *text;
	struct arena arena;
	struct alias_entry *entries;
	size_t entry_count, entry_room;
	uint32_t *slots; /* index + 1 of the entry, 0: free; a power of two of them */
	size_t slot_count;
	const char *path;
	size_t mistakes;
	bool out_of_memory;
};

struct table {
	char *path;
	struct content *content;
	struct stat loaded; /* of the file when `content` was read from it */
	struct stat seen;   /* at the last look */
	int error;	    /* why it cannot be read; 0: it can */
	bool looked;
	int64_t looked_at_ms;
	struct table *next;
};

struct tables {
	struct table *first;
};

struct tables *
tables_new(void)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal(EXIT_OS, ENOMEM, "tables");
	return t;
}

static void
content_free(struct content *c)
{
	if (c == NULL)
		return;
	arena_free(&c->arena);
	free(c->entries);
	free(c->slots);
	free(c->text);
	free(c);
}

void
tables_free(struct tables *t)
{
	while (t->first != NULL) {
		struct table *table = t->first;

		t->first = table->next;
		content_free(table->content);
		free(table->path);
		free(table);
	}
	free(t);
}

/* ---- reading ---- */

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct content *c = owner;

	if (++c->mistakes <= MISTAKES_TOLD_MAX)
		EVENT("table-mistake", event_string("path", c->path), event_number("line", line),
		      event_number("column", column), event_string("reason", text));
}

static void
on_entry(void *owner, const struct alias_entry *e)
{
	struct content *c = owner;

	if (c->entry_count == c->entry_room) {
		size_t room = c->entry_room > 0 ? 2 * c->entry_room : 256;
		struct alias_entry *wider = reallocarray(c->entries, room, sizeof(*wider));

		if (wider == NULL) {
			c->out_of_memory = true;
			return;
		}
		c->entries = wider;
		c->entry_room = room;
	}
	c->entries[c->entry_count++] = *e;
}

/* the slot where `name` is, or would be */
static uint32_t *
slot_of(const struct content *c, struct span name)
{
	size_t i = checksum_of(name.at, name.len) & (c->slot_count - 1);

	while (c->slots[i] != 0 && !span_equal(c->entries[c->slots[i] - 1].name, name))
		i = (i + 1) & (c->slot_count - 1);
	return &c->slots[i];
}

static int
index_entries(struct content *c)
{
	c->slot_count = 16;
	while (c->slot_count < 2 * c->entry_count)
		c->slot_count *= 2;
	c->slots = calloc(c->slot_count, sizeof(*c->slots));
	if (c->slots == NULL)
		return -1;
	for (size_t i = 0; i < c->entry_count; i++) {
		uint32_t *slot = slot_of(c, c->entries[i].name);

		if (*slot == 0)
			*slot = (uint32_t)i + 1;
		else
			on_wrong(c, c->entries[i].line, 1,
				 "this name stands in the table already: the first line counts");
	}
	return 0;
}

/* content_parse - takes `text`; NULL and errno */
static struct content *
content_parse(const char *path, char *text, size_t len)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		free(text);
		errno = ENOMEM;
		return NULL;
	}
	c->path = path;
	c->text = text;
	arena_init(&c->arena, TABLE_MEMORY_MAX);
	if (aliases_parse(span_from(text, len), &c->arena, on_entry, on_wrong, c) < 0 ||
	    c->out_of_memory || index_entries(c) < 0) {
		content_free(c);
		errno = ENOMEM;
		return NULL;
	}
	return c;
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

static void
trouble(struct table *table, int error)
{
	if (table->error != error)
		EVENT("table-trouble", event_string("path", table->path),
		      event_string("reason", error == EINVAL  ? "not a regular file"
					     : error == EFBIG ? "the file is too large"
							      : strerror(error)));
	table->error = error;
}

static void
load(struct table *table)
{
	int64_t start_us = clock_monotonic_us();
	struct content *c;
	struct stat version;
	size_t len;
	char *text = file_read(table->path, &version, &len);

	if (text == NULL || (c = content_parse(table->path, text, len)) == NULL) {
		trouble(table, errno);
		return;
	}
	content_free(table->content);
	table->content = c;
	table->loaded = version;
	table->error = 0;
	EVENT("table-read", event_string("path", table->path),
	      event_number("entries", (int64_t)c->entry_count),
	      event_number("mistakes", (int64_t)c->mistakes),
	      event_number("took_us", clock_monotonic_us() - start_us));
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
		trouble(table, errno);
		return;
	}
	table->seen = now;
	if (table->content != NULL && is_same_version(&now, &table->loaded)) {
		table->error = 0;
		return;
	}
	if (table->content != NULL && table->error == 0 && is_same_file(&now, &table->loaded) &&
	    !is_same_version(&now, &before))
		return; /* perhaps half written: the next look tells */
	load(table);
}

static struct table *
table_of(struct tables *t, const char *path)
{
	struct table *table;

	for (table = t->first; table != NULL; table = table->next)
		if (strcmp(table->path, path) == 0)
			return table;
	table = calloc(1, sizeof(*table));
	if (table == NULL || (table->path = strdup(path)) == NULL) {
		free(table);
		return NULL;
	}
	table->next = t->first;
	t->first = table;
	return table;
}

enum table_outcome
tables_find(struct tables *t, const char *path, struct span name, int64_t now_ms,
	    const struct alias_entry **entry)
{
	struct table *table = table_of(t, path);
	const uint32_t *slot;

	if (table == NULL)
		return TABLE_TROUBLE;
	look(table, now_ms);
	if (table->error != 0 || table->content == NULL)
		return TABLE_TROUBLE;
	slot = slot_of(table->content, name);
	if (*slot == 0)
		return TABLE_ABSENT;
	*entry = &table->content->entries[*slot - 1];
	return TABLE_FOUND;
}

void
tables_preload(struct tables *t, const struct config *c)
{
	for (size_t i = 0; i < c->domain_count; i++) {
		for (size_t j = 0; j < c->domains[i].alias_count; j++) {
			struct table *table = table_of(t, c->domains[i].aliases[j]);

			if (table != NULL)
				look(table, clock_monotonic_ms());
		}
	}
}
