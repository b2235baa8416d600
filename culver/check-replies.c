/*
 * check-replies - see check-replies.h
 */
#include "culver/check-replies.h"

#include "common/config/pattern.h"
#include "common/config/replies.h"

struct checking {
	const struct config_reply *reply;
	struct buffer *output;
	size_t mistakes;
};

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct checking *c = owner;

	(void)column;
	c->mistakes++;
	buffer_format(c->output, "%s:%u:1: %s\n", c->reply->file, line, text);
}

size_t
check_replies(const struct config *c, struct buffer *output)
{
	struct checking checking = {.output = output};
	const struct rules_reader reader = {&checking, on_wrong};
	struct replies_rule rule;

	for (size_t i = 0; i < c->outbound.reply_count; i++) {
		const struct config_reply *r = &c->outbound.replies[i];

		checking.reply = r;
		if (replies_rule(&reader, r->number, span_of(r->line), &rule))
			pcre2_code_free(pattern_compile(&reader, &rule.pattern));
	}
	return checking.mistakes;
}
