/*
 * verification - does the next hop know the recipients that lookup cannot know?
 *
 * Called by envelope.c for those of a domain with `recipients verify`, after checks.c.  Blocks this session, and no other, for `wait` of the block `verify` at
 * most.  A refusal is 550; where nobody can be asked the mail is taken, or 450 with `unknown defer`.
 */
#ifndef SMTPD_VERIFICATION_H
#define SMTPD_VERIFICATION_H

#include <stddef.h>

#include "smtpd/checks.h"

#define VERIFICATION_CONNECT_MS 1000

struct session;

/* verification_run - asks for those of the `checks` that are 250 and name an address for it, and judges them */
void verification_run(struct session *s, const struct span *addresses, size_t count,
		      struct check *checks);

#endif
