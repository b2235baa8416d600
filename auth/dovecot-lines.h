/*
 * dovecot-lines - the lines that an authentication client and Dovecot say to one another (its protocol, version 1.1 and 1.2)
 *
 *     C: VERSION 1 2     CPID NUMBER
 *     S: VERSION 1 N     MECH NAME PARAMETER...     SPID, CUID, COOKIE     DONE
 *     C: AUTH ID MECHANISM service=smtp PARAMETER... [resp=BASE64]     CONT ID BASE64
 *     S: OK ID user=NAME PARAMETER...     CONT ID BASE64     FAIL ID PARAMETER...
 *
 * Words are parted by tabs.  Called by dovecot.c; knows no socket.
 */
#ifndef AUTH_DOVECOT_LINES_H
#define AUTH_DOVECOT_LINES_H

#include "common/protocol/auth.h"
#include "common/text/buffer.h"

#define DOVECOT_LINE_MAX 16384 /* of its lines; 8192 is what it takes itself */
#define DOVECOT_MAJOR 1

enum dovecot_kind {
	DOVECOT_OTHER = 1, /* nothing that concerns us */
	DOVECOT_VERSION,   /* number: major */
	DOVECOT_MECHANISM, /* mechanism */
	DOVECOT_DONE,
	DOVECOT_OK,   /* number: request; user; is_barred */
	DOVECOT_CONT, /* number: request; data */
	DOVECOT_FAIL, /* number: request; user; is_temporary */
	DOVECOT_MALFORMED,
};

struct dovecot_line {
	enum dovecot_kind kind;
	uint64_t number;
	enum auth_mechanism mechanism; /* 0: none that can be offered here */
	struct span user;	       /* as it stands; empty: none was named */
	bool is_barred;		       /* `nologin`: right, and must not log in all the same */
	bool is_temporary;	       /* it cannot be said now */
	struct span data;	       /* base64 */
};

/* dovecot_parse - a line without its line end; the spans point into it */
void dovecot_parse(struct span line, struct dovecot_line *l);

/* what Dovecot is told of a client, besides what the client says */
struct dovecot_request {
	enum auth_mechanism mechanism;
	struct span session, client, server; /* addresses; `server` may be empty */
	struct span tls;		     /* version and cipher; empty: none */
	struct span certificate;	     /* empty: none that was verified */
	const struct span *response;	     /* NULL: there is no initial one */
};

/* each appends whole lines; the buffer fails where its maximum is less */
void dovecot_write_hello(struct buffer *b, uint32_t number);
void dovecot_write_auth(struct buffer *b, const struct dovecot_request *r);
void dovecot_write_cont(struct buffer *b, struct span response);
/* the one request of a connection */
#define DOVECOT_REQUEST 1

#endif
