/*
 * notice - what is told about the recipients of a message: to people, and to programs (RFC 3464; RFC 6533 for addresses in UTF-8)
 *
 * They failed, are delayed, or got it (enum jobs_action).  They are added one by one; each becomes an entry for people, up to NOTICE_PEOPLE_MAX of them, and the fields of the
 * delivery-status part, up to NOTICE_STATUS_MAX bytes.  What found no room is counted.  Everything that strangers wrote becomes
 * printable ASCII, and cannot begin a line; of a global notice addresses may be UTF-8.
 */
#ifndef BOUNCE_NOTICE_H
#define BOUNCE_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mail/address.h"
#include "common/protocol/intake.h"
#include "common/protocol/jobs.h"
#include "common/text/buffer.h"

#define NOTICE_PEOPLE_MAX 50	      /* recipients named in the text for people */
#define NOTICE_STATUS_MAX (16u << 20) /* bytes of the delivery-status part */
#define NOTICE_LINE_MAX 76	      /* columns, where a line can be broken at a blank */

/* a notice in the making; set the first members, then notice_start */
struct notice {
	const char *hostname; /* who reports */
	uint64_t id;	      /* of the message that failed */
	int64_t arrived_us;   /* wall clock: when we had it */
	int64_t now_us;
	bool is_global; /* the message came with SMTPUTF8: the notice goes out so */
	enum intake_tls_demand
		tls_demand;	  /* of the message, and so of the notice (RFC 8689, section 6) */
	struct span envid;	  /* empty: none */
	struct span sender;	  /* of the message that failed; empty: this is a double bounce */
	char to[ADDRESS_MAX + 1]; /* who gets the notice */
	/* made here */
	struct buffer people;
	struct buffer status;
	uint64_t count;				    /* recipients in all */
	uint64_t actions[JOBS_ACTION_EXPANDED + 1]; /* of each action */
	uint64_t reported;			    /* of them in `status` */
	uint64_t held;				    /* for the budget of the sender */
};

void notice_start(struct notice *n);
void notice_free(struct notice *n);
void notice_add(struct notice *n, const struct jobs_failure *f);
bool notice_is_double(const struct notice *n);

/* notice_people - the first part: `subject` of the message that failed (may be empty) */
void notice_people(const struct notice *n, struct span subject, bool whole, struct buffer *to);
/* notice_message_fields - the fields of the whole message, at the top of the delivery-status part */
void notice_message_fields(const struct notice *n, struct buffer *to);

/* an address: in a global notice as it is */
void notice_address(const struct notice *n, struct buffer *to, struct span address);
/* what is not printable ASCII becomes a question mark */
void notice_printable(struct buffer *to, struct span s);
/* a header field, broken at blanks where it is long; printable ASCII whatever the value was */
void notice_field(struct buffer *to, const char *name, struct span value);

#endif
