/*
 * auth - smtpd -> auth: is this client who he says he is (SASL, RFC 4422)
 *
 * One exchange at a time on a connection: START, then CONTINUE for each CHALLENGE, until SUCCESS, FAILURE or TROUBLE; CANCEL (no answer) ends
 * it early.  A connection may then carry the next one.  Responses and challenges are what the mechanism says, not base64.  An answer bears
 * the request number of its question.  Whoever holds a datagram with a response wipes it.  Served by auth/serve.c, called by smtpd/login.c.
 */
#ifndef COMMON_PROTOCOL_AUTH_H
#define COMMON_PROTOCOL_AUTH_H

#include "common/protocol/wire.h"

enum auth_type {		    /* numbers are never reused */
		 AUTH_START = 1,    /* <- one of the answers */
		 AUTH_CONTINUE = 2, /* <- one of the answers; after CHALLENGE alone */
		 AUTH_CANCEL = 3,   /* after CHALLENGE alone */
		 AUTH_CHALLENGE = 101,
		 AUTH_SUCCESS = 102,
		 AUTH_FAILURE = 103,
		 AUTH_TROUBLE = 104,
};

enum auth_mechanism {
	AUTH_SCRAM_SHA_256 = 1,
	AUTH_SCRAM_SHA_1 = 2,
	AUTH_PLAIN = 3,
	AUTH_LOGIN = 4,
};

#define AUTH_RESPONSE_MAX 9216 /* a line of 12288 bytes, decoded (RFC 4954, section 4) */
#define AUTH_CHALLENGE_MAX 2048
#define AUTH_LOGIN_MAX 255
#define AUTH_CLIENT_MAX 64
#define AUTH_SESSION_MAX 32

enum auth_reason {
	AUTH_WRONG = 1,	    /* name or password */
	AUTH_MALFORMED = 2, /* not what the mechanism has */
	AUTH_BINDING = 3,   /* the client insists on a channel binding that is not offered */
};

struct auth_start {
	uint64_t mechanism;    /* enum auth_mechanism */
	uint64_t has_response; /* 1: an initial response came, perhaps an empty one */
	struct span response;  /* */
	struct span client;    /* its address, as text: who guesses is slowed by it */
	struct span session;   /* for events */
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

extern const struct wire_shape auth_calls[];
extern const struct wire_shape auth_answers[];

#endif
