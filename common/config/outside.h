/*
 * outside - where mail goes whose domain is none of ours, as far as culver.conf alone says it
 *
 * No table, alias or user is asked about an address of another domain, so whoever has the configuration has the answer, too, and spares the two
 * wake-ups of a question to lookup (docs/performance.md): smtpd at RCPT, the queue-manager before it delivers.  lookup itself answers by the same
 * function.
 */
#ifndef COMMON_CONFIG_OUTSIDE_H
#define COMMON_CONFIG_OUTSIDE_H

#include <stdbool.h>

#include "common/config/config.h"
#include "common/text/span.h"

#define OUTSIDE_BLOCK "outbound" /* the name of that block, in jobs */
/* "mx:DOMAIN:25" */
#define OUTSIDE_ROOM 300

struct outside {
	struct span
		hops; /* words of common/mail/hop.h, parted by blanks; in `text` or in the configuration */
	struct span block; /* OUTSIDE_BLOCK, or the name of the route */
	struct span login; /* the name of that by which it goes; empty: none */
	bool is_by_sender; /* unless a table has another one for its sender: lookup is to be asked, but for the null sender */
	char text[OUTSIDE_ROOM];
};

/*
 * outside_domain - `domain` in lower case and ASCII, as it stands in an address
 *
 * False: it is ours, or no name, or its route is no way out (refuse, defer, discard, hold).
 */
bool outside_domain(const struct config *c, struct span domain, struct outside *o);

/* outside_address - the same for a canonical address; false also if nobody can have it: lookup has the sentence for that */
bool outside_address(const struct config *c, struct span address, struct outside *o);

#endif
