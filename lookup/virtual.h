/*
 * virtual - the tables of a `domain` block that are asked for addresses: `virtual`, `users TABLE`, `recipients`, `deliver-by`
 *
 * Called by aliases.c (virtual_find, virtual_address) and routes.c (virtual_leaf, virtual_delivery).  Keys are tried in their order, in lower case, and each
 * in all tables before the next:
 *     user+ext@domain   user@domain   and then, of `virtual`, @domain, of the others user+ext and user
 * A table of patterns is asked for the whole address alone.
 */
#ifndef LOOKUP_VIRTUAL_H
#define LOOKUP_VIRTUAL_H

#include "lookup/routes.h"

/*
 * virtual_find - what `virtual` makes of a name; *rest is its extension with the separator, where the key had none and the values shall
 * have it (virtual(5) of Postfix), else empty
 */
enum table_outcome virtual_find(const struct routes *r, const struct routes_name *n, int64_t now_ms,
				struct arena *arena, const struct alias_entry **entry,
				struct span *rest) __attribute__((warn_unused_result));
/* virtual_address - one value as a whole address; at == NULL: no memory, or it cannot be one */
struct span virtual_address(const struct routes *r, const struct alias_value *v,
			    const struct routes_name *n, struct span rest, struct arena *arena);
/* virtual_parse - the values of any table as an entry, in the arena; a wrong line is logged and has no values; -1: no memory */
int virtual_parse(const struct table_answer *answer, struct arena *arena,
		  const struct alias_entry **entry) __attribute__((warn_unused_result));
/* virtual_delivery - which delivery `deliver-by` gives the mailbox *leaf; false: it is deferred, the table cannot be read or is wrong */
bool virtual_delivery(const struct routes *r, const struct routes_name *n, int64_t now_ms,
		      struct arena *arena, struct lookup_leaf *leaf);
/* virtual_leaf - of a block with `users TABLE` or `relay`; false: there is no such name, and *leaf refuses it */
bool virtual_leaf(const struct routes *r, const struct routes_name *n, struct span address,
		  int64_t now_ms, struct arena *arena, struct lookup_leaf *leaf);

#endif
