/*
 * sasl - the client's side of each mechanism, a step at a time
 *
 * Called by login.c; knows neither sockets nor files.  SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, RFC 7677), with -PLUS and without, PLAIN (RFC 4616),
 * LOGIN (draft-murchison-sasl-login), OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's).  What a server says is a stranger's: it is measured, and
 * what does not fit ends the exchange.  By SCRAM a server must show that it knows the password too, or it is not believed.
 */
#ifndef DELIVERY_SASL_H
#define DELIVERY_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/accounts/prepare.h"
#include "common/accounts/verifier.h"
#include "common/config/config.h"
#include "common/text/span.h"

#define SASL_NONCE_SIZE 18	/* random bytes of ours */
#define SASL_NONCE_MAX 40	/* as text; those that the RFCs give are shorter */
#define SASL_RESPONSE_MAX 9216	/* bytes of one of ours: 12288 as base64 (RFC 4954, section 4) */
#define SASL_CHALLENGE_MAX 9216 /* bytes of one of theirs */

#define SASL_FIRST_MAX \
	1024 /* of the first message of SCRAM: a name may be three times as long there */

/* who logs in; the spans are the caller's, and wiped by him */
struct sasl_identity {
	struct span user;
	struct span secret; /* a password; a token for the bearer mechanisms */
	struct span host;   /* OAUTHBEARER says where it goes */
	unsigned port;
	struct span
		binding; /* SCRAM: what the TLS connection can be bound by (tls-exporter); empty: none */
};

struct sasl_client {
	enum config_mechanism mechanism;
	struct sasl_identity who;
	unsigned step;			/* responses made */
	bool is_refused;		/* a bearer's token was, and the server said why */
	bool is_proven;			/* SCRAM: the server knows the password */
	char nonce[SASL_NONCE_MAX + 1]; /* ours */
	char first[SASL_FIRST_MAX + 1]; /* SCRAM: client-first-message-bare */
	unsigned char signature[VERIFIER_KEY_MAX]; /* SCRAM: what the server must say */
	const char *wrong; /* after SASL_WRONG: a sentence about the server */
};

enum sasl_outcome {
	SASL_RESPONSE = 1,
	SASL_WRONG,   /* the server says what it must not: end it by "*" */
	SASL_TROUBLE, /* ours: memory, or a secret that cannot be said by this mechanism */
};

/* one response, for the caller to send and to wipe */
struct sasl_response {
	size_t len;
	char at[SASL_RESPONSE_MAX];
};

/* sasl_start - `nonce`: printable, without comma */
void sasl_start(struct sasl_client *x, enum config_mechanism mechanism,
		const struct sasl_identity *who, const char *nonce);
/* sasl_has_initial - does the client speak first? (RFC 4422, section 5) */
bool sasl_has_initial(enum config_mechanism mechanism);
/* is the login bound to the TLS connection? */
bool sasl_is_plus(enum config_mechanism mechanism);
/* does the mechanism tell the secret to whoever hears it? */
bool sasl_is_clear(enum config_mechanism mechanism);
/* sasl_step - the answer to a challenge; the initial response is that to an empty one */
enum sasl_outcome sasl_step(struct sasl_client *x, struct span challenge,
			    struct sasl_response *response) __attribute__((warn_unused_result));
/* sasl_may_succeed - the server says that we are in: has it shown all that it must? */
bool sasl_may_succeed(const struct sasl_client *x);
/* sasl_end - wiped */
void sasl_end(struct sasl_client *x);

/* scram.c */
enum sasl_outcome scram_step(struct sasl_client *x, struct span challenge,
			     struct sasl_response *response) __attribute__((warn_unused_result));
/* for the mechanisms: adds to a response; it is whole only where none of them is false */
bool sasl_put(struct sasl_response *r, struct span s);
enum sasl_outcome sasl_is_wrong(struct sasl_client *x, const char *sentence);

#endif
