/*
 * logins - by which login the mail of a sender goes on: `login` and `sender-logins` of the block that a leaf is of
 *
 * Called by serve.c.  Names alone: what proves a login is delivery's.
 */
#ifndef LOOKUP_LOGINS_H
#define LOOKUP_LOGINS_H

#include "lookup/routes.h"

/*
 * logins_choose - a leaf that is hosts gets the name of its login as `user`; empty: none
 *
 * Where a table cannot be read, or names a login that is not there, the leaf becomes a deferral: mail never goes by another login than
 * its own.
 */
void logins_choose(const struct routes *r, struct span sender, int64_t now_ms, struct arena *arena,
		   struct lookup_leaf *leaf);

#endif
