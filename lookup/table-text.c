/*
 * table-text - lines `key value`, read whole
 */
#include <stdlib.h>

#include "lookup/index.h"
#include "lookup/tables.h"

struct pair {
	struct span key, value;
	unsigned line;
};

struct content {
	char *text;
	struct arena arena;
	struct pair *pairs;
	size_t pair_count, pair_room;
	struct index index;
	bool out_of_memory;
};

static void
close_text(void *content)
{
	struct content *c = content;

	arena_free(&c->arena);
	index_free(&c->index);
	free(c->pairs);
	free(c->text);
	free(c);
}

static void
on_line(void *owner, const struct rules_reader *reader, unsigned line, struct span text)
{
	struct content *c = owner;
	struct pair pair = {.line = line};

	if (!rules_pair(reader, line, text, &c->arena, &pair.key, &pair.value))
		return;
	if (c->pair_count == c->pair_room) {
		size_t room = c->pair_room > 0 ? 2 * c->pair_room : 256;
		struct pair *wider = reallocarray(c->pairs, room, sizeof(*wider));

		if (wider == NULL) {
			c->out_of_memory = true;
			return;
		}
		c->pairs = wider;
		c->pair_room = room;
	}
	c->pairs[c->pair_count++] = pair;
}

static struct span
key_of(const void *owner, size_t number)
{
	const struct content *c = owner;

	return c->pairs[number].key;
}

static void *
open_text(struct table_source *s)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		free(s->text);
		return NULL;
	}
	c->text = s->text;
	arena_init(&c->arena, TABLE_MEMORY_MAX);
	if (rules_each(span_from(s->text, s->len), &c->arena, &s->reader, on_line, c) < 0 ||
	    c->out_of_memory || index_init(&c->index, c->pair_count, key_of, c) < 0) {
		close_text(c);
		return NULL;
	}
	for (size_t i = 0; i < c->pair_count; i++)
		if (!index_add(&c->index, i))
			s->reader.wrong(
				s->reader.owner, c->pairs[i].line, 1,
				"this key stands in the table already: the first line counts");
	s->entries = c->pair_count;
	return c;
}

static enum table_outcome
find_text(void *content, struct span key, struct arena *arena, struct table_answer *answer,
	  char reason[TABLE_REASON_MAX])
{
	const struct content *c = content;
	int64_t number = index_find(&c->index, key);

	(void)arena;
	(void)reason;
	if (number < 0)
		return TABLE_ABSENT;
	*answer = (struct table_answer){c->pairs[number].value, NULL};
	return TABLE_FOUND;
}

const struct table_module table_text = {.open = open_text, .find = find_text, .close = close_text};
