/*
 * senders - may that login send as that address: the tables of `auth { senders }`
 */
#ifndef LOOKUP_SENDERS_H
#define LOOKUP_SENDERS_H

#include "lookup/routes.h"

/*
 * senders_verdict - LOOKUP_LOCAL: it may; LOOKUP_REFUSED, or LOOKUP_TROUBLE when a table does not answer
 *
 * Keys, each in all tables before the next: user+ext@domain, user@domain, @domain.  A value names logins, parted by commas and blanks.
 */
void senders_verdict(const struct routes *r, const struct lookup_sender *question, int64_t now_ms,
		     struct arena *arena, struct lookup_verdict *v);

#endif
