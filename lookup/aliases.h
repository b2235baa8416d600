/*
 * aliases - an address becomes its leaves, in one go
 *
 * An alias takes the place of its name: the values are what the mail goes to, each looked up again.  The tables of the domain's block
 * are asked in their order, first with the whole local part, then without its extension.  A value without a domain is of the same
 * domain as the name.  Each place comes once.
 *
 * A name that is reached again while it is being expanded (`me: me, archive`), and `\name`, is the user of that name: its leaf says
 * `direct`, and whoever asks for it again says so too.  A line that cannot be carried out as a whole refuses its name
 * (command, file, :include:) or defers it (a table that cannot be read, a line that is wrong).
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
void aliases_expand(const struct routes *r, struct span address, bool direct, bool only_first,
		    int64_t now_ms, struct arena *arena, struct expansion *out);

#endif
