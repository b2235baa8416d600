/*
 * alias - see alias.h
 */
#include "local/alias.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
alias_table(const struct config *c, const struct config_domain *d, struct span word)
{
	const struct config_tables *tables = &d->tables[CONFIG_ALIASES];
	struct config_table table;

	for (size_t i = 0; i < tables->count; i++)
		if (span_equal(span_of(tables->words[i]), word) &&
		    config_table_find(c, tables->words[i], &table) == 0 &&
		    table.type == CONFIG_TABLE_FILE)
			return table.path;
	return NULL;
}

int
alias_open(const char *path, uid_t *owner, const char **why)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		*why = strerror(errno);
	} else if (!S_ISREG(st.st_mode)) {
		*why = "is no regular file";
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		*why = "may be written by others than its owner: its commands are not run";
	} else {
		*owner = st.st_uid;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* one name that is looked for */
struct search {
	struct span name;
	struct arena *arena;
	struct list *list;
	bool is_found, failed;
};

static void
on_entry(void *owner, const struct alias_entry *e)
{
	struct search *s = owner;
	struct list *l = s->list;

	/* the first of a name counts */
	if (s->is_found || !span_equal(e->name, s->name))
		return;
	s->is_found = true;
	l->values = arena_alloc(s->arena, (e->value_count + 1) * sizeof(*l->values));
	for (size_t i = 0; i < e->value_count && l->values != NULL; i++) {
		l->values[i] = e->values[i];
		l->values[i].text = arena_span(s->arena, e->values[i].text);
		s->failed = s->failed || l->values[i].text.at == NULL;
	}
	if (l->values == NULL)
		s->failed = true;
	else
		l->count = l->room = e->value_count;
}

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	/* lookup tells of it, and `culver check` */
	(void)owner;
	(void)line;
	(void)column;
	(void)text;
}

int
alias_read(int fd, struct span name, struct arena *arena, struct list *list, const char **why)
{
	struct search s = {.name = name, .arena = arena, .list = list};
	struct arena parsed;
	struct stat st;
	int done = -1;
	char *text = NULL;

	*list = (struct list){.count = 0};
	*why = "out of memory";
	arena_init(&parsed, 4 * (size_t)ALIAS_FILE_MAX);
	if (fstat(fd, &st) < 0)
		*why = strerror(errno);
	else if (st.st_size > ALIAS_FILE_MAX)
		*why = "is longer than 64 MB";
	else if ((text = arena_alloc(&parsed, (size_t)st.st_size + 1)) != NULL) {
		ssize_t n = pread(fd, text, (size_t)st.st_size, 0);

		if (n != st.st_size)
			*why = n < 0 ? strerror(errno) : "changes while it is read";
		else if (aliases_parse(span_from(text, (size_t)n), &parsed, on_entry, on_wrong,
				       &s) == 0 &&
			 !s.failed)
			done = 0;
	}
	arena_free(&parsed);
	close(fd);
	return done;
}
