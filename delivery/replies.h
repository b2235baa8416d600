/*
 * replies - what a refusal means: the administrator's patterns, then those that come with Culver (etc/replies)
 *
 * Asked by report.c and transaction.c.  Here, and not in the queue-manager, because agents read what strangers say anyway, and have
 * nothing but the message at hand: the queue-manager gets a number.  Compiled once in the parent, shared by all agents.
 */
#ifndef DELIVERY_REPLIES_H
#define DELIVERY_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/mail/reply.h"

struct replies_meaning {
	enum reply_meaning meaning;
	uint64_t pause_ms; /* 0: none was named */
};

/* the text of etc/replies */
extern const char replies_standard[];
extern const size_t replies_standard_len;

/* replies_load - once, before the first question; a pattern that does not compile is told of, and left out; how many were */
size_t replies_load(const struct config *config);
/* replies_mean - of a refusal (code 0, or none that a pattern knows: ordinary) */
struct replies_meaning replies_mean(const struct verdict *v);
/* may another host of the same place be asked? after a deferral alone (RFC 5321, section 5.1), and not after each */
bool replies_may_go_on(const struct verdict *v);

#endif
