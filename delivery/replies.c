/*
 * replies - see replies.h
 */
#include "delivery/replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/pattern.h"
#include "common/config/replies.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/buffer.h"

#define RULES_MAX 4096		     /* of both sources */
#define RULES_MEMORY_MAX (16u << 20) /* their lines, where one is continued */
#define SUBJECT_MAX (REPLY_TEXT_MAX + STATUS_MAX + 16)
#define PAUSE_TEXT_MAX 64
#define STANDARD_NAME "etc/replies"

struct rule {
	struct replies_rule line;
	pcre2_code *code;
};

static struct {
	struct rule *rules;
	size_t count, wrong;
	const char *file; /* that is being read */
	struct arena arena;
	pcre2_match_context *bounds;
	pcre2_match_data *groups;
	uint32_t groups_max;
	/* a whole transaction is often refused by one reply: the last question */
	char subject[SUBJECT_MAX];
	struct replies_meaning meaning;
	int matched; /* groups that the match at hand set */
} known;

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	(void)owner;
	(void)column;
	known.wrong++;
	EVENT("reply-pattern-wrong", event_string("file", known.file), event_number("line", line),
	      event_string("reason", text));
}

static void
on_line(void *owner, const struct rules_reader *reader, unsigned line, struct span text)
{
	struct rule *rule = &known.rules[known.count];
	uint32_t groups = 0;

	(void)owner;
	if (known.count == RULES_MAX) {
		on_wrong(NULL, line, 1, "there are too many patterns");
		return;
	}
	if (!replies_rule(reader, line, text, &rule->line))
		return;
	rule->code = pattern_compile(reader, &rule->line.pattern);
	if (rule->code == NULL)
		return;
	(void)pcre2_pattern_info(rule->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (groups > known.groups_max)
		known.groups_max = groups;
	known.count++;
}

static void
forget(void)
{
	for (size_t i = 0; i < known.count; i++)
		pcre2_code_free(known.rules[i].code);
	if (known.bounds != NULL)
		pcre2_match_context_free(known.bounds);
	if (known.groups != NULL)
		pcre2_match_data_free(known.groups);
	if (known.rules != NULL)
		arena_free(&known.arena);
	free(known.rules);
	memset(&known, 0, sizeof(known));
}

size_t
replies_load(const struct config *config)
{
	const struct rules_reader reader = {NULL, on_wrong};

	forget();
	arena_init(&known.arena, RULES_MEMORY_MAX);
	known.rules = calloc(RULES_MAX, sizeof(*known.rules));
	known.bounds = pattern_bounds();
	if (known.rules == NULL || known.bounds == NULL)
		fatal(EXIT_OS, 0, "no memory for the patterns of replies");
	for (size_t i = 0; i < config->outbound.reply_count; i++) {
		const struct config_reply *r = &config->outbound.replies[i];

		known.file = r->file;
		on_line(NULL, &reader, r->number, span_of(r->line));
	}
	known.file = STANDARD_NAME;
	if (rules_each(span_from(replies_standard, replies_standard_len), &known.arena, &reader,
		       on_line, NULL) < 0)
		fatal(EXIT_OS, 0, "no memory for the patterns of replies");
	known.groups = pcre2_match_data_create(known.groups_max + 1, NULL);
	if (known.groups == NULL)
		fatal(EXIT_OS, 0, "no memory for the patterns of replies");
	return known.wrong;
}

static struct span
group(void *owner, unsigned n)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(known.groups) + 2 * (size_t)n;
	const char *subject = owner;

	/* beyond known.matched the bounds are of no match */
	if ((int)n >= known.matched || at[0] == PCRE2_UNSET || at[0] > at[1])
		return SPAN_NONE;
	return span_from(subject + at[0], at[1] - at[0]);
}

static uint64_t
pause_of(const struct replies_rule *rule)
{
	struct buffer text;
	uint64_t pause_ms;

	if (rule->pause.len == 0)
		return 0;
	buffer_init(&text, PAUSE_TEXT_MAX);
	rules_put(rule->pause, group, known.subject, &text);
	pause_ms = text.failed ? 0 : replies_pause(buffer_get(&text));
	buffer_free(&text);
	return pause_ms;
}

static struct replies_meaning
find(void)
{
	for (size_t i = 0; i < known.count; i++) {
		const struct rule *rule = &known.rules[i];

		known.matched =
			pcre2_match(rule->code, (PCRE2_SPTR)known.subject, strlen(known.subject), 0,
				    0, known.groups, known.bounds);
		/* one that takes too much says nothing */
		if (known.matched >= 0)
			return (struct replies_meaning){rule->line.meaning, pause_of(&rule->line)};
	}
	return (struct replies_meaning){REPLY_ORDINARY, 0};
}

struct replies_meaning
replies_mean(const struct verdict *v)
{
	char subject[SUBJECT_MAX];

	if (v->code == 0 || v->fate == FATE_DELIVERED)
		return (struct replies_meaning){REPLY_ORDINARY, 0};
	snprintf(subject, sizeof(subject), "%d %s %s", v->code, v->status, v->text);
	if (strcmp(subject, known.subject) != 0) {
		memcpy(known.subject, subject, sizeof(subject));
		known.meaning = find();
	}
	return known.meaning;
}

bool
replies_may_go_on(const struct verdict *v)
{
	if (v->fate != FATE_DEFERRED || v->code == 0)
		return false;
	switch (replies_mean(v).meaning) {
	case REPLY_ORDINARY:
	case REPLY_CONNECTING:
	case REPLY_BUSY:
	case REPLY_RECIPIENT:
	case REPLY_BLOCKED:
	case REPLY_BROKEN:
		return true;
	case REPLY_GREYLIST:
	case REPLY_RATE:
	case REPLY_CONTENT:
	case REPLY_MEANINGS:
		break;
	}
	return false;
}
