/*
 * received - the trace field put on top of each message (RFC 5321, section 4.4)
 *
 *     Received: from HELO ([ADDRESS])
 *     	by HOSTNAME (Culver) with ESMTP id ID;
 *     	Tue, 24 Nov 2026 08:02:31 +0000
 *
 * Called by accept.c.  HELO is a domain or a literal: hello.c lets nothing else in.
 */
#include "smtpd/received.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/system/clock.h"

const char *
received_protocol(const struct session *s)
{
	return s->extended ? "ESMTP" : "SMTP";
}

struct span
received_write(const struct session *s, uint64_t id, int64_t now_us, char to[RECEIVED_MAX])
{
	char date[CLOCK_TEXT_MAX];

	clock_rfc5322(now_us, date);
	int n = snprintf(to, RECEIVED_MAX,
			 "Received: from %s ([%s%s])\r\n"
			 "\tby %s (Culver) with %s id %013" PRIX64 ";\r\n"
			 "\t%s\r\n",
			 s->helo, s->client_is_ipv6 ? "IPv6:" : "", s->client, s->config->hostname,
			 received_protocol(s), id, date);
	return n > 0 && n < RECEIVED_MAX ? span_from(to, (size_t)n) : SPAN_NONE;
}
