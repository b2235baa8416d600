/*
 * hop - one word that says where mail goes next
 *
 *     host:port        by SMTP to that host: a name (its A and AAAA), an address, or [address]:port
 *     mx:domain:port   by SMTP to the hosts that the domain's MX records name (RFC 5321, section 5.1)
 *     lmtp:host:port   by LMTP (RFC 2033)
 *     lmtp:/path       by LMTP to a Unix socket
 *
 * Written by lookup (from culver.conf), read by delivery; the queue-manager compares the words and knows no more of them.
 */
#ifndef COMMON_MAIL_HOP_H
#define COMMON_MAIL_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

struct hop {
	bool is_mx;
	bool is_lmtp;
	bool is_literal;  /* host is an address, without brackets */
	struct span host; /* lower case as written; empty when there is a path */
	uint16_t port;
	struct span path; /* of a Unix socket */
};

/* hop_parse - the word whole; -1: it is none.  Spans point into `word`. */
int hop_parse(struct span word, struct hop *hop) __attribute__((warn_unused_result));
/* hop_mx - "mx:DOMAIN:PORT" in `to`; empty: no room */
struct span hop_mx(struct span domain, uint16_t port, char *to, size_t size);
/* the same word again */
void hop_write(const struct hop *hop, struct buffer *to);

#endif
