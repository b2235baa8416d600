/*
 * received - the trace field put on top of each message (RFC 5321, section 4.4)
 *
 *     Received: from HELO ([ADDRESS])
 *     	by HOSTNAME (Culver) with ESMTP id ID;
 *     	Tue, 24 Nov 2026 08:02:31 +0000
 *
 * and, of a user of this host, who is known by the kernel and not by what he says,
 *
 *     Received: (uid UID)
 *     	by HOSTNAME (Culver) with LOCAL id ID;
 *     	Tue, 24 Nov 2026 08:02:31 +0000
 *
 * Called by accept.c.  HELO is a domain or a literal: hello.c lets nothing else in.
 */
#include "smtpd/received.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/system/clock.h"
#include "smtpd/content.h"

const char *
received_protocol(const struct session *s)
{
	if (s->is_local)
		return "LOCAL";
	if (s->transaction.is_utf8)
		return s->login[0] != '\0' ? "UTF8SMTPA" : "UTF8SMTP"; /* RFC 6531, section 4.3 */
	if (s->login[0] != '\0')
		return "ESMTPA";
	return s->extended ? "ESMTP" : "SMTP";
}

struct span
received_write(const struct session *s, uint64_t id, int64_t now_us, char to[RECEIVED_MAX])
{
	char date[CLOCK_TEXT_MAX];

	clock_rfc5322(now_us, date);
	if (s->is_local) {
		int len = snprintf(to, RECEIVED_MAX,
				   "Received: (uid %u)\r\n"
				   "\tby %s (Culver) with %s id %013" PRIX64 ";\r\n"
				   "\t%s\r\n",
				   (unsigned)s->uid, s->config->hostname, received_protocol(s), id,
				   date);
		return len > 0 && len < RECEIVED_MAX ? span_from(to, (size_t)len) : SPAN_NONE;
	}
	int n = snprintf(to, RECEIVED_MAX,
			 "Received: from %s ([%s%s])\r\n"
			 "\tby %s (Culver) with %s id %013" PRIX64 ";\r\n"
			 "\t%s\r\n",
			 s->helo, s->client_is_ipv6 ? "IPv6:" : "", s->client, s->config->hostname,
			 received_protocol(s), id, date);
	return n > 0 && n < RECEIVED_MAX ? span_from(to, (size_t)n) : SPAN_NONE;
}

/* what can stand between quotes; a name that cannot is left out */
static bool
author_is_plain(struct span name)
{
	return name.len > 0 && name.len <= RECEIVED_NAME_MAX && !span_has(name, '"') &&
	       !span_has(name, '\\');
}

struct span
received_complete(const struct session *s, uint64_t id, int64_t now_us, unsigned has,
		  struct span top, char to[RECEIVED_TOP_MAX])
{
	const struct address *from = &s->transaction.sender;
	char date[CLOCK_TEXT_MAX], author[RECEIVED_AUTHOR_MAX];

	clock_rfc5322(now_us, date);
	if (from->len > 0 && author_is_plain(s->author))
		snprintf(author, sizeof(author), "\"%.*s\" <%s>", SPAN_ARG(s->author), from->text);
	else if (from->len > 0)
		snprintf(author, sizeof(author), "%s", from->text);
	else
		snprintf(author, sizeof(author), "MAILER-DAEMON@%s", s->config->hostname);
	int n = snprintf(
		to, RECEIVED_TOP_MAX, "%.*s%s%s%s%s%s%s", SPAN_ARG(top),
		has & CONTENT_HAS_DATE ? "" : "Date: ", has & CONTENT_HAS_DATE ? "" : date,
		has & CONTENT_HAS_DATE ? "" : "\r\n",
		has & CONTENT_HAS_FROM ? "" : "From: ", has & CONTENT_HAS_FROM ? "" : author,
		has & CONTENT_HAS_FROM ? "" : "\r\n");
	if (n < 0 || n >= RECEIVED_TOP_MAX)
		return top;
	size_t len = (size_t)n;
	if (has & CONTENT_HAS_MESSAGE_ID)
		return span_from(to, len);
	n = snprintf(to + len, RECEIVED_TOP_MAX - len, "Message-ID: <%013" PRIX64 "@%s>\r\n", id,
		     s->config->hostname);
	return n > 0 && len + (size_t)n < RECEIVED_TOP_MAX ? span_from(to, len + (size_t)n) : top;
}
