/*
 * policy - what is demanded of one host before mail for one domain is given to it, who demands it, and why
 *
 * Asked by delivery before each connection, and by `culver tls`.  A pure function: what the DNS and the domain publish (dane.h, MTA-STS) was
 * asked for by the caller.  In this order:
 *
 *     `tls none`, or no TCP                 plain text
 *     TLSA records, securely (RFC 7672)     the certificate that they tell of; where none of them is of use: encryption, whoever it is
 *     TLSA records cannot be had            the host is passed over: never less than they might demand
 *     a policy of MTA-STS (RFC 8461)        a host that it names, with a certificate of that name; `testing`: told alone
 *     else                                  what the configuration demands
 *
 * A sender may demand more, by REQUIRETLS, or less of what domains publish, by `TLS-Required: No` (RFC 8689).  What the configuration demands is the least in any case: `verified` of a host that DANE vouches for is met by DANE, since that says who it is.
 */
#ifndef DELIVERY_POLICY_H
#define DELIVERY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config/config.h"
#include "common/protocol/intake.h"
#include "common/protocol/resolver.h"
#include "common/text/span.h"
#include "delivery/dane.h"

#define POLICY_NAMES_MAX (CONFIG_HOP_NAMES_MAX + 4)
#define POLICY_WHY_MAX 400

enum policy_level {
	POLICY_NONE,	      /* plain text */
	POLICY_OPPORTUNISTIC, /* TLS where it can be had; plain text where not */
	POLICY_ENCRYPTED,     /* TLS, whoever the host is */
	POLICY_VERIFIED, /* a certificate that an authority stands for (PKIX), of one of `names` */
	POLICY_DANE,	 /* a certificate that `dane` tells of */
};

enum policy_source { POLICY_BY_CONFIGURATION, POLICY_BY_DANE, POLICY_BY_STS, POLICY_BY_SENDER };

/* a policy of MTA-STS, as whoever keeps them has found it (RFC 8461, section 3.2); it outlives the decision */
enum policy_sts_mode { POLICY_STS_NONE, POLICY_STS_TESTING, POLICY_STS_ENFORCE };

struct policy_sts {
	enum policy_sts_mode mode;
	const struct span *patterns; /* `mx`, lower case: a name, or *.NAME */
	size_t pattern_count;
};

/* all that a decision depends on */
struct policy_question {
	const struct config_hop_tls *tls; /* of the block */
	struct span
		domain; /* that goes by MX to the host; empty: the host is named in the configuration */
	struct span host; /* lower case; empty: an address alone, or a socket */
	bool is_secure; /* the MX that names the host is signed (DNSSEC), or the configuration names it */
	bool is_tcp;
	enum intake_tls_demand demand; /* of the sender of the message */
	const struct dane *dane;       /* NULL: nobody has asked */
	const struct policy_sts *sts;  /* NULL: the domain has none, or nobody has asked */
};

struct policy {
	enum policy_level level;
	enum policy_source source;
	bool must_require;   /* the host must offer REQUIRETLS, and is told of it (RFC 8689) */
	bool is_passed_over; /* mail for the domain may not go to this host now, whatever it shows */
	bool is_permanent; /* no later attempt would find it otherwise: the host is passed over for good */
	bool is_tested; /* `level` is opportunistic, but what POLICY_VERIFIED would have found is told (MTA-STS, testing) */
	bool has_stranger; /* the host is none that the domain's MTA-STS policy names */
	struct span names
		[POLICY_NAMES_MAX]; /* VERIFIED, is_tested, DANE by an authority: the host must be one; .NAME is all below it */
	size_t name_count;
	struct span server_name;  /* the host that the handshake names (RFC 6066); empty: none */
	const struct dane *dane;  /* DANE alone */
	char why[POLICY_WHY_MAX]; /* a sentence: who demands it, or why the host is passed over */
};

/* policy_decide - *to points into the question and what it points to */
void policy_decide(const struct policy_question *q, struct policy *to);
/* policy_level_name - "none", "opportunistic", "required", "verified", "dane": as in events and `culver tls` */
const char *policy_level_name(enum policy_level level);
const char *policy_source_name(enum policy_source source);
/* policy_sts_names - does a pattern of the policy name that host?  RFC 8461, section 4.1 */
bool policy_sts_names(const struct policy_sts *sts, struct span host);
/* policy_wants_dane, policy_wants_sts - must they be asked for, for a host or domain of that block? */
bool policy_wants_dane(const struct config_hop_tls *tls);
bool policy_wants_sts(const struct config_hop_tls *tls);

/*
 * What became of the handshakes with the hosts of a domain, as TLSRPT counts it (RFC 8460, section 4.3).  delivery tells it of each
 * connection that was tried under a policy that the domain publishes.
 */
enum policy_result {
	POLICY_RESULT_SUCCESS,
	POLICY_RESULT_STARTTLS_NOT_SUPPORTED,
	POLICY_RESULT_CERTIFICATE_HOST_MISMATCH,
	POLICY_RESULT_CERTIFICATE_EXPIRED,
	POLICY_RESULT_CERTIFICATE_NOT_TRUSTED,
	POLICY_RESULT_VALIDATION_FAILURE,
	POLICY_RESULT_TLSA_INVALID,
	POLICY_RESULT_DNSSEC_INVALID,
	POLICY_RESULT_STS_WEBPKI_INVALID,
};

struct policy_outcome {
	enum policy_result result;
	enum policy_source source; /* whose policy: DANE, STS; CONFIGURATION: the domain has none */
	struct span domain;	   /* whose mail */
	struct span host;	   /* the MX */
	struct span address;	   /* of the host, as text */
	struct span local_address; /* ours; empty where no connection was had */
	struct span
		reason; /* additional information: what OpenSSL or the resolver said; may be empty */
};

/* policy_result_name - as RFC 8460 spells it: "starttls-not-supported"; of SUCCESS "success" */
const char *policy_result_name(enum policy_result result);

#endif
