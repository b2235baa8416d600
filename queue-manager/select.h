/*
 * select - which messages a selector means
 *
 * Called by control.  A selector is words: ids, `all`, or KEY=VALUE with KEY one of from, to, domain, state; `*` at either end
 * of a VALUE stands for anything; `from=` alone is the null sender.  Several ids: each; several KEY=VALUE: all must hold.
 */
#ifndef QUEUE_MANAGER_SELECT_H
#define QUEUE_MANAGER_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/wire.h"
#include "common/text/arena.h"
#include "queue-manager/message.h"

enum select_key { SELECT_FROM, SELECT_TO, SELECT_DOMAIN, SELECT_STATE };

struct select_word {
	enum select_key key;
	struct span value; /* without its stars */
	bool any_before, any_after;
};

struct selector {
	struct arena arena; /* the words are copied: they outlive the datagram */
	bool all;
	uint64_t *ids;
	size_t id_count;
	struct select_word *words;
	size_t word_count;
	bool asks_recipients; /* a word is about recipients: the file must be read */
};

/* select_parse - NULL, or a sentence: what is wrong (static storage); no words at all: everything, if `may_be_empty` */
const char *select_parse(struct selector *s, struct wire_list words, bool may_be_empty);
void select_free(struct selector *s);
/* select_matches - but for words about recipients */
bool select_matches(const struct selector *s, const struct message *m);
/* select_recipient - do the words about recipients hold for this address? */
bool select_recipient(const struct selector *s, struct span address);

#endif
