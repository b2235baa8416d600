/*
 * aliases - an address becomes its leaves, in one go
 *
 * An alias takes the place of its name: the values are what the mail goes to, each looked up again.  The tables of the domain's block
 * are asked in their order, first with the whole local part, then without its extension.  A value without a domain is of the same
 * domain as the name.  Each place comes once.
 *
 * A name that is reached again while it is being expanded (`me: me, archive`), and `\name`, is the user of that name: its leaf says
 * `direct`, and whoever asks for it again says so too; of `\name` it is his mailbox, whatever his .forward says.
 *
 * Where there is an alias owner-NAME, all leaves of NAME bear its address: it is the sender of what goes through the list.
 *
 * A value that is a command, a file or an :include: is a leaf of its own, LOOKUP_ALIAS, which bears its hash: local reads the line again, and
 * not from us, so only values of text tables are carried out; of others they refuse the name.  A line that is wrong, or a table that cannot
 * be read, defers it.
 */
#ifndef LOOKUP_ALIASES_H
#define LOOKUP_ALIASES_H

#include "lookup/routes.h"

#define ALIASES_DEPTH_MAX 50	 /* aliases of aliases */
#define ALIASES_LEAVES_MAX 10000 /* of one address */
#define ALIASES_STEPS_MAX 200000 /* values looked at for one address */
#define ALIASES_MEMORY_MAX (64u << 20)

struct expansion {
	struct lookup_leaf *leaves; /* at least one; in the arena */
	size_t count, room;
};

/*
 * aliases_expand - all leaves of `address`, or with `only_first` no more once one is a place that takes mail
 *
 * Past one of the bounds above, or without memory, the address has one leaf: it is deferred, nothing is delivered to a part.
 * `arena` holds the result; `address` must live as long.
 */
void aliases_expand(const struct routes *r, struct span address, uint64_t direct, bool only_first,
		    int64_t now_ms, struct arena *arena, struct expansion *out);
/* aliases_line - the one leaf of a line with that hash: of the alias of that name, or, where `direct`, of the user's .forward */
void aliases_line(const struct routes *r, struct span address, uint64_t direct, uint64_t line,
		  int64_t now_ms, struct arena *arena, struct expansion *out);

#endif
