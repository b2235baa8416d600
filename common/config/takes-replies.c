/*
 * takes-replies - what the row of `reply` does with its arguments
 *
 * See takes.h.  The words are put together again, so that one reader knows what a rule is (replies.c).  Whether the pattern compiles is for
 * those who have the library: `culver check`, and delivery.
 */
#include "common/config/parse.h"
#include "common/config/replies.h"
#include "common/config/takes.h"

#define REPLY_LINE_MAX_BYTES 4096

struct reading {
	struct parse *parse;
	unsigned column; /* of the pattern: quotes make those behind it uncertain */
};

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	const struct reading *r = owner;

	(void)line;
	(void)column;
	parse_mistake(r->parse, r->column, "%s", text);
}

void
take_reply(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config_outbound *o = object;
	struct reading reading = {p, line->words[1].column};
	const struct rules_reader reader = {&reading, on_wrong};
	struct config_reply *replies;
	struct replies_rule rule;
	struct buffer words;

	(void)d;
	buffer_init(&words, REPLY_LINE_MAX_BYTES);
	for (size_t i = 1; i < line->count; i++) {
		if (i > 1)
			buffer_char(&words, ' ');
		buffer_span(&words, line->words[i].text);
	}
	if (words.failed)
		parse_mistake(p, reading.column, "expected a pattern of at most %d bytes",
			      REPLY_LINE_MAX_BYTES);
	else if (replies_rule(&reader, p->at.line, buffer_get(&words), &rule)) {
		replies = parse_grow(p, o->replies, o->reply_count, sizeof(*replies));
		if (replies != NULL) {
			o->replies = replies;
			replies[o->reply_count++] =
				(struct config_reply){.line = parse_keep(p, buffer_get(&words)),
						      .file = parse_keep(p, p->at.file),
						      .number = p->at.line};
		}
	}
	buffer_free(&words);
}
