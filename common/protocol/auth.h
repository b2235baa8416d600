/*
 * auth - smtpd -> auth: is this client who he says he is (SASL, RFC 4422)
 *
 * One exchange at a time on a connection: START, then CONTINUE for each CHALLENGE, until SUCCESS, FAILURE or TROUBLE; CANCEL (no answer) ends
 * it early.  A connection may then carry the next one.  Responses and challenges are what the mechanism says, not base64.  An answer bears
 * the request number of its question.  Whoever holds a datagram with a response wipes it.  LIST, between two exchanges, asks which mechanisms
 * there are now.  Served by auth/serve.c, called by smtpd/exchange.c.
 */
#ifndef COMMON_PROTOCOL_AUTH_H
#define COMMON_PROTOCOL_AUTH_H

#include "common/protocol/wire.h"

enum auth_type {		    /* numbers are never reused */
		 AUTH_START = 1,    /* <- one of the answers */
		 AUTH_CONTINUE = 2, /* <- one of the answers; after CHALLENGE alone */
		 AUTH_CANCEL = 3,   /* after CHALLENGE alone */
		 AUTH_LIST = 4,	    /* <- OFFERS, at once */
		 AUTH_CHALLENGE = 101,
		 AUTH_SUCCESS = 102,
		 AUTH_FAILURE = 103,
		 AUTH_TROUBLE = 104,
		 AUTH_OFFERS = 105,
};

enum auth_mechanism {
	AUTH_SCRAM_SHA_256 = 1,
	AUTH_SCRAM_SHA_1 = 2,
	AUTH_PLAIN = 3,
	AUTH_LOGIN = 4,
	AUTH_SCRAM_SHA_256_PLUS = 5,
	AUTH_SCRAM_SHA_1_PLUS = 6,
	AUTH_EXTERNAL = 7,
	AUTH_OAUTHBEARER = 8,
	AUTH_XOAUTH2 = 9,
	AUTH_CRAM_MD5 = 10,
	AUTH_GSSAPI = 11,
};

#define AUTH_MECHANISMS_END (AUTH_GSSAPI + 1)
#define AUTH_MECHANISM_BIT(mechanism) (UINT64_C(1) << (mechanism)) /* of auth_offers.mechanisms */
#define AUTH_MECHANISMS_ALL (AUTH_MECHANISM_BIT(AUTH_MECHANISMS_END) - 1)
#define AUTH_MECHANISM_WORD_MAX 20 /* RFC 4422, section 3.1 */

#define AUTH_RESPONSE_MAX 9216 /* a line of 12288 bytes, decoded (RFC 4954, section 4) */
#define AUTH_CHALLENGE_MAX 2048
#define AUTH_LOGIN_MAX 255
#define AUTH_CLIENT_MAX 64
#define AUTH_SESSION_MAX 32
#define AUTH_TLS_MAX 100
#define AUTH_BINDING_MAX 64 /* bytes of a channel binding: SHA-512 */

enum auth_reason {
	AUTH_WRONG = 1,	    /* name or password */
	AUTH_MALFORMED = 2, /* not what the mechanism has */
	AUTH_BINDING = 3,   /* the client insists on a channel binding that is not offered */
	AUTH_DOWNGRADE =
		4, /* it was told that there is none, and there is: not by us (RFC 5802, section 6) */
};

struct auth_start {
	uint64_t mechanism;    /* enum auth_mechanism */
	uint64_t has_response; /* 1: an initial response came, perhaps an empty one */
	struct span response;  /* */
	struct span client;    /* its address, as text: who guesses is slowed by it */
	struct span session;   /* for events */
	struct span server;    /* the address that it came to; empty: not known */
	struct span tls;       /* version and cipher; empty: there is no TLS */
	/* whom its certificate names, which was verified; empty: nobody */
	struct span certificate;
	/* channel bindings of its TLS that were offered: RFC 9266; RFC 5929, sections 3 and 4; empty: not this one */
	struct span exporter, unique, end_point;
};

struct auth_continue {
	struct span response;
};

struct auth_challenge {
	struct span data;
};

struct auth_success {
	struct span login; /* in lower case */
};

struct auth_failure {
	uint64_t reason; /* enum auth_reason */
};

/* whether the client is who he says cannot be said now */
struct auth_trouble {
	uint64_t
		guesses; /* 1: too many wrong ones came from there; 0: the accounts cannot be asked */
};

struct auth_offers {
	uint64_t mechanisms; /* AUTH_MECHANISM_BITs */
};

/* auth_mechanism_word - as SASL names it: SCRAM-SHA-256 */
const char *auth_mechanism_word(enum auth_mechanism mechanism);
/* auth_mechanism_find - in any case; 0: none of ours */
enum auth_mechanism auth_mechanism_find(struct span word);

extern const struct wire_shape auth_calls[];
extern const struct wire_shape auth_answers[];

#endif
