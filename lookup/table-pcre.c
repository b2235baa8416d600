/*
 * table-pcre - patterns, tried in their order (pcre_table(5) of Postfix): /pattern/flags value, if /pattern/ ... endif
 *
 * What strangers send is matched here, so a match has bounds in steps, depth and memory; past one of them the table gives no answer.
 * Never by JIT: no page of this process is both written and run.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/config/pattern.h"
#include "common/text/buffer.h"
#include "lookup/tables.h"

#define VALUE_MAX 65536

struct rule {
	struct rules_pattern line;
	pcre2_code *code; /* NULL of ENDIF */
	size_t end;	  /* of IF: the rule behind its ENDIF, or the last one */
};

struct content {
	char *text;
	struct arena arena;
	struct rule *rules;
	size_t rule_count, rule_room;
	struct rules_nest nest;
	size_t open_if[RULES_DEPTH_MAX];
	pcre2_match_context *bounds;
	pcre2_match_data *groups;
	uint32_t groups_max;
	struct span subject; /* of the match at hand */
	int matched;	     /* groups that it set */
	bool out_of_memory;
};

static void
close_pcre(void *content)
{
	struct content *c = content;

	for (size_t i = 0; i < c->rule_count; i++)
		pcre2_code_free(c->rules[i].code);
	pcre2_match_data_free(c->groups);
	pcre2_match_context_free(c->bounds);
	arena_free(&c->arena);
	free(c->rules);
	free(c->text);
	free(c);
}

static void
add_rule(struct content *c, const struct rule *rule)
{
	if (c->rule_count == c->rule_room) {
		size_t room = c->rule_room > 0 ? 2 * c->rule_room : 64;
		struct rule *wider = reallocarray(c->rules, room, sizeof(*wider));

		if (wider == NULL) {
			pcre2_code_free(rule->code);
			c->out_of_memory = true;
			return;
		}
		c->rules = wider;
		c->rule_room = room;
	}
	c->rules[c->rule_count++] = *rule;
}

static void
on_line(void *owner, const struct rules_reader *reader, unsigned line, struct span text)
{
	struct content *c = owner;
	struct rule rule = {.code = NULL};
	uint32_t groups = 0;
	size_t depth = c->nest.depth;

	if (!rules_pattern(reader, line, text, &rule.line))
		return;
	if (rule.line.kind != RULES_ENDIF) {
		rule.code = pattern_compile(reader, &rule.line);
		if (rule.code == NULL)
			return;
		(void)pcre2_pattern_info(rule.code, PCRE2_INFO_CAPTURECOUNT, &groups);
		if (groups > c->groups_max)
			c->groups_max = groups;
	}
	if (!rules_nest(reader, &c->nest, rule.line.kind, line)) {
		pcre2_code_free(rule.code);
		return;
	}
	if (rule.line.kind == RULES_IF)
		c->open_if[depth] = c->rule_count;
	add_rule(c, &rule);
	if (rule.line.kind == RULES_ENDIF)
		c->rules[c->open_if[depth - 1]].end = c->rule_count;
}

static void *
open_pcre(struct table_source *s)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		free(s->text);
		return NULL;
	}
	c->text = s->text;
	arena_init(&c->arena, TABLE_MEMORY_MAX);
	if (rules_each(span_from(s->text, s->len), &c->arena, &s->reader, on_line, c) < 0)
		c->out_of_memory = true;
	c->bounds = pattern_bounds();
	c->groups = pcre2_match_data_create(c->groups_max + 1, NULL);
	if (c->out_of_memory || c->bounds == NULL || c->groups == NULL) {
		close_pcre(c);
		return NULL;
	}
	rules_nest_end(&s->reader, &c->nest);
	for (size_t i = 0; i < c->nest.depth; i++)
		c->rules[c->open_if[i]].end = c->rule_count;
	s->entries = c->rule_count;
	return c;
}

static struct span
group(void *owner, unsigned n)
{
	const struct content *c = owner;
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(c->groups) + 2 * (size_t)n;

	/* beyond c->matched the bounds are of no match */
	if ((int)n >= c->matched || at[0] == PCRE2_UNSET || at[0] > at[1])
		return SPAN_NONE;
	return span_from(c->subject.at + at[0], at[1] - at[0]);
}

static enum table_outcome
found(struct content *c, const struct rule *rule, struct arena *arena, struct table_answer *answer,
      char reason[TABLE_REASON_MAX])
{
	struct buffer value;

	buffer_init(&value, VALUE_MAX);
	rules_put(rule->line.value, group, c, &value);
	*answer = (struct table_answer){SPAN_NONE, NULL};
	if (!value.failed && value.len > 0)
		answer->value = arena_span(arena, buffer_get(&value));
	if (value.failed || answer->value.at == NULL)
		snprintf(reason, TABLE_REASON_MAX, "line %u: the value is too long",
			 rule->line.line);
	else
		reason[0] = '\0';
	buffer_free(&value);
	return reason[0] == '\0' ? TABLE_FOUND : TABLE_TROUBLE;
}

static enum table_outcome
find_pcre(void *content, struct span key, struct arena *arena, struct table_answer *answer,
	  char reason[TABLE_REASON_MAX])
{
	struct content *c = content;

	c->subject = key;
	for (size_t i = 0; i < c->rule_count;) {
		const struct rule *rule = &c->rules[i++];
		bool has_matched;

		if (rule->line.kind == RULES_ENDIF)
			continue;
		c->matched = pcre2_match(rule->code, (PCRE2_SPTR)key.at, key.len, 0, 0, c->groups,
					 c->bounds);
		if (c->matched < 0 && c->matched != PCRE2_ERROR_NOMATCH) {
			snprintf(reason, TABLE_REASON_MAX,
				 "line %u: the match takes too much (error %d)", rule->line.line,
				 c->matched);
			return TABLE_TROUBLE;
		}
		has_matched = (c->matched >= 0) != rule->line.is_negated;
		if (rule->line.kind == RULES_IF && !has_matched)
			i = rule->end;
		if (rule->line.kind == RULES_MATCH && has_matched)
			return found(c, rule, arena, answer, reason);
	}
	return TABLE_ABSENT;
}

const struct table_module table_pcre = {
	.is_whole = true, .open = open_pcre, .find = find_pcre, .close = close_pcre};
