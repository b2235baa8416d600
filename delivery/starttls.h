/*
 * starttls - from plain text to TLS on a connection: STARTTLS (RFC 3207; in LMTP, too), or from the first byte on (RFC 8314)
 */
#ifndef DELIVERY_STARTTLS_H
#define DELIVERY_STARTTLS_H

#include "delivery/connect.h"
#include "delivery/tls.h"

#define STARTTLS_REPLY_MS INT64_C(300000)
#define STARTTLS_SHAKE_MS INT64_C(60000)

enum starttls_outcome {
	STARTTLS_DONE,	/* the connection speaks TLS: nothing that was said before counts */
	STARTTLS_PLAIN, /* the host has none, and nobody demands it: go on as it is */
	STARTTLS_BROKEN, /* it has some, which does not work; nobody demands it: a new connection, without */
	STARTTLS_FAILED, /* what was demanded is not to be had: *why */
};

/* starttls_run - after EHLO; after BROKEN and FAILED the connection is closed, or of use for QUIT alone */
enum starttls_outcome starttls_run(struct connection *c, const struct tls_demand *demand,
				   struct verdict *why) __attribute__((warn_unused_result));
/* starttls_implicit - before the greeting; DONE or FAILED */
enum starttls_outcome starttls_implicit(struct connection *c, const struct tls_demand *demand,
					struct verdict *why) __attribute__((warn_unused_result));
/* starttls_is_implicit - does a host of that block, at that port, begin with TLS? */
bool starttls_is_implicit(const struct config_hop_tls *tls, uint16_t port);

#endif
