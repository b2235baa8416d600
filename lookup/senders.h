/*
 * senders - may that login, or that user of this host, send as that address: the tables of `auth { senders }`; and what other tables say of a
 * sender
 */
#ifndef LOOKUP_SENDERS_H
#define LOOKUP_SENDERS_H

#include "lookup/routes.h"

/*
 * senders_find - what the tables have for a sender
 *
 * Keys, each in all tables before the next: user+ext@domain, user@domain, @domain.
 */
enum table_outcome senders_find(const struct routes *r, const struct config_tables *tables,
				struct span address, int64_t now_ms, struct arena *arena,
				struct table_answer *answer) __attribute__((warn_unused_result));
/*
 * senders_verdict - LOOKUP_LOCAL: it may; LOOKUP_REFUSED, or LOOKUP_TROUBLE when a table does not answer
 *
 * As senders_find; a value names logins and, as `uid:N`, users, parted by commas and blanks.  A user of this host may also send by his own name,
 * where the domain has the system's users, and at `origin`.
 */
void senders_verdict(const struct routes *r, const struct lookup_sender *question, int64_t now_ms,
		     struct arena *arena, struct lookup_verdict *v);

#endif
