/*
 * session - one client, from banner to end
 *
 * A process of its own: it blocks, it has deadlines, it ends.  What the verbs share stands in struct session; a handler reads it, changes its own
 * part, and answers with session_reply.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/config/config.h"
#include "common/mail/address.h"
#include "common/protocol/auth.h"
#include "common/system/stream.h"
#include "common/text/span.h"
#include "smtpd/accept.h"
#include "smtpd/checks.h"
#include "smtpd/client-certificate.h"
#include "smtpd/content.h"
#include "smtpd/recipients.h"

#define SESSION_ID_MAX 24 /* `S`, 13 or more hex digits, NUL */
#define SESSION_COMMAND_MAX \
	4096 /* bytes of a command line, CRLF included; RFC 5321 asks for 512 and more with extensions */
#define SESSION_TRANSACTION_MAX \
	(256u << 20) /* bytes of memory of one transaction, all recipients */
#define SESSION_HELO_MAX 256
#define SESSION_TLS_MAX 64 /* the longest name of a cipher has 45 bytes */
#define SESSION_LOCAL_CLIENT \
	"uid:" /* and the uid: what events call the client of a local session */
#define SESSION_GREETING "%s ESMTP Culver" /* behind 220; with the name of this host */
#define SESSION_STOP_MS 3000		   /* told to stop: what is in hand has this long */

/* what has been said so far; one bit each, so that a verb names all those it may come in */
enum session_stage {
	STAGE_GREETED = 1, /* the banner is out */
	STAGE_READY = 2,   /* EHLO or HELO was said */
	STAGE_MAIL = 4,	   /* a transaction is open, nobody is in it */
	STAGE_RCPT = 8,	   /* at least one recipient */
	STAGE_CHUNKS = 16, /* BDAT has begun */
};

/* what a listener gives to a session */
struct session_start {
	const struct config *config;
	const struct config_listen *listen;
	const char *intake; /* paths to connect to; NULL: not there (tests) */
	const char *lookup;
	const char *auth;
	const char *verify;
	int fd;				/* connected, non-blocking; the session's from now on */
	struct sockaddr_storage client; /* no v4-mapped one */
	bool is_greeted;		/* has read the banner already, and has spoken */
	bool is_local;			/* a user of this host, by the socket `submission`: */
	uid_t uid;			/* who the kernel says has connected */
	struct span author; /* his full name, for a From field if there is none; empty: not known */
	uint64_t started_us;	       /* wall clock; gives the session's id */
	const struct tls_address *tls; /* NULL: no TLS here */
	struct span
		once; /* of a letter that may come again: its key (common/protocol/intake.h); empty: it does not */
};

struct session_transaction {
	struct arena arena;
	struct address sender;
	uint64_t size;	/* announced by SIZE=; 0: not */
	bool eight_bit; /* BODY=8BITMIME */
	bool is_utf8;	/* SMTPUTF8 */
	bool must_tls;	/* REQUIRETLS */
	enum intake_ret ret;
	struct span envid; /* in the arena; empty: none was given */
	struct recipients recipients;
	uint64_t overshoot; /* RCPT beyond the limit */
	/* accepted by syntax; their answers are due at the next settling */
	size_t waiting_count;
	struct intake_recipient waiting[CHECKS_MAX];
};

/* what is large stands last: of a short session only the first page is touched, and the first of each large member */

struct session {
	const struct config *config;
	const struct config_listen *listen;
	const struct config_limits *limits;
	struct stream stream;
	char id[SESSION_ID_MAX];
	char client[INET6_ADDRSTRLEN];
	bool client_is_ipv6;
	bool is_local; /* a user of this host: */
	uid_t uid;
	struct span author; /* full name of a local sender, for a From field; empty: not known */
	struct span once;   /* session_start's */
	bool may_relay;	    /* its address is in relay-from, it is local, or logged in */
	char login[AUTH_LOGIN_MAX + 1]; /* who has logged in; empty: nobody */
	unsigned login_failures;
	uint64_t mechanisms; /* offered by the last EHLO: AUTH_MECHANISM_BITs */
	const char *auth;    /* path; NULL: not there */
	const char *verify;  /* the same */
	bool may_etrn;	     /* its address is in etrn-from of some route */
	bool may_expn;	     /* its address is in expn-from, or its login in expn-logins */
	struct sockaddr_storage address; /* of the network */
	enum session_stage stage;
	int64_t ends_ms;	     /* monotonic: session-time */
	char helo[SESSION_HELO_MAX]; /* domain or literal, nothing else; empty before EHLO */
	bool extended;		     /* EHLO, not HELO */
	const struct tls_address *tls_address; /* NULL: no TLS here */
	bool is_implicit;		       /* TLS comes before the greeting */
	char tls[SESSION_TLS_MAX];	       /* version and cipher; empty: plain text */
	struct client_certificate certificate; /* the client's */
	struct span word, rest;		       /* of the command at hand */
	const char *verb;  /* the last one, for events: CONNECT before the first, UNKNOWN */
	const char *ended; /* why: set, the session reads no further command */
	struct span about; /* the recipient that an answer is about, for the event; empty: none */
	uint64_t commands, errors, messages;
	volatile sig_atomic_t must_stop; /* set by the handler of SIGTERM */
	struct checks checks;
	struct content chunks; /* in_chunks: of the message that BDAT brings */
	bool in_chunks;
	bool chunks_are_refused; /* what comes is read away */
	int64_t chunks_end_ms;	 /* monotonic */
	struct session_transaction transaction;
	struct accept accept;
};

/*
 * session_prepare - once, before the first session: what each would allocate first is there, in one place, when its process begins
 *
 * A session that allocates writes all over a heap that is its listener's, and each page that is written is copied.
 */
void session_prepare(void);
/* session_serve - the whole session; returns when it is over, everything still open (the process exits) */
void session_serve(const struct session_start *start);
/* session_release - what the end of the process releases else: for the fuzz target, which serves many in one; prepared as before */
void session_release(void);

/*
 * session_reply - one line; 4xx and 5xx are told to `log`, 5xx counts as an error of the client
 *
 * `status` NULL: none (220, 354, HELO).  The text is made printable.  session_reply_more: a line that another one follows.
 */
void session_reply(struct session *s, int code, const char *status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void session_reply_more(struct session *s, int code, const char *status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* session_end - no command is read after this one; `reason` is a constant, for the event */
void session_end(struct session *s, const char *reason);
/* session_lost - the same, for trouble of the stream (on a timeout the client is told) */
void session_lost(struct session *s, enum stream_outcome outcome);
/* the transaction is over, or given up */
void session_reset(struct session *s);
/* the deadline of what begins now and may take `ms` */
int64_t session_deadline(const struct session *s, uint64_t ms);
/* master wants this program to stop */
bool session_must_stop(void);
/* a whole command is there already: its answer can wait to be sent with the next */
bool session_has_command(const struct session *s);

#endif
