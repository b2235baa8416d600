/*
 * reply - an SMTP reply, and what a program decided about mail
 */
#ifndef COMMON_MAIL_REPLY_H
#define COMMON_MAIL_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text/span.h"

#define REPLY_TEXT_MAX 512  /* of the text that is kept, all lines joined by blanks */
#define REPLY_LINES_MAX 100 /* a reply of more lines is malformed */
#define REPLY_LINE_MAX 2048 /* RFC 5321 says 512 with CRLF; longer ones are seen */
#define STATUS_MAX 12	    /* "5.123.456" and the NUL */

/* what becomes of a recipient */
enum fate {
	FATE_DELIVERED = 1, /* a final positive answer, or durable in the mailbox */
	FATE_DEFERRED = 2,  /* temporary: again later */
	FATE_FAILED = 3,    /* permanent: a notice to the sender */
};

/* one decision, with all that must be told about it */
struct verdict {
	enum fate fate;
	int code;		       /* 250, 451, 550 ...; 0: no reply was had (see text) */
	char status[STATUS_MAX];       /* RFC 3463: "5.1.1" */
	char text[REPLY_TEXT_MAX + 1]; /* one line of printable ASCII, without code and status */
};

void verdict_set(struct verdict *v, enum fate fate, int code, const char *status, const char *text,
		 ...) __attribute__((format(printf, 5, 6)));

/*
 * what a refusal means for those who wait for the same place (numbers go over the wire: never reused)
 *
 * The fate of the recipient does not depend on it, but for when it is tried again.
 */
enum reply_meaning {
	REPLY_ORDINARY = 0, /* this recipient's or this message's trouble, for all that is known */
	REPLY_CONNECTING = 1, /* no host of the place could be reached */
	REPLY_BUSY = 2,	      /* turned away at the greeting: fewer connections would do */
	REPLY_GREYLIST = 3,   /* the same again a little later is taken */
	REPLY_RATE = 4,	      /* we send too much: a pause for the whole place */
	REPLY_RECIPIENT = 5,  /* the recipient's own: full, unknown, disabled */
	REPLY_CONTENT = 6,    /* what the message says is not wanted */
	REPLY_BLOCKED = 7,    /* who we are is not wanted, by anybody there */
	REPLY_BROKEN = 8,     /* the connection ended in the midst of it */
	REPLY_MEANINGS
};

/* reply_meaning_word - as patterns and listings name it */
const char *reply_meaning_word(enum reply_meaning m);
/* reply_meaning_find - of a word; -1: there is no such one */
int reply_meaning_find(struct span word, enum reply_meaning *m) __attribute__((warn_unused_result));

/* a reply that is read line by line from a peer */
struct reply {
	int code;
	bool complete;
	int lines;
	char status[STATUS_MAX]; /* empty when the peer gave none (RFC 2034) */
	char text[REPLY_TEXT_MAX +
		  1]; /* the lines joined by blanks, cut at the maximum, printable ASCII */
};

void reply_start(struct reply *r);
/* reply_line - one line without CRLF; -1: this is no reply (RFC 5321, section 4.2) */
int reply_line(struct reply *r, struct span line) __attribute__((warn_unused_result));
/* reply_verdict - 2xx delivered, 4xx deferred, 5xx failed; a missing status is made from the code */
void reply_verdict(const struct reply *r, struct verdict *v);

/* RFC 3463 syntax: class 2, 4 or 5, subject and detail of up to three digits */
bool status_is_valid(struct span status);

#endif
