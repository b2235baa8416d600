/*
 * aliases - any text as a table
 *
 * Entries come in the order of their lines, names are lower case and not empty, values that are addresses are canonical:
 * address_mailbox gives them back unchanged.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/config/aliases.h"
#include "common/mail/address.h"

struct seen {
	struct span text;
	unsigned line, mistakes;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
on_entry(void *owner, const struct alias_entry *e)
{
	struct seen *seen = owner;
	struct address a;
	char whole[1024];

	must(e->line > seen->line && e->name.len > 0 && e->name.len <= ALIASES_NAME_MAX);
	seen->line = e->line;
	for (size_t i = 0; i < e->name.len; i++)
		must(ascii_lower(e->name.at[i]) == e->name.at[i]);
	must(e->value_count > 0 || seen->mistakes > 0);
	for (size_t i = 0; i < e->value_count; i++) {
		const struct alias_value *v = &e->values[i];
		bool is_local;

		must(v->text.len > 0);
		if (v->kind != ALIAS_ADDRESS)
			continue;
		is_local = span_ends(v->text, SPAN("\"")) || address_domain_of(v->text).len == 0;
		int len = snprintf(whole, sizeof(whole), "%.*s%s", SPAN_ARG(v->text),
				   is_local ? "@localhost" : "");
		must(len > 0 && (size_t)len < sizeof(whole));
		must(address_mailbox(span_from(whole, (size_t)len), &a) == ADDRESS_OK);
		must(span_equal(span_from(a.text, a.len), span_from(whole, (size_t)len)));
	}
}

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct seen *seen = owner;

	must(line >= 1 && column >= 1 && text[0] != '\0');
	must(column <= seen->text.len + 1);
	seen->mistakes++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {.text = span_from((const char *)data, size)};
	struct arena arena;

	arena_init(&arena, 16 << 20);
	must(aliases_parse(seen.text, &arena, on_entry, on_wrong, &seen) == 0);
	arena_free(&arena);
	return 0;
}
