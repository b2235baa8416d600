/*
 * jobs - queue-manager <-> those who deliver: delivery, local, bounce
 *
 * Two kinds of connection.  The *parent* of a program says JOBS_PARENT once, then answers each WANT: it connects anew to this
 * socket, says JOBS_AGENT on that connection, forks, and the child keeps it (the parent closes its copy).  So each agent is bound to one
 * place by its parent, and reports only what it was given.  An *agent* gets a JOB (descriptor, envelope), RECIPIENTS in parts (the first in
 * the same datagram, if there is room), and
 * reports each recipient with RESULT as soon as it is known; `last` says that the agent is free again: there is no READY.
 * The queue-manager ends an agent by closing its connection; an agent that has nothing to do longer than it likes says LEAVE and waits for the close.
 */
#ifndef COMMON_PROTOCOL_JOBS_H
#define COMMON_PROTOCOL_JOBS_H

#include "common/protocol/wire.h"

enum jobs_type {		  /* numbers are never reused */
		 JOBS_PARENT = 1, /* parent: this program serves jobs of that kind */
		 JOBS_CANNOT = 2, /* parent: no agent for WANT (answers its request number) */
		 JOBS_AGENT =
			 3, /* first on an agent's connection: it serves WANT number N of its parent */
		 JOBS_RESULT = 4, /* agent: what became of one recipient */
		 JOBS_LEAVE =
			 5, /* agent: idle for long, or its peer closed; no job will be taken any more */
		 JOBS_SITE = 6, /* agent, with a job: the place is behind these hosts */
		 JOBS_HOST = 7, /* agent, with a job: that host takes no connection */
		 JOBS_EXPANDED =
			 8, /* agent: a recipient stands for these; WIRE_MORE on all but the last, nothing else between them */
		 JOBS_WANT = 101, /* queue-manager -> parent: an agent for this place, please */
		 JOBS_JOB =
			 102, /* queue-manager -> agent: a message + its descriptor; RECIPIENTS (or FAILURES) follow */
		 JOBS_RECIPIENTS = 103, /* WIRE_MORE on all but the last */
		 JOBS_FAILURES = 104,	/* the same for bounce: who failed and why */
};

enum jobs_kind {
	JOBS_SMTP = 1,	  /* delivery: hosts */
	JOBS_MAILBOX = 2, /* local: user, domain */
	JOBS_NOTICE = 3,  /* bounce */
	JOBS_LINE =
		4, /* local: user, domain: a line of his .forward, or the command of `deliver pipe` */
	JOBS_ALIAS = 5, /* local: the name of an alias as user, domain: a line of it */
};

/* the parent that serves a kind: local says JOBS_MAILBOX and serves three */
static inline enum jobs_kind
jobs_parent_kind(enum jobs_kind kind)
{
	return kind == JOBS_LINE || kind == JOBS_ALIAS ? JOBS_MAILBOX : kind;
}

#define JOBS_REPLY_MAX 512
#define JOBS_HOST_MAX 300
#define JOBS_TLS_MAX 100
#define JOBS_SITE_MAX 2048		   /* bytes of a site's name */
#define JOBS_AVOID_MAX 4096		   /* bytes of the hosts to be tried last */
#define JOBS_QUOTA_MAX (UINT64_C(1) << 60) /* bytes of a mailbox */
#define JOBS_PAUSE_MAX (UINT64_C(7) * 24 * 3600 * 1000)

struct jobs_parent {
	uint64_t kind; /* enum jobs_kind */
};

struct jobs_agent {
	uint64_t want; /* the request number of WANT */
};

/* where to: which members count depends on the kind; the rest are empty */
struct jobs_want {
	uint64_t kind;
	struct span hosts; /* smtp: hops (common/mail/hop.h), parted by blanks, in their order */
	struct span user;  /* mailbox: login name */
	struct span
		domain; /* mailbox: the domain block that decides `deliver`; smtp: "outbound", or the route or domain that named the hosts */
	struct span
		home; /* mailbox of a virtual user: below the block's prefix; alias: its table as the block names it; else empty */
	uint64_t quota;	      /* mailbox of a virtual user: bytes; 0: none */
	struct span delivery; /* mailbox: which of the block's, by its name; empty: `deliver` */
};

struct jobs_cannot {
	uint64_t fate; /* deferred or failed, for every recipient of the place */
	struct span status;
	struct span text;
};

