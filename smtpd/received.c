/*
 * received - the trace field put on top of each message (RFC 5321, section 4.4)
 *
 *     Received: from HELO ([ADDRESS])
 *     	by HOSTNAME (Culver) with ESMTP id ID;
 *     	Tue, 24 Nov 2026 08:02:31 +0000
 *
 * with the version of TLS, and the name of the client's verified certificate, in a comment behind ESMTPS, and a clause `tls CIPHER` behind the id
 * (RFC 8314, section 4.3) where it came by TLS; and, of a user of this host, who is known by the kernel and not by what he says,
 *
 *     Received: (uid UID)
 *     	by HOSTNAME (Culver) with LOCAL id ID;
 *     	Tue, 24 Nov 2026 08:02:31 +0000
 *
 * Both without their first line where `private-headers remove` holds.
 *
 * Called by accept.c.  HELO is a domain or a literal: hello.c lets nothing else in.
 */
#include "smtpd/received.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/system/clock.h"
#include "smtpd/fields.h"
#include "smtpd/submitted.h"

#define VERSION_MAX (SESSION_TLS_MAX + CLIENT_NAME_MAX + 16)

const char *
received_protocol(const struct session *s)
{
	if (s->is_local)
		return "LOCAL";
	bool is_tls = s->tls[0] != '\0'; /* RFC 3848 */
	bool is_login = s->login[0] != '\0';
	if (s->transaction.is_utf8) /* RFC 6531, section 4.3 */
		return is_tls	  ? is_login ? "UTF8SMTPSA" : "UTF8SMTPS"
		       : is_login ? "UTF8SMTPA"
				  : "UTF8SMTP";
	if (!s->extended)
		return is_tls ? "SMTPS" : "SMTP";
	if (is_login)
		return is_tls ? "ESMTPSA" : "ESMTPA";
	return is_tls ? "ESMTPS" : "ESMTP";
}

/* `version` as a comment, with whom the client's certificate names; `cipher` as a clause; both empty without TLS */
static void
write_tls(const struct session *s, char version[VERSION_MAX], char cipher[SESSION_TLS_MAX + 8])
{
	struct span name = span_of(s->tls);
	struct span first = span_word(&name);
	char client[CLIENT_NAME_MAX + 16];

	version[0] = cipher[0] = '\0';
	if (first.len == 0)
		return;
	client[0] = '\0';
	if (!submitted_is_private(s))
		client_certificate_trace(&s->certificate, client);
	snprintf(version, VERSION_MAX, " (%.*s%s)", SPAN_ARG(first), client);
	snprintf(cipher, SESSION_TLS_MAX + 8, "\r\n\ttls %.*s", SPAN_ARG(span_trim(name)));
}

struct span
received_write(const struct session *s, uint64_t id, int64_t now_us, char to[RECEIVED_MAX])
{
	char date[CLOCK_TEXT_MAX], from[RECEIVED_FROM_MAX];
	char version[VERSION_MAX], cipher[SESSION_TLS_MAX + 8];

	clock_rfc5322(now_us, date);
	write_tls(s, version, cipher);
	if (submitted_is_private(s))
		from[0] = '\0';
	else if (s->is_local)
		snprintf(from, sizeof(from), "(uid %u)\r\n\t", (unsigned)s->uid);
	else
		snprintf(from, sizeof(from), "from %s ([%s%s])\r\n\t", s->helo,
			 s->client_is_ipv6 ? "IPv6:" : "", s->client);
	int n = snprintf(to, RECEIVED_MAX,
			 "Received: %sby %s (Culver) with %s%s id %013" PRIX64 "%s;\r\n"
			 "\t%s\r\n",
			 from, s->config->hostname, received_protocol(s), version, id, cipher,
			 date);
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
	else if (s->login[0] != '\0') /* of a receipt */
		snprintf(author, sizeof(author), "%s%s%s", s->login,
			 span_has(span_of(s->login), '@') ? "" : "@",
			 span_has(span_of(s->login), '@') ? "" : s->config->origin);
	else
		snprintf(author, sizeof(author), "MAILER-DAEMON@%s", s->config->hostname);
	int n = snprintf(to, RECEIVED_TOP_MAX, "%.*s%s%s%s%s%s%s", SPAN_ARG(top),
			 has & FIELD_DATE ? "" : "Date: ", has & FIELD_DATE ? "" : date,
			 has & FIELD_DATE ? "" : "\r\n",
			 has & FIELD_FROM ? "" : "From: ", has & FIELD_FROM ? "" : author,
			 has & FIELD_FROM ? "" : "\r\n");
	if (n < 0 || n >= RECEIVED_TOP_MAX)
		return top;
	size_t len = (size_t)n;
	if (has & FIELD_MESSAGE_ID)
		return span_from(to, len);
	n = snprintf(to + len, RECEIVED_TOP_MAX - len, "Message-ID: <%013" PRIX64 "@%s>\r\n", id,
		     s->config->hostname);
	return n > 0 && len + (size_t)n < RECEIVED_TOP_MAX ? span_from(to, len + (size_t)n) : top;
}
