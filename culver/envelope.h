/*
 * envelope - who sends a letter, and to whom: of the command line, the user database, the header
 *
 * Called by culver/sendmail.c.  Addresses stay as they were written, without brackets and names; what is lacking (the domain), and what is wrong, is
 * submit's to say.  Only a path of UUCP (site!user) is turned into user@site.
 */
#ifndef CULVER_ENVELOPE_H
#define CULVER_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text/arena.h"
#include "common/text/buffer.h"
#include "common/text/span.h"
#include "culver/letter.h"
#include "culver/order.h"

#define ENVELOPE_MEMORY (64u << 20) /* all recipients of a message */
#define ENVELOPE_NAME_MAX 200	    /* bytes of a login or full name */

struct envelope {
	struct span sender; /* empty: the null reverse-path */
	struct span *recipients;
	size_t count, room;
	char login[ENVELOPE_NAME_MAX], full_name[ENVELOPE_NAME_MAX];
	struct arena arena;
	struct buffer word; /* for one address */
};

/*
 * envelope_open - the sender, and the recipients of the command line; 0, or the exit status after a sentence
 *
 * envelope_complete - what needs the letter: recipients of its header (-t), the sender of its mailbox lines (rmail); and is
 * there a recipient at all?
 */
int envelope_open(struct envelope *e, const struct order *o) __attribute__((warn_unused_result));
int envelope_complete(struct envelope *e, const struct order *o, const struct letter *l)
	__attribute__((warn_unused_result));
void envelope_free(struct envelope *e);

/* is there a field of one of these names (the last is NULL)? */
bool envelope_has_field(struct span header, const char *const *names);
bool envelope_is_one_of(struct span name, const char *const *names);

#endif
