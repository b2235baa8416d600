/*
 * table-cidr - networks, tried in their order (cidr_table(5) of Postfix): NETWORK value, !NETWORK value, if NETWORK ... endif
 *
 * The key is an address of a client: 192.0.2.1, 2001:db8::1, with or without brackets.
 */
#include <stdlib.h>

#include "common/config/values.h"
#include "lookup/tables.h"

struct rule {
	struct rules_network line;
	size_t end; /* of IF: the rule behind its ENDIF, or the last one */
};

struct content {
	char *text;
	struct arena arena;
	struct rule *rules;
	size_t rule_count, rule_room;
	struct rules_nest nest;
	size_t open_if[RULES_DEPTH_MAX];
	bool out_of_memory;
};

static void
close_cidr(void *content)
{
	struct content *c = content;

	arena_free(&c->arena);
	free(c->rules);
	free(c->text);
	free(c);
}

static void
on_line(void *owner, const struct rules_reader *reader, unsigned line, struct span text)
{
	struct content *c = owner;
	struct rule rule = {.end = 0};
	size_t depth = c->nest.depth;

	if (!rules_network(reader, line, text, &rule.line) ||
	    !rules_nest(reader, &c->nest, rule.line.kind, line))
		return;
	if (c->rule_count == c->rule_room) {
		size_t room = c->rule_room > 0 ? 2 * c->rule_room : 64;
		struct rule *wider = reallocarray(c->rules, room, sizeof(*wider));

		if (wider == NULL) {
			c->out_of_memory = true;
			return;
		}
		c->rules = wider;
		c->rule_room = room;
	}
	if (rule.line.kind == RULES_IF)
		c->open_if[depth] = c->rule_count;
	c->rules[c->rule_count++] = rule;
	if (rule.line.kind == RULES_ENDIF)
		c->rules[c->open_if[depth - 1]].end = c->rule_count;
}

static void *
open_cidr(struct table_source *s)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		free(s->text);
		return NULL;
	}
	c->text = s->text;
	arena_init(&c->arena, TABLE_MEMORY_MAX);
	if (rules_each(span_from(s->text, s->len), &c->arena, &s->reader, on_line, c) < 0 ||
	    c->out_of_memory) {
		close_cidr(c);
		return NULL;
	}
	rules_nest_end(&s->reader, &c->nest);
	for (size_t i = 0; i < c->nest.depth; i++)
		c->rules[c->open_if[i]].end = c->rule_count;
	s->entries = c->rule_count;
	return c;
}

static enum table_outcome
find_cidr(void *content, struct span key, struct arena *arena, struct table_answer *answer,
	  char reason[TABLE_REASON_MAX])
{
	const struct content *c = content;
	unsigned char address[16];
	int family;

	(void)arena;
	(void)reason;
	if (value_ip(key, &family, address) < 0)
		return TABLE_ABSENT;
	for (size_t i = 0; i < c->rule_count;) {
		const struct rule *rule = &c->rules[i++];
		bool has_matched;

		if (rule->line.kind == RULES_ENDIF)
			continue;
		has_matched = rules_network_has(&rule->line.network, family, address) !=
			      rule->line.is_negated;
		if (rule->line.kind == RULES_IF && !has_matched)
			i = rule->end;
		if (rule->line.kind == RULES_MATCH && has_matched) {
			*answer = (struct table_answer){rule->line.value, NULL};
			return TABLE_FOUND;
		}
	}
	return TABLE_ABSENT;
}

const struct table_module table_cidr = {
	.is_whole = true, .open = open_cidr, .find = find_cidr, .close = close_cidr};
