/*
 * replies - patterns of refusals, and what each means
 *
 *     /PATTERN/[FLAGS] MEANING [TIME]
 *
 * delivery matches with them, `culver check` names what is wrong in them.  The pattern is one of common/config/rules.h; it is matched with
 * `CODE STATUS TEXT`, the text of all lines joined by blanks.  The time is what `rate` and `greylist` wait; it may name groups: ${1}s.
 */
#ifndef COMMON_CONFIG_REPLIES_H
#define COMMON_CONFIG_REPLIES_H

#include "common/config/rules.h"
#include "common/mail/reply.h"

#define REPLIES_PAUSE_MAX_MS (UINT64_C(7) * 24 * 3600 * 1000)

struct replies_rule {
	struct rules_pattern pattern;
	enum reply_meaning meaning;
	struct span pause; /* as written; empty: none */
};

/* replies_rule - false: said what is wrong */
bool replies_rule(const struct rules_reader *r, unsigned line, struct span text,
		  struct replies_rule *rule);
/* replies_pause - of the time with its groups put in; 0: it is none, or out of all reason */
uint64_t replies_pause(struct span text);

#endif
