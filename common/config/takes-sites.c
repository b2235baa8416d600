/*
 * takes-sites - what the rows of `site`, and `rate` of `limit`, do with their arguments; and the site of a host
 *
 * See takes.h.
 */
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"
#include "common/mail/domain.h"

#define BELOW SPAN("*.")

void
take_site(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct config *c = object;
	struct config_site *sites = parse_grow(p, c->sites, c->site_count, sizeof(*sites));
	struct config_site *site;

	(void)d;
	if (sites == NULL)
		return;
	c->sites = sites;
	site = &sites[c->site_count++];
	site->names = arena_alloc(&c->arena, line->count * sizeof(char *));
	if (site->names == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 1; i < line->count; i++) {
		struct span name = line->words[i].text;

		if (!domain_is_valid(span_starts(name, BELOW) ? span_skip(name, 2) : name))
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: expected the name of a mail host, like "
				      "mx.example.org, or *.example.org for all below it",
				      SPAN_ARG(name));
		site->names[site->name_count++] = parse_keep_lower(p, name);
	}
	p->opened = site;
}

void
take_rate(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	uint64_t *us = (uint64_t *)(void *)((char *)object + d->field);
	struct span word = line->words[1].text;

	*us = 0;
	if ((d->where & PLACE_LIMIT) != 0 && span_equal(word, SPAN("none")))
		return;
	if (value_rate(word, us) < 0)
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected a number of messages in a time, like 100/m, 5/10s "
			      "or 0.5/s",
			      SPAN_ARG(word));
}

/* ---- asked by queue-manager ---- */

static bool
is_name_of(struct span name, struct span pattern)
{
	if (!span_starts(pattern, BELOW))
		return span_equal_nocase(name, pattern);
	pattern = span_skip(pattern, 1);
	return name.len > pattern.len &&
	       span_equal_nocase(span_skip(name, name.len - pattern.len), pattern);
}

const struct config_site *
config_site_find(const struct config *c, struct span host)
{
	for (size_t i = 0; i < c->site_count; i++)
		for (size_t n = 0; n < c->sites[i].name_count; n++)
			if (is_name_of(host, span_of(c->sites[i].names[n])))
				return &c->sites[i];
	return NULL;
}
