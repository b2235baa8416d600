/*
 * transaction - one message to the recipients of one place: MAIL, RCPT, DATA or BDAT (RFC 5321, section 3.3; RFC 2920; RFC 3030), by
 * LMTP with one reply for each of them at the end (RFC 2033, section 4.2)
 *
 * A recipient that is refused is told at once, one that was accepted only after the reply to the data: that is when the peer has
 * taken the message over.  When that reply is lost the recipients are deferred, so that the message may arrive twice but not
 * never (RFC 1047).
 */
#ifndef DELIVERY_TRANSACTION_H
#define DELIVERY_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/intake.h"
#include "delivery/connect.h"
#include "delivery/report.h"

/* RFC 5321, section 4.5.3.2 */
#define TRANSACTION_MAIL_MS INT64_C(300000)
#define TRANSACTION_RCPT_MS INT64_C(300000)
#define TRANSACTION_DATA_MS INT64_C(120000)
#define TRANSACTION_END_MS INT64_C(600000)
/*
 * Commands sent before their replies are read.  Both directions must fit into what the two kernels buffer, or each side waits for the
 * other (RFC 2920, section 3.1): 100 commands of at most 530 bytes, 100 replies.
 */
#define TRANSACTION_PIPELINE_MAX 100
/* a message up to this goes out behind its envelope, before any reply is read, where the peer has PIPELINING and CHUNKING */
#define TRANSACTION_AHEAD_MAX 32768

enum recipient_state {
	RECIPIENT_OPEN,	     /* not told; to be asked for */
	RECIPIENT_ACCEPTED,  /* 2xx to its RCPT in this transaction */
	RECIPIENT_LATER,     /* the peer had enough of them for this transaction */
	RECIPIENT_ELSEWHERE, /* deferred by this host; the next one is to be asked */
	RECIPIENT_TOLD,
};

struct recipient {
	uint32_t number;
	enum recipient_state state;
	struct span address;
	uint64_t notify;   /* enum intake_notify */
	struct span orcpt; /* empty: none */
};

struct message {
	uint64_t id;
	int content; /* descriptor of its file, read by position */
	uint64_t content_at, content_length;
	bool eight_bit;
	bool utf8; /* its sender said SMTPUTF8 */
	enum intake_tls_demand tls_demand;
	enum intake_ret ret;
	struct span envid;  /* empty: none */
	struct span sender; /* empty: the null reverse-path */
	struct span top;    /* put before the content */
	struct span avoid;  /* hosts to be tried last */
	struct recipient *recipients;
	size_t count;
	bool has_elsewhere; /* there is perhaps another host to try */
};

enum transaction_outcome {
	TRANSACTION_DONE, /* recipients may be open that the peer had no room for: again, it made progress */
	TRANSACTION_STALE, /* the kept connection was dead before anything was said: connect anew */
	TRANSACTION_TROUBLE, /* the connection is of no use any more; what is open may be tried elsewhere */
};

/* why a connection ended */
struct trouble {
	struct verdict verdict;
	enum reply_meaning meaning; /* REPLY_ORDINARY: it may be this message's; else the place's */
};

/*
 * transaction_run - on `c`, which is open; after TROUBLE and STALE it is closed, after DONE perhaps
 *
 * Where queue-manager is gone before the end of the data is sent, the message is not sent (report->lost).
 */
enum transaction_outcome transaction_run(struct connection *c, struct message *m,
					 struct report *report, struct trouble *trouble)
	__attribute__((warn_unused_result));

#endif
