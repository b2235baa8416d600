/*
 * connect - a connection to one host: TCP or a Unix socket, greeting, EHLO or LHLO (RFC 5321, sections 3.1, 3.2 and 4.5.3.2; RFC 2033)
 *
 * Between EHLO and MAIL stands TLS (starttls.h), as far as the host is to be had for it.  Where nobody demands it and the handshake fails, there is a new
 * connection without it, and for a while none with this host tries it again.
 *
 * One connection is kept from message to message.  A host that does not take mail now (unreachable, 4xx or 5xx as greeting, no HELO) is
 * passed over for the next one; when it was the last the recipients are deferred, never failed, since this says
 * nothing of them.
 */
#ifndef DELIVERY_CONNECT_H
#define DELIVERY_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/mail/reply.h"
#include "common/system/stream.h"
#include "delivery/hosts.h"
#include "delivery/tls.h"

/* RFC 5321, section 4.5.3.2: how long each answer is waited for */
#define CONNECT_TCP_MS INT64_C(30000)
/* where there is another host: time for a second SYN (RFC 6298: after a second) and its answer; everybody waits so long for a site one of
 * whose hosts has died, until that is known */
#define CONNECT_TCP_NEXT_MS INT64_C(2000)
#define CONNECT_GREETING_MS INT64_C(300000)
#define CONNECT_HELO_MS INT64_C(300000)
/* not the RFC's: nobody waits for a mail system to say goodbye */
#define CONNECT_QUIT_MS INT64_C(2000)
/* a host whose TLS does not work is spoken to without it for so long, by this agent */
#define CONNECT_BROKEN_TLS_MS INT64_C(3600000)

struct connection {
	struct stream stream;
	bool open;
	const struct hosts_address *peer; /* of the last connection, also when it is closed */
	unsigned messages;		  /* transactions finished on this connection */
	unsigned transactions;		  /* begun */
	bool needs_reset;		  /* the last transaction was left unfinished */
	bool is_lmtp;			  /* RFC 2033 */
	int64_t reply_max_ms;		  /* `reply-time`; 0: none but the RFC's */
	char tls[JOBS_TLS_MAX + 1];	  /* as in jobs_result; "": plain text */
	/* what TLSRPT counts of the attempt (RFC 8460), and what is told with it */
	bool has_tls_result;
	enum policy_result tls_result;
	char tls_wrong[LAYER_WRONG_MAX];
	struct sockaddr_storage local; /* our end, where has_tls_result */
	bool is_tls_trouble; /* it ended since what is demanded is not to be had: nothing is wrong with the host for others */
	bool offers_starttls;
	/* what EHLO announced */
	bool pipelining, eight_bit, size, dsn, utf8, chunking, requiretls;
	uint64_t size_max; /* 0: announced without a number, or not announced */
	/* LIMITS (RFC 9422): recipients of a transaction, transactions of a connection; 0: none was named */
	uint64_t recipients_max, transactions_max;
};

enum exchange {
	EXCHANGE_OK,	 /* there is a reply */
	EXCHANGE_CLOSED, /* the peer is gone */
	EXCHANGE_TIMEOUT,
	EXCHANGE_NONSENSE, /* what came is no reply */
};

/*
 * connect_open - greeted, under what TLS is demanded, and ready for MAIL; TCP is waited for so long; -1 and *why, the connection is closed then
 *
 * Without a reply (why->code 0) the host was not there, but for is_tls_trouble.
 */
int connect_open(struct connection *c, const struct hosts_address *host,
		 const struct config *config, const struct tls_demand *demand, int64_t wait_ms,
		 struct verdict *why) __attribute__((warn_unused_result));
/* says QUIT and waits a moment for the answer; fine when closed */
void connect_quit(struct connection *c);
/* without a word */
void connect_drop(struct connection *c);

/* connect_deadline - when a wait of `wait_ms` that begins now is over: `reply-time` may cut it short */
int64_t connect_deadline(const struct connection *c, int64_t wait_ms);
/* connect_reply - the next reply, all lines of it */
enum exchange connect_reply(struct connection *c, int64_t wait_ms, struct reply *r)
	__attribute__((warn_unused_result));
/* connect_trouble - a deferral that says what went wrong, with whom and when ("while sending RCPT TO") */
void connect_trouble(const struct connection *c, enum exchange what, const char *stage,
		     struct verdict *why);
/* the name of the peer as results and sentences give it */
const char *connect_name(const struct connection *c);

/* connect_extension - takes one line of an EHLO reply (text behind the code) into account; RFC 1870, 2920, 3030, 3461, 6152, 6531, 8689, 9422 */
void connect_extension(struct connection *c, struct span text);

#endif
