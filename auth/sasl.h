/*
 * sasl - the server's side of each mechanism, a step at a time
 *
 * Called by check.c, each step in a process of its own; knows neither sockets nor files.  What lasts from one step to the next stands in struct
 * sasl_exchange, which is plain bytes: it can be copied, and sent to another process of the same program.  Offered are PLAIN (RFC 4616), LOGIN
 * (draft-murchison-sasl-login), SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, RFC 7677), both with channel binding too (-PLUS),
 * and EXTERNAL (RFC 4422, appendix A): who the client's certificate names.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/accounts/prepare.h"
#include "common/accounts/verifier.h"
#include "common/protocol/auth.h"
#include "common/text/span.h"

#define SASL_NONCE_SIZE 18     /* random bytes of ours */
#define SASL_NONCE_TEXT 24     /* the same in base64 */
#define SASL_NONCE_MAX 40      /* those that the RFCs give are longer */
#define SCRAM_MESSAGE_MAX 1024 /* of a message of the client */
#define SCRAM_FIRST_MAX 1400   /* of ours: its nonce, ours, salt, iterations */

/* channel bindings, which smtpd has from the client's TLS; what it does not have was not offered */
enum sasl_binding { SASL_EXPORTER, SASL_UNIQUE, SASL_END_POINT, SASL_BINDINGS };

struct sasl_bindings {
	struct {
		size_t len; /* 0: not this one */
		unsigned char data[AUTH_BINDING_MAX];
	} of[SASL_BINDINGS];
};

struct sasl_exchange {
	enum auth_mechanism mechanism;
	unsigned step;	/* how many responses were taken */
	bool is_proven; /* SCRAM: the last message of the client is but a courtesy */
	char login[PREPARE_LOGIN_MAX + 1]; /* prepared; empty: not said yet */
	char nonce[SASL_NONCE_MAX + 1];	   /* ours */
	/* where another judges (dovecot.c) */
	char tried[PREPARE_LOGIN_MAX + 1]; /* the login as the client has it; empty: the same */
	bool is_named;			   /* the response that names the login has come */
	bool is_counted; /* wrong, and counted as that: the challenge says so, and one step is to come */
	char certificate[AUTH_LOGIN_MAX + 1]; /* whom that of the client names; empty: nobody */
	/* SCRAM */
	char client_first[SCRAM_MESSAGE_MAX + 1];
	size_t bare_at; /* where client-first-message-bare begins in it */
	char server_first[SCRAM_FIRST_MAX + 1];
	struct verifier verifier;
	bool is_decoy; /* there is no such login: nothing fits */
	struct sasl_bindings bindings;
	enum sasl_binding bound; /* which of them the client has chosen; SASL_BINDINGS: none */
};

/* where accounts are looked up */
enum sasl_found {
	SASL_FOUND,
	SASL_DECOY, /* there is none; `v` is one that nothing fits, and the exchange goes on as for any other */
	SASL_UNKNOWN, /* cannot be said now */
};

struct sasl_source {
	void *owner;
	enum sasl_found (*find)(void *owner, struct span login, enum verifier_hash hash,
				struct verifier *v);
	/* check - NULL: by what find says; else whoever judges passwords himself: SASL_FOUND and *is_right, or SASL_UNKNOWN */
	enum sasl_found (*check)(void *owner, struct span login, struct span password,
				 bool *is_right);
	/* may_guess - false: too many wrong guesses came from there, and this one is not looked at */
	bool (*may_guess)(void *owner, const char *login);
};

enum sasl_outcome {
	SASL_CHALLENGE = 1,
	SASL_SUCCESS,
	SASL_FAILURE, /* reason */
	SASL_REFUSED, /* may_guess said no */
	SASL_TROUBLE,
};

struct sasl_result {
	enum sasl_outcome outcome;
	enum auth_reason reason;
	bool is_checked; /* the client has learned, or would, whether a guess was right */
	size_t len;	 /* of the challenge */
	char data[AUTH_CHALLENGE_MAX];
};

/* sasl_start - `nonce`: SASL_NONCE_SIZE random bytes; no bindings yet */
void sasl_start(struct sasl_exchange *x, enum auth_mechanism mechanism,
		const unsigned char nonce[SASL_NONCE_SIZE]);
/* sasl_bind - before the first step: the client could bind itself to this */
void sasl_bind(struct sasl_exchange *x, enum sasl_binding binding, struct span data);
/*
 * sasl_step - one response of the client; the first is the initial one, `response` NULL: there is none
 *
 * After anything but SASL_CHALLENGE the exchange is over.
 */
void sasl_step(struct sasl_exchange *x, const struct span *response,
	       const struct sasl_source *source, struct sasl_result *r);

/* ---- for the mechanisms: what a step comes to ---- */

void sasl_challenge(struct sasl_result *r, struct span data);
void sasl_fail(struct sasl_result *r, enum auth_reason reason);
/* a name as it came becomes x->login; false: nobody has such a name */
bool sasl_take_login(struct sasl_exchange *x, struct span name);
/* the password of x->login as it came; says all that is to be said */
void sasl_check(struct sasl_exchange *x, struct span password, const struct sasl_source *source,
		struct sasl_result *r);
/* scram.c */
void scram_step(struct sasl_exchange *x, struct span response, const struct sasl_source *source,
		struct sasl_result *r);

#endif
