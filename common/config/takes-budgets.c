/*
 * takes-budgets - what the rows of `budget` do with their arguments; and the budget of a sender
 *
 * See takes.h.
 */
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/text/number.h"

#define UID_WORD "uid:" /* how a sender who is a user of this host is named */

/* a number is a uid: written as senders are named */
static char *
keep_sender(struct parse *p, struct span word)
{
	char name[sizeof(UID_WORD) + 20];
	uint64_t uid;
	struct buffer text;

	if (number_parse(word, 0, UINT32_MAX - 1, &uid) != 0)
		return parse_keep_lower(p, word);
	buffer_init(&text, sizeof(name));
	buffer_format(&text, UID_WORD "%llu", (unsigned long long)uid);
	char *kept = text.failed ? NULL : parse_keep(p, buffer_get(&text));
	p->no_memory = p->no_memory || text.failed;
	buffer_free(&text);
	return kept;
}

void
take_budget(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	struct config *c = object;
	struct config_budget *budgets =
		parse_grow(p, c->budgets, c->budget_count, sizeof(*budgets));
	struct config_budget *budget;

	(void)d;
	if (budgets == NULL)
		return;
	c->budgets = budgets;
	budget = &budgets[c->budget_count++];
	p->opened = budget;
	if (line->count <= 1)
		return;
	budget->senders = arena_alloc(&c->arena, line->count * sizeof(char *));
	if (budget->senders == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 1; i < line->count; i++)
		budget->senders[budget->sender_count++] = keep_sender(p, line->words[i].text);
}

/* hour or day, as an index of config_budget; -1: neither */
static int
period_of(struct span word)
{
	if (span_equal(word, SPAN("hour")))
		return CONFIG_BUDGET_HOUR;
	return span_equal(word, SPAN("day")) ? CONFIG_BUDGET_DAY : -1;
}

void
take_budget_amounts(struct parse *p, const struct directive *d, const struct grammar_line *line,
		    void *object)
{
	uint64_t *amounts = (uint64_t *)(void *)((char *)object + d->field);

	for (size_t i = 1; i < line->count; i++) {
		struct span rest = line->words[i].text;
		struct span number = span_cut(&rest, '/');
		int period = period_of(rest);
		uint64_t amount = 0;
		int wrong = d->unit == UNIT_BYTES
				    ? number_parse_size(number, d->min, d->max, &amount)
				    : number_parse(number, d->min, d->max, &amount);

		if (wrong != 0 || period < 0)
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: expected an amount in an hour or a day, like %s",
				      SPAN_ARG(line->words[i].text),
				      d->unit == UNIT_BYTES ? "100M/hour or 1G/day"
							    : "100/hour or 1000/day");
		else if (amounts[period] != 0)
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: a second amount for the same time",
				      SPAN_ARG(line->words[i].text));
		else
			amounts[period] = amount;
	}
}

/* ---- asked by queue-manager ---- */

const struct config_budget *
config_budget_find(const struct config *c, struct span sender)
{
	const struct config_budget *everybody = NULL;

	for (size_t i = 0; i < c->budget_count; i++) {
		const struct config_budget *b = &c->budgets[i];

		if (b->sender_count == 0 && everybody == NULL)
			everybody = b;
		for (size_t n = 0; n < b->sender_count; n++)
			if (span_equal(sender, span_of(b->senders[n])))
				return b;
	}
	return everybody;
}

void
config_budget_format(const struct config_budget *b, enum config_budget_kind kind,
		     enum config_budget_period period, struct buffer *to)
{
	static const struct {
		const char *name;
		enum unit unit;
	} kinds[] = {[CONFIG_BUDGET_MESSAGES] = {"messages", UNIT_COUNT},
		     [CONFIG_BUDGET_RECIPIENTS] = {"recipients", UNIT_COUNT},
		     [CONFIG_BUDGET_BYTES] = {"bytes", UNIT_BYTES}};

	amount_format(kinds[kind].unit, b->limit[kind][period], to);
	buffer_format(to, " %s %s", kinds[kind].name,
		      period == CONFIG_BUDGET_HOUR ? "an hour" : "a day");
}
