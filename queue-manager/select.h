/*
 * select - which messages a selector means
 *
 * Called by control.  A selector is words: ids, `all`, or KEY=VALUE with KEY one of from, to, domain, site, user, state, older, larger,
 * reason; `*` at either end of a VALUE stands for anything; `from=` alone is the null sender; `reason=` is a part of the last reply.
 * Several ids: each; several KEY=VALUE: all must hold, those about a recipient for the same one.
 */
#ifndef QUEUE_MANAGER_SELECT_H
#define QUEUE_MANAGER_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/control.h"
#include "common/text/arena.h"
#include "queue-manager/message.h"

enum select_key {
	SELECT_FROM,
	SELECT_USER,
	SELECT_LOGIN,
	SELECT_STATE,
	SELECT_OLDER,
	SELECT_LARGER,
	/* about a recipient, from here on, what costs least first */
	SELECT_DOMAIN,
	SELECT_SITE,
	SELECT_TO,
	SELECT_REASON,
};

struct manager;

struct select_word {
	enum select_key key;
	struct span value; /* without its stars */
	bool any_before, any_after;
	uint64_t number; /* user: uid; older: ms; larger: bytes */
};

struct selector {
	struct arena arena; /* the words are copied: they outlive the datagram */
	bool all;
	uint64_t *ids;
	size_t id_count;
	struct select_word *words;
	size_t word_count;
	bool asks_recipients; /* a word is about recipients */
};

/* select_parse - NULL, or a sentence: what is wrong (static storage); no words at all: everything, if `may_be_empty` */
const char *select_parse(struct selector *s, struct wire_list words, bool may_be_empty);
void select_free(struct selector *s);
/* select_matches - but for words about recipients */
bool select_matches(struct manager *q, const struct selector *s, const struct message *m);
/*
 * select_recipient - do the words about recipients hold for this one?
 *
 * An orphan is no recipient; `site=` and `reason=` mean those that are still to be served.  The file is read for `to=` and `reason=` only.
 */
bool select_recipient(struct manager *q, const struct selector *s, struct message *m,
		      uint32_t number);
/* select_reply - the last reply as it is listed, and as `reason=` sees it: code, status, text, (host) */
void select_reply(const struct journal_entry *e, char to[CONTROL_TEXT_MAX + 1]);

#endif
