/*
 * received - the trace field put on top of each message
 */
#ifndef SMTPD_RECEIVED_H
#define SMTPD_RECEIVED_H

#include <stdint.h>

#include "common/text/span.h"
#include "smtpd/session.h"

#define RECEIVED_TOP_MAX 4096	/* with the fields that a local message lacked */
#define RECEIVED_FROM_MAX 400	/* HELO and the client */
#define RECEIVED_NAME_MAX 200	/* bytes of a full name in From */
#define RECEIVED_AUTHOR_MAX 800 /* with the address */
#define RECEIVED_MAX 1500	/* two names of 255 bytes, two literals, the id, the date */

/* received_write - the whole field with its CRLFs into `to`; `now_us` is the wall clock */
struct span received_write(const struct session *s, uint64_t id, int64_t now_us,
			   char to[RECEIVED_MAX]);
/*
 * received_complete - Date, From and Message-ID, each if a message that a user submits has none (bits of enum field): behind what is in `to`
 *
 * RFC 6409, section 8.
 */
struct span received_complete(const struct session *s, uint64_t id, int64_t now_us, unsigned has,
			      struct span top, char to[RECEIVED_TOP_MAX]);
/* the word behind `with`: SMTP, ESMTP, ESMTPA of a login (RFC 3848) */
const char *received_protocol(const struct session *s);

#endif