struct jobs_job {
	uint64_t id;
	uint64_t content_at; /* offset in the file */
	uint64_t content_length;
	uint64_t arrived_us; /* wall clock */
	uint64_t eight_bit;
	uint64_t utf8; /* 1: only where SMTPUTF8 is offered, if an address or the header needs it */
	uint64_t tls_demand; /* enum intake_tls_demand */
	uint64_t ret;	     /* enum intake_ret */
	struct span envid;   /* empty: none */
	struct span sender;  /* canonical; empty: null reverse-path */
	struct span top;     /* header lines put on top of the content */
	uint64_t recipients; /* in all parts */
	struct span
		avoid; /* smtp: hosts that are tried last, as results name them, parted by blanks */
};

struct jobs_recipient {
	uint64_t number;      /* of the recipient in the message; RESULT names it */
	struct span address;  /* deliver to this */
	struct span original; /* what the sender gave, if an alias made this of it; else empty */
	uint64_t notify;      /* bits of enum intake_notify */
	struct span orcpt;    /* empty: none */
	uint64_t direct;      /* enum lookup_direct */
	uint64_t line;	      /* the hash of the line that it is; 0: none */
};

/* one that a recipient was expanded into */
struct jobs_child {
	struct span address;
	uint64_t direct; /* enum lookup_direct */
	uint64_t line;	 /* the hash of a line; 0: it is an address */
	struct span
		owner; /* who is its sender; empty: as its parent's.  Said by lookup alone, never on this socket */
};

struct jobs_expanded {
	uint64_t number; /* of the recipient */
	uint64_t last;	 /* as in RESULT; counts in the last part */
	struct wire_list children;
};

/* jobs_recipient.notify and orcpt are as in intake.h */
struct jobs_recipients {
	struct wire_list recipients;
};

struct jobs_failure {
	uint64_t number;
	struct span address;
	struct span original;
	struct span status;
	struct span reply; /* text, perhaps led by its code */
	uint64_t code;	   /* 0: no reply of a server: `reply` is our own sentence */
	struct span host;  /* who answered so; empty: we */
	uint64_t at_us;	   /* when */
	uint64_t action;   /* enum jobs_action; 0 is JOBS_ACTION_FAILED */
	struct span orcpt; /* empty: none */
	uint64_t until_us; /* delayed: tried until then */
};

/* status of what is held for the budget of its sender: mail flood detected, in the registry of RFC 5248 */
#define JOBS_STATUS_BUDGET "4.7.28"

/* what a notice says of a recipient (RFC 3464, section 2.3.3) */
enum jobs_action {
	JOBS_ACTION_FAILED = 1,
	JOBS_ACTION_DELAYED = 2,
	JOBS_ACTION_DELIVERED = 3,
	JOBS_ACTION_RELAYED = 4,
	JOBS_ACTION_EXPANDED = 5,
};

struct jobs_failures {
	struct wire_list failures;
};

struct jobs_result {
	uint64_t number; /* recipient; for a notice: 0 */
	uint64_t fate;	 /* enum fate */
	uint64_t code;	 /* 0: no reply was had */
	struct span status;
	struct span text; /* reply or reason */
	struct span host; /* NAME[ADDRESS]:PORT, a mailbox path, the id of the notice */
	uint64_t last;	  /* 1: the job is done, I am free */
	uint64_t relayed; /* enum jobs_relayed, of what was delivered */
	uint64_t meaning; /* enum reply_meaning, of what was refused */
	uint64_t
		pause_ms; /* what the reply asks for, of REPLY_RATE and REPLY_GREYLIST; 0: nothing */
	struct span
		tls; /* smtp: version, cipher, and what is known of the host by its certificate; empty: plain text */
};

/* the canonical MX set: NAME:PORT in lower case, in the order of bytes, parted by blanks; what is too long ends in `...` */
struct jobs_site {
	struct span name;
};

struct jobs_host {
	struct span host; /* NAME[ADDRESS]:PORT, or a path */
};

/* who tells the sender of success, where he asked for it (RFC 3461, section 5.2.2) */
enum jobs_relayed {
	JOBS_RELAYED_FINAL = 0,	 /* delivered, and nobody comes after: we */
	JOBS_RELAYED_PASSED = 1, /* the next hop takes DSN parameters: it will tell, we need not */
	JOBS_RELAYED_SILENT =
		2, /* the next hop knows nothing of them: we say that it was relayed */
};

extern const struct wire_shape jobs_recipient_shape;
extern const struct wire_shape jobs_failure_shape;
extern const struct wire_shape jobs_child_shape;
extern const struct wire_shape jobs_calls[];  /* what parents and agents may send */
extern const struct wire_shape jobs_orders[]; /* what the queue-manager sends */

#endif
