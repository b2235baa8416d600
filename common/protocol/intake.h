/*
 * intake - the one door: smtpd, submit, bounce -> queue-manager
 *
 * One transaction at a time on a connection; ENVELOPE, RECIPIENTS and COMMIT are sent without waiting, in one datagram as far as they fit.  Served by queue-manager/intake.c,
 * called by smtpd/accept.c and bounce/agent.c.  The promise and its steps: docs/architecture.md, "How a message comes in".
 */
#ifndef COMMON_PROTOCOL_INTAKE_H
#define COMMON_PROTOCOL_INTAKE_H

#include "common/protocol/wire.h"

/* the content begins at this offset of the file; the session's writer stands there when it is received */
#define INTAKE_CONTENT_AT 40

enum intake_type { /* numbers are never reused */
		   INTAKE_OPEN =
			   1, /* a message, please  <- INTAKE_FILE + writer, reader | INTAKE_REFUSED */
		   INTAKE_ENVELOPE =
			   2, /* my writer is closed; sender, how it came, length, checksum, lines put on top */
		   INTAKE_RECIPIENTS = 3, /* as many as fit; again */
		   INTAKE_COMMIT =
			   4, /* that was all of them  <- INTAKE_QUEUED, perhaps INTAKE_FINISHED | INTAKE_TAKEN | INTAKE_REFUSED */
		   INTAKE_KEEP = 5, /* it is on disk; I say 250 now (no answer) */
		   INTAKE_ABANDON =
			   6, /* no 250 will be given: the message ends (no answer); after OPEN, or in place of KEEP: fsync failed */
		   INTAKE_RETRY =
			   7, /* what is deferred for a domain, now (ETRN)  <- INTAKE_RETRYING; between transactions */
		   INTAKE_ANSWERED =
			   8, /* the client was told the refusal of FINISHED: nobody owes it a notice (no answer) */
		   INTAKE_FILE = 101,
		   INTAKE_REFUSED = 102,
		   INTAKE_QUEUED = 103,
		   INTAKE_RETRYING = 104,
		   INTAKE_FINISHED =
			   105, /* once, if QUEUED named a time to wait, and KEEP was not there before */
		   INTAKE_TAKEN =
			   106, /* in place of QUEUED: this letter (`once`) was queued before; with it, a descriptor of that file, for fsync */
};

enum intake_origin { INTAKE_NETWORK = 1, INTAKE_NOTICE = 2, INTAKE_LOCAL = 3 };

/* RET= of MAIL: what of the message a notice carries */
enum intake_ret { INTAKE_RET_UNSAID = 0, INTAKE_RET_FULL = 1, INTAKE_RET_HDRS = 2 };

/* NOTIFY= of RCPT */
enum intake_notify {
	INTAKE_NOTIFY_NEVER = 1,
	INTAKE_NOTIFY_SUCCESS = 2,
	INTAKE_NOTIFY_FAILURE = 4,
	INTAKE_NOTIFY_DELAY = 8,
};

/* what the sender demands of each connection on its way (RFC 8689) */
enum intake_tls_demand {
	INTAKE_TLS_BY_POLICY = 0, /* nothing: what the policies of the hosts on its way say */
	INTAKE_TLS_REQUIRED =
		1, /* REQUIRETLS was said: TLS, verified, to a host that says REQUIRETLS too */
	INTAKE_TLS_WAIVED =
		2, /* `TLS-Required: No` in its header: rather without TLS than not at all */
};

#define INTAKE_SENDER_MAX 512
#define INTAKE_ENVID_MAX 100 /* RFC 3461, section 4.4 */
#define INTAKE_ORCPT_MAX 512
#define INTAKE_RECIPIENT_MAX 512
#define INTAKE_HELO_MAX 512
#define INTAKE_LOGIN_MAX 255
#define INTAKE_TLS_MAX 64
#define INTAKE_ONCE_MAX 120
#define INTAKE_TOP_MAX 32768

