/*
 * fetch - policies of MTA-STS, from the web or as they were kept: delivery and `culver tls` -> fetch
 *
 * One question at a time on a connection; the answer bears its request number.  Who asks has looked for the domain's TXT record itself, together
 * with its MX, and says what he found: a record whose id is not that of the policy kept makes fetch look for the new one.  The answer
 * comes at once, or when the policy was fetched, or after FETCH_ANSWER_MS with what there is (RFC 8461, section 5.1).
 *
 * And the access tokens of logins at other hosts (OAuth2), fetched by a refresh token that fetch alone has.
 */
#ifndef COMMON_PROTOCOL_FETCH_H
#define COMMON_PROTOCOL_FETCH_H

#include "common/mail/sts.h"
#include "common/protocol/wire.h"

#define FETCH_DOMAIN_MAX 253
#define FETCH_REASON_MAX 200
#define FETCH_LOGIN_MAX 64
#define FETCH_TOKEN_MAX 8192
/* an answer is waited for so long; the fetch itself may take longer, for whoever asks later */
#define FETCH_ANSWER_MS 15000

enum fetch_type {		       /* numbers are never reused */
		  FETCH_STS_ASK = 1,   /* <- FETCH_STS_ANSWER */
		  FETCH_TOKEN_ASK = 2, /* <- FETCH_TOKEN_ANSWER */
		  FETCH_STS_ANSWER = 101,
		  FETCH_TOKEN_ANSWER = 102,
};

struct fetch_sts_ask {
	struct span domain; /* lower case */
	struct span id;	    /* of its record; empty: it has none, or nobody could say */
};

struct fetch_mx {
	struct span pattern;
};

struct fetch_sts_answer {
	uint64_t mode;	     /* enum sts_mode; 0: no policy is known */
	uint64_t age;	     /* seconds since it was fetched */
	uint64_t left;	     /* seconds for which it holds yet */
	struct span id;	     /* of the record that it was fetched for */
	struct span reason;  /* why there is none, or none newer; may be empty */
	struct wire_list mx; /* struct fetch_mx */
};

/* an access token (OAuth2) for a `login` with `refresh` */
struct fetch_token_ask {
	struct span login;
	uint64_t
		is_refused; /* 1: the one that was given before is not taken; another one, if there can be */
};

struct fetch_token_answer {
	struct span token;  /* empty: there is none */
	struct span reason; /* why; else empty */
};

extern const struct wire_shape fetch_mx_shape;
extern const struct wire_shape fetch_calls[];
extern const struct wire_shape fetch_answers[];

#endif
