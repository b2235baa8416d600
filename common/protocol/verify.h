/*
 * verify - smtpd -> verify: does the next hop know this recipient?
 *
 * Several questions may be under way on a connection, up to VERIFY_ASKED_MAX; each answer bears the request number of its question, and they
 * come in any order.  Where to ask follows from the domain block, in verify's own copy of the configuration: nobody names a host here.  Served by
 * delivery/verify/serve.c, called by smtpd/verification.c.
 */
#ifndef COMMON_PROTOCOL_VERIFY_H
#define COMMON_PROTOCOL_VERIFY_H

#include "common/protocol/wire.h"

enum verify_type {		   /* numbers are never reused */
		   VERIFY_ASK = 1, /* <- VERIFY_ANSWER */
		   VERIFY_ANSWER = 101,
};

enum verify_outcome {
	VERIFY_TAKEN = 1,   /* it is there, as far as the next hop says at RCPT */
	VERIFY_REFUSED = 2, /* for good */
	VERIFY_UNKNOWN = 3, /* it cannot be asked, or does not want to say now: no refusal */
};

#define VERIFY_ASKED_MAX 256
#define VERIFY_ADDRESS_MAX 512
#define VERIFY_BLOCK_MAX 255
#define VERIFY_REPLY_MAX 512
#define VERIFY_HOST_MAX 300
#define VERIFY_STATUS_MAX 11

struct verify_ask {
	struct span address; /* canonical */
	struct span block;   /* the `domain` that says `recipients verify`, by its first name */
};

struct verify_answer {
	uint64_t outcome;   /* enum verify_outcome */
	uint64_t code;	    /* of the reply; 0: there was none */
	struct span status; /* its enhanced status; empty: none */
	struct span reply;  /* its text, or why it cannot be asked */
	struct span host;   /* who said so; empty: nobody */
	uint64_t asked_ms;  /* wall clock: when */
	uint64_t is_kept;   /* 1: an earlier answer, which still holds */
};

extern const struct wire_shape verify_calls[];
extern const struct wire_shape verify_answers[];

#endif
