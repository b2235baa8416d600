/*
 * resolver - DNS for those who deliver and judge: delivery (later smtpd, lookup) -> resolver
 *
 * One question a datagram, several may be under way; answers bear the request number of their question and are in parts
 * (WIRE_MORE) where the records do not fit.  The resolver asks, caches and validates (libunbound); nobody else speaks to the
 * network for names.
 */
#ifndef COMMON_PROTOCOL_RESOLVER_H
#define COMMON_PROTOCOL_RESOLVER_H

#include "common/protocol/wire.h"

enum resolver_type {		       /* numbers are never reused */
		     RESOLVER_ASK = 1, /* <- RESOLVER_ANSWER */
		     RESOLVER_ANSWER = 101,
};

/* what is asked: the RR types of DNS by their numbers (RFC 1035, section 3.2.2; RFC 3596; RFC 6698) */
enum resolver_rr {
	RESOLVER_A = 1,
	RESOLVER_CNAME = 5,
	RESOLVER_PTR = 12,
	RESOLVER_MX = 15,
	RESOLVER_TXT = 16,
	RESOLVER_AAAA = 28,
	RESOLVER_TLSA = 52,
};

enum resolver_outcome {
	RESOLVER_FOUND = 1,   /* one record or more */
	RESOLVER_NO_DATA = 2, /* the name is there, the type is not */
	RESOLVER_NO_NAME = 3, /* NXDOMAIN */
	RESOLVER_TROUBLE = 4, /* no answer, SERVFAIL, a loop of CNAMEs: `text` says which */
};

/* how far the answer, also a negative one, can be believed (RFC 4033, section 5) */
enum resolver_security {
	RESOLVER_INSECURE = 1, /* nothing was signed, or validation is off */
	RESOLVER_SECURE = 2,   /* signed down from a trust anchor */
	RESOLVER_BOGUS = 3,    /* signed wrongly: the outcome is RESOLVER_TROUBLE */
};

#define RESOLVER_NAME_MAX 255
#define RESOLVER_RDATA_MAX 8192
#define RESOLVER_RECORDS_MAX 512
#define RESOLVER_TEXT_MAX 512

struct resolver_ask {
	uint64_t rr;	  /* enum resolver_rr */
	struct span name; /* without a dot at the end */
};

/*
 * One record: for MX `preference` and `name`; for CNAME and PTR `name`; for A and AAAA `data` (4, 16 bytes), for TLSA `data` as on
 * the wire, for TXT `data`, its strings joined.
 */
struct resolver_record {
	uint64_t preference;
	struct span name; /* lower case, without a dot at the end; empty is the root (RFC 7505) */
	struct span data;
};

struct resolver_answer {
	uint64_t outcome;
	uint64_t security;
	uint64_t ttl;	       /* seconds that the answer may be kept */
	struct span canonical; /* the name that the CNAMEs led to */
	struct span text;      /* of trouble */
	struct wire_list records;
};

extern const struct wire_shape resolver_record_shape;
extern const struct wire_shape resolver_calls[];
extern const struct wire_shape resolver_answers[];

#endif
