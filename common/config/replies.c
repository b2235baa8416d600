/*
 * replies - see replies.h
 */
#include "common/config/replies.h"

#include "common/text/number.h"

uint64_t
replies_pause(struct span text)
{
	uint64_t ms;

	return number_parse_duration(text, 1, REPLIES_PAUSE_MAX_MS, &ms) == 0 ? ms : 0;
}

bool
replies_rule(const struct rules_reader *r, unsigned line, struct span text,
	     struct replies_rule *rule)
{
	struct span word, value;
	unsigned column;

	if (!rules_pattern(r, line, text, &rule->pattern))
		return false;
	if (rule->pattern.kind != RULES_MATCH || rule->pattern.is_negated) {
		r->wrong(r->owner, line, 1, "a pattern was expected here, like /try again later/");
		return false;
	}
	value = rule->pattern.value;
	word = span_word(&value);
	column = (unsigned)(word.at - text.at) + 1;
	if (reply_meaning_find(word, &rule->meaning) != 0) {
		r->wrong(r->owner, line, column,
			 "expected busy, greylist, rate, recipient, content, blocked, connecting "
			 "or ordinary");
		return false;
	}
	rule->pause = span_trim(value);
	if (rule->pause.len == 0)
		return true;
	column = (unsigned)(rule->pause.at - text.at) + 1;
	if (rule->meaning != REPLY_RATE && rule->meaning != REPLY_GREYLIST) {
		r->wrong(r->owner, line, column, "a time stands behind rate and greylist alone");
		return false;
	}
	if (!span_has(rule->pause, '$') && replies_pause(rule->pause) == 0) {
		r->wrong(r->owner, line, column, "expected a time up to 7d, like 10m or ${1}s");
		return false;
	}
	return true;
}
