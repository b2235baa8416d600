/*
 * mistakes - see mistakes.h; also config_errors_* of config.h
 */
#include <stdarg.h>
#include <stdio.h>

#include "common/config/mistakes.h"

#define ERRORS_MEMORY_MAX (1u << 20)
#define NEAREST_WORD_MAX 40 /* longer words are nobody's slip */

void
config_errors_init(struct config_errors *e)
{
	e->count = 0;
	arena_init(&e->arena, ERRORS_MEMORY_MAX);
}

void
config_errors_free(struct config_errors *e)
{
	arena_free(&e->arena);
	e->count = 0;
}

void
config_errors_print(const struct config_errors *e, struct buffer *to)
{
	size_t kept = e->count < CONFIG_ERRORS_MAX ? e->count : CONFIG_ERRORS_MAX;

	for (size_t i = 0; i < kept; i++) {
		const struct config_error *error = &e->list[i];

		if (error->line > 0)
			buffer_format(to, "%s:%u:%u: %s\n", error->file, error->line, error->column,
				      error->text);
		else
			buffer_format(to, "%s: %s\n", error->file, error->text);
	}
	if (e->count > kept)
		buffer_format(to, "and %zu mistakes more\n", e->count - kept);
}

void
mistake_add(struct config_errors *e, struct span file, unsigned line, unsigned column,
	    const char *format, ...)
{
	char text[MISTAKE_TEXT_MAX];
	struct config_error *error;
	va_list args;
	int len;

	if (e->count >= CONFIG_ERRORS_MAX) {
		e->count++;
		return;
	}
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		len = 0;
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	error = &e->list[e->count++];
	*error = (struct config_error){.line = line, .column = column};
	error->file = arena_string(&e->arena, file);
	error->text = arena_string(&e->arena, span_from(text, (size_t)len));
	if (error->file == NULL || error->text == NULL) {
		static char none[] = "(no memory to say it)";

		error->file = error->file != NULL ? error->file : none;
		error->text = none;
	}
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* insertions, deletions, replacements and neighbours exchanged (optimal string alignment) */
static size_t
distance(struct span a, struct span b)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b.len; j++)
		above[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		char c = ascii_lower(a.at[i - 1]);

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			char d = ascii_lower(b.at[j - 1]);

			row[j] = least(above[j - 1] + (c == d ? 0 : 1),
				       least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && c == ascii_lower(b.at[j - 2]) &&
			    d == ascii_lower(a.at[i - 2]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		size_t *free_row = before;

		before = above;
		above = row;
		row = free_row;
	}
	return above[b.len];
}

void
nearest_start(struct nearest *n, struct span word)
{
	*n = (struct nearest){.word = word, .distance = word.len / 3 + 2};
}

void
nearest_offer(struct nearest *n, const char *known)
{
	struct span k = span_of(known);
	size_t d;

	if (n->word.len == 0 || n->word.len > NEAREST_WORD_MAX || k.len > NEAREST_WORD_MAX)
		return;
	d = distance(n->word, k);
	if (d < n->distance && d < k.len) {
		n->distance = d;
		n->best = known;
	}
}
