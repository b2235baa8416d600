/*
 * dane - the TLSA records of an SMTP host, and what they are worth (RFC 7672, section 2 and 3; RFC 7671; RFC 6698)
 *
 * Asked for only where the host's addresses, and its MX if it is one of a domain, are signed: elsewhere nobody could say that there
 * are none, and name servers that do not answer for unknown types would stop mail (RFC 7672, section 2.2.2).
 */
#ifndef DELIVERY_DANE_H
#define DELIVERY_DANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/resolver-client.h"
#include "common/text/arena.h"
#include "common/text/span.h"

#define DANE_RECORDS_MAX 32 /* of one host; more are left out */

enum dane_usage {
	DANE_TA = 2,
	DANE_EE = 3
}; /* 0 and 1 are unusable in SMTP (RFC 7672, section 3.1.3) */

struct dane_record {
	uint8_t usage, selector, matching;
	struct span data;
};

enum dane_outcome {
	DANE_ABSENT,   /* securely none, or the zone is not signed */
	DANE_FOUND,    /* some are usable */
	DANE_UNUSABLE, /* there are records, and none is usable */
	DANE_TROUBLE,  /* nobody can say now: `text` */
};

struct dane {
	enum dane_outcome outcome;
	struct dane_record records[DANE_RECORDS_MAX]; /* the usable ones */
	size_t count;
	struct span base; /* the TLSA base domain: the name where they were found */
	struct span text; /* of trouble */
	uint64_t ttl;	  /* seconds, of what was found */
};

/* what is known of the host by its addresses (hosts.c) */
struct dane_host {
	struct span name;      /* as MX or configuration name it */
	struct span canonical; /* where its CNAMEs lead */
	uint16_t port;
	bool is_secure; /* its addresses are signed, all the way */
};

/* dane_usable - is a record one that a client can use?  What cannot be is left out by dane_take. */
bool dane_usable(struct span rdata, struct dane_record *to);
/* dane_take - the records of an answer into *to, whose outcome follows from them */
void dane_take(const struct resolver_found *answer, struct dane *to);
/* dane_find - asks the resolver and waits; what is found lies in `arena` */
void dane_find(struct resolver_client *client, const struct dane_host *host, struct arena *arena,
	       struct dane *to);

#endif
