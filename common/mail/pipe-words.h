/*
 * pipe-words - the arguments of `deliver pipe`: words with {names} in them, each of which stands for a fact of the delivery
 *
 * Checked by the parser of culver.conf, filled in by runner.  What a stranger wrote never becomes another word, and never an option: where
 * an argument would begin with `-` only by what was put in, that becomes `_` (pipe(8) of Postfix refuses such addresses).
 */
#ifndef COMMON_MAIL_PIPE_WORDS_H
#define COMMON_MAIL_PIPE_WORDS_H

#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

struct pipe_facts {
	struct span user;      /* {user}: login name */
	struct span ext;       /* {ext}: of the address, behind the separator */
	struct span domain;    /* {domain} of the address */
	struct span home;      /* {home} */
	struct span sender;    /* {sender}; empty: MAILER-DAEMON is put */
	struct span recipient; /* {recipient}: the whole address */
	struct span original;  /* {original}: what the sender gave */
	uint64_t id;	       /* {id} of the message */
	uint64_t size;	       /* {size} of its content */
};

/* pipe_word_check - NULL, or what is wrong with the word */
const char *pipe_word_check(struct span word);
/* pipe_word_put - the word with its facts, added to `to`; of a checked word */
void pipe_word_put(struct span word, const struct pipe_facts *facts, struct buffer *to);

#endif
