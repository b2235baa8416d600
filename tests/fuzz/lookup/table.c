/*
 * table - any text as a table of each kind that has lines, asked for any key (the first line)
 *
 * Whatever it says: it is opened, each mistake has a line of the text, the same key has the same answer twice, and a value that is
 * found lies within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/tables.h"
#include "lookup/virtual.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;
static size_t lines;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	(void)owner;
	must(line >= 1 && line <= lines && column >= 1 && text[0] != '\0');
}

static void
ask(const struct table_module *m, struct span text, struct span key)
{
	struct table_source s = {.path = "x", .len = text.len, .reader = {NULL, on_wrong}};
	struct table_answer first = {SPAN_NONE, NULL}, second = {SPAN_NONE, NULL};
	const struct alias_entry *entry;
	char reason[TABLE_REASON_MAX];
	enum table_outcome outcome;
	void *content;

	s.text = malloc(text.len + 1);
	must(s.text != NULL);
	memcpy(s.text, text.at, text.len);
	content = m->open(&s);
	must(content != NULL);
	outcome = m->find(content, key, &arena, &first, reason);
	must(m->find(content, key, &arena, &second, reason) == outcome);
	if (outcome == TABLE_FOUND) {
		must(first.entry == second.entry);
		must(span_equal(first.value, second.value) && first.value.len <= 65536 + text.len);
		must(virtual_parse(&first, &arena, &entry) == 0);
		must(entry->value_count <= ALIASES_VALUES_MAX);
	}
	m->close(content);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size), key = span_cut(&text, '\n');

	if (size == 0 || key.len > RULES_KEY_MAX)
		return 0;
	if (arena.max == 0)
		arena_init(&arena, 64u << 20);
	arena_reset(&arena);
	lines = 1;
	for (size_t i = 0; i < text.len; i++)
		lines += text.at[i] == '\n';
	ask(&table_aliases, text, key);
	ask(&table_text, text, key);
	ask(&table_pcre, text, key);
	ask(&table_cidr, text, key);
	return 0;
}