struct intake_open {
	uint64_t size; /* bytes that the client announced (SIZE=), 0 unknown */
};

struct intake_envelope {
	uint64_t origin;    /* enum intake_origin */
	struct span client; /* address of the client, as text; empty for a notice */
	struct span helo;
	struct span protocol; /* SMTP, ESMTP, LOCAL, NOTICE */
	struct span tls;      /* version and cipher; empty: plain text */
	struct span sender;   /* canonical; empty: the null reverse-path */
	uint64_t eight_bit;   /* 1: BODY=8BITMIME was said, or there are bytes above 127 */
	uint64_t utf8;	      /* 1: SMTPUTF8 was said (RFC 6531) */
	uint64_t tls_demand;  /* enum intake_tls_demand */
	uint64_t ret;	      /* DSN (RFC 3461): enum intake_ret */
	struct span envid;    /* ENVID as its xtext says, decoded; empty: none */
	uint64_t uid;	   /* of a local sender, plus 1; 0: none.  Believed from `submit` alone */
	struct span login; /* who has logged in; empty: nobody */
	/* of a letter that may be brought again, as nobody knows whether it was taken; empty: it is not.  Believed from `submit` alone */
	struct span once;
	uint64_t length;   /* of the content in the file */
	uint64_t checksum; /* XXH3 of the content */
	/* header lines put on top, with CRLF each, by whoever sends or stores the message */
	struct span top;
};

struct intake_recipient {
	struct span address; /* canonical */
	uint64_t notify;     /* bits of enum intake_notify; 0: NOTIFY was not given */
	struct span orcpt;   /* ORCPT, "rfc822;a@b" decoded from its xtext; empty: none */
};

struct intake_recipients {
	struct wire_list recipients;
};

struct intake_commit {
	uint64_t count; /* recipients in all */
	uint64_t early; /* 1: I would wait for FINISHED before I call fsync */
};

struct intake_keep {
	uint64_t sync_us; /* how long the fsync took; 0: not measured */
};

struct intake_queued {
	uint64_t wait_ms; /* FINISHED comes by then at the latest; 0: it does not come */
};

/* what became of the message while the session waited */
enum intake_finish {
	INTAKE_FINISH_DELIVERED =
		1, /* every recipient: 250 without fsync; nothing more need be said of it */
	/* by every recipient: code, status, text are for the client, then ANSWERED.  Who had lost patience says KEEP */
	INTAKE_FINISH_REFUSED = 2,
	INTAKE_FINISH_NOT = 3, /* it goes on as queued mail: fsync and KEEP now */
};

struct intake_finished {
	uint64_t finish;    /* enum intake_finish */
	uint64_t code;	    /* 5xx; 0 unless REFUSED */
	struct span status; /* empty unless REFUSED */
	struct span text;
};

#define INTAKE_WAIT_MAX_MS \
	20000 /* of intake_queued; the client waits 10 minutes (RFC 5321, section 4.5.3.2.6) */

struct intake_file {
	uint64_t id;
};

#define INTAKE_DOMAIN_MAX 255

struct intake_retry {
	struct span domain; /* lower case */
	uint64_t below;	    /* 1: and all domains below it */
};

/* what an ETRN comes to (RFC 1985, section 5.3) */
enum intake_retry_outcome {
	INTAKE_RETRY_STARTED = 1,
	INTAKE_RETRY_NOTHING, /* no mail is here for it */
	INTAKE_RETRY_SOON,    /* asked again too soon, or too much is asked at once */
};

struct intake_retrying {
	uint64_t outcome;
};

struct intake_refused {
	uint64_t code;	    /* 4xx or 5xx */
	struct span status; /* 4.3.1 */
	struct span text;
};

extern const struct wire_shape intake_recipient_shape;
extern const struct wire_shape intake_calls[];	 /* what a client may send */
extern const struct wire_shape intake_answers[]; /* what the queue-manager answers */

#endif
