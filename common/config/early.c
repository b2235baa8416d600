/*
 * early - what `early-delivery` says, and for whom: three levels, of which the innermost counts
 *
 * See config.h and takes.h; asked by the queue-manager (early.c).
 */
#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/takes.h"

void
take_early(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config_early_delivery *to =
		(struct config_early_delivery *)(void *)((char *)object + d->field);
	struct span word = line->words[1].text;
	struct directive time = *d;

	if (span_equal(word, SPAN("auto"))) {
		to->how = CONFIG_EARLY_AUTO;
		return;
	}
	if (span_equal(word, SPAN("off"))) {
		to->how = CONFIG_EARLY_OFF;
		return;
	}
	if (word.len == 0 || word.at[0] < '0' || word.at[0] > '9') {
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected `auto`, `off` or a time, like 5s", SPAN_ARG(word));
		return;
	}
	to->how = CONFIG_EARLY_WAIT;
	time.field = 0;
	take_number(p, &time, line, &to->wait);
}

/* the block's own; UNSAID: it has none, or there is no such block */
static struct config_early_delivery
own_of(const struct config *c, struct span block)
{
	const struct config_domain *d;

	if (span_equal(block, SPAN("outbound")))
		return c->outbound.early;
	for (size_t i = 0; i < c->route_count; i++)
		if (span_equal(block, span_of(c->routes[i].name)))
			return c->routes[i].early;
	d = config_domain_find(c, block);
	return d != NULL ? d->early : (struct config_early_delivery){CONFIG_EARLY_UNSAID, 0};
}

struct config_early_delivery
config_early_of(const struct config *c, struct span block)
{
	struct config_early_delivery e = own_of(c, block);

	if (e.how == CONFIG_EARLY_UNSAID)
		e = c->early;
	if (e.how == CONFIG_EARLY_UNSAID) /* a configuration that no text made (tests) */
		e.how = CONFIG_EARLY_AUTO;
	return e;
}

static uint64_t
longer(uint64_t longest, struct config_early_delivery e, uint64_t standard)
{
	uint64_t wait = 0;

	switch (e.how) {
	case CONFIG_EARLY_UNSAID:
	case CONFIG_EARLY_OFF:
		break;
	case CONFIG_EARLY_AUTO:
		wait = standard;
		break;
	case CONFIG_EARLY_WAIT:
		wait = e.wait;
		break;
	}
	return wait > longest ? wait : longest;
}

uint64_t
config_early_longest(const struct config *c, uint64_t standard)
{
	uint64_t longest = longer(0, config_early_of(c, SPAN_NONE), standard);

	longest = longer(longest, c->outbound.early, standard);
	for (size_t i = 0; i < c->route_count; i++)
		longest = longer(longest, c->routes[i].early, standard);
	for (size_t i = 0; i < c->domain_count; i++)
		longest = longer(longest, c->domains[i].early, standard);
	return longest;
}
