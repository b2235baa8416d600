/*
 * lookup - what is this address?  smtpd, queue-manager -> lookup
 *
 * Questions in lists, answers in lists with the numbers of the questions, in parts where they do not fit (WIRE_MORE).  Answers bear the request number of
 * their question; several questions may be under way.
 */
#ifndef COMMON_PROTOCOL_LOOKUP_H
#define COMMON_PROTOCOL_LOOKUP_H

#include "common/protocol/wire.h"

enum lookup_type {			  /* numbers are never reused */
		   LOOKUP_RECIPIENTS = 1, /* may this stand at RCPT?  <- LOOKUP_VERDICTS */
		   LOOKUP_ROUTES = 2,	  /* where does it go?        <- LOOKUP_LEAVES */
		   LOOKUP_EXPAND = 3,	  /* EXPN: whom is it?         <- LOOKUP_LEAVES */
		   LOOKUP_SENDER = 5,	  /* may this login send as it? <- LOOKUP_VERDICTS, one */
		   LOOKUP_VERDICTS = 101,
		   LOOKUP_LEAVES = 102,
};

#define LOOKUP_QUESTIONS_MAX 256 /* in one datagram */
#define LOOKUP_TEXT_MAX 512
#define LOOKUP_LOGIN_MAX 255
#define LOOKUP_CLIENT_LOGIN "login:" /* before a login that is counted in place of the address */
#define LOOKUP_CLIENT_MAX 261

/* what an address is, for the one who asks at RCPT */
enum lookup_class {
	LOOKUP_LOCAL = 1,   /* ours, and there */
	LOOKUP_RELAY = 2,   /* somebody else's: only for those who may relay */
	LOOKUP_REFUSED = 3, /* ours, and not to be had: code, status, text */
	LOOKUP_TROUBLE = 4, /* cannot say now: 451 */
};

enum lookup_leaf_kind {
	LOOKUP_MAILBOX = 1, /* user, domain, extension */
	LOOKUP_SMTP =
		2, /* host, port: hosts in the order of the configuration, each "host:port", parted by blanks */
	LOOKUP_REFUSE = 3,  /* code, status, text: a failed recipient */
	LOOKUP_DEFER = 4,   /* the same, later again */
	LOOKUP_DISCARD = 5, /* delivered to nowhere; text says by which line */
	LOOKUP_HOLD = 6,    /* held for the administrator; text */
	LOOKUP_LINE =
		7, /* as MAILBOX: a line of the user's .forward, or the command of `deliver pipe` */
	LOOKUP_ALIAS = 8, /* a line of an alias: its name as user, domain, line */
};

/* what has been applied to an address already */
enum lookup_direct {
	LOOKUP_DIRECT_NOT = 0,
	LOOKUP_DIRECT_USER = 1,	   /* the alias of this very name: it is the user */
	LOOKUP_DIRECT_MAILBOX = 2, /* and his .forward: it is his mailbox */
};

struct lookup_question {
	uint64_t number;     /* the asker's */
	struct span address; /* canonical */
	uint64_t direct;     /* enum lookup_direct (ROUTES) */
	/* the hash of a line of the alias of that name, or, when direct, of the user's .forward; 0: none (ROUTES) */
	uint64_t line;
	/* its sender, where a login depends on him (config_has_sender_logins); else empty (ROUTES) */
	struct span sender;
};

struct lookup_questions {
	struct wire_list questions;
};

struct lookup_sender {
	struct span address; /* canonical */
	struct span login;   /* empty: a user of this host, */
	uint64_t uid;	     /* plus 1; 0: a login */
};

/*
 * The client, an address or a login, is counted (expn-per-hour).  Of the leaves only the addresses are filled in; one that stands for commands, files and lists in
 * files alone is DISCARD, and one leaf alone may be REFUSE or DEFER.
 */
struct lookup_expand {
	struct span client;
	struct wire_list questions; /* one: each is counted */
};

struct lookup_verdict {
	uint64_t number;
	uint64_t class;
	uint64_t code; /* 0 unless REFUSED or TROUBLE */
	struct span status;
	struct span text;
	struct span
		ask; /* LOCAL: may be refused by the next hop, which knows this address; empty: nobody is to be asked */
	struct span block; /* the domain block that says so, by its first name */
};

struct lookup_verdicts {
	struct wire_list verdicts;
};

/*
 * One leaf of one question.  A question has one or more; all of a question's leaves stand together, `leaves` says on each how
 * many.  When there is one and it is the question's (lookup_is_same), nothing was expanded.
 */
struct lookup_leaf {
	uint64_t number; /* of the question */
	uint64_t leaves;
	uint64_t kind;
	struct span address; /* deliver to this (canonical) */
	uint64_t direct;     /* ask with this for it again ... */
	uint64_t line;	     /* ... and with this */
	struct span
		owner; /* who is the sender from here on (owner-NAME of a list); empty: who it was */
	struct span user; /* mailbox; smtp: the name of the login, empty: none */
	/* mailbox: the domain block by its first name; smtp: "outbound" or the route's name */
	struct span domain;
	struct span hosts; /* smtp */
	uint64_t code;	   /* refuse, defer */
	struct span status;
	struct span text;
	struct span
		home; /* mailbox of a virtual user (`users TABLE`); alias: its table as the block names it; else empty */
	uint64_t quota;	      /* of a virtual user's Maildir, bytes; 0: none */
	struct span delivery; /* mailbox: which of the block's, by its name; empty: `deliver` */
};

struct lookup_leaves {
	struct wire_list leaves;
};

/* does one ask for the same with both?  An alias of a user that names himself alone is nothing but him. */
static inline bool
lookup_is_same(struct span address, uint64_t direct, uint64_t line, const struct lookup_leaf *l)
{
	return span_equal(address, l->address) && line == l->line &&
	       (direct == LOOKUP_DIRECT_MAILBOX) == (l->direct == LOOKUP_DIRECT_MAILBOX);
}

extern const struct wire_shape lookup_question_shape;
extern const struct wire_shape lookup_verdict_shape;
extern const struct wire_shape lookup_leaf_shape;
extern const struct wire_shape lookup_calls[];
extern const struct wire_shape lookup_answers[];

#endif
