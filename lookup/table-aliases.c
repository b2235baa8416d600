/*
 * table-aliases - a text table in the format of /etc/aliases, read whole
 */
#include <stdlib.h>

#include "lookup/index.h"
#include "lookup/tables.h"

struct content {
	char *text;
	struct arena arena;
	struct alias_entry *entries;
	size_t entry_count, entry_room;
	struct index index;
	const struct rules_reader *reader; /* while it is read */
	bool out_of_memory;
};

static void
close_aliases(void *content)
{
	struct content *c = content;

	arena_free(&c->arena);
	index_free(&c->index);
	free(c->entries);
	free(c->text);
	free(c);
}

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	const struct content *c = owner;

	c->reader->wrong(c->reader->owner, line, column, text);
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

static struct span
key_of(const void *owner, size_t number)
{
	const struct content *c = owner;

	return c->entries[number].name;
}

static void *
open_aliases(struct table_source *s)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		free(s->text);
		return NULL;
	}
	c->text = s->text;
	c->reader = &s->reader;
	arena_init(&c->arena, TABLE_MEMORY_MAX);
	if (aliases_parse(span_from(s->text, s->len), &c->arena, on_entry, on_wrong, c) < 0 ||
	    c->out_of_memory || index_init(&c->index, c->entry_count, key_of, c) < 0) {
		close_aliases(c);
		return NULL;
	}
	for (size_t i = 0; i < c->entry_count; i++)
		if (!index_add(&c->index, i))
			on_wrong(c, c->entries[i].line, 1,
				 "this name stands in the table already: the first line counts");
	c->reader = NULL;
	s->entries = c->entry_count;
	return c;
}

static enum table_outcome
find_alias(void *content, struct span key, struct arena *arena, struct table_answer *answer,
	   char reason[TABLE_REASON_MAX])
{
	const struct content *c = content;
	int64_t number = index_find(&c->index, key);

	(void)arena;
	(void)reason;
	if (number < 0)
		return TABLE_ABSENT;
	*answer = (struct table_answer){SPAN_NONE, &c->entries[number]};
	return TABLE_FOUND;
}

const struct table_module table_aliases = {
	.open = open_aliases, .find = find_alias, .close = close_aliases};
