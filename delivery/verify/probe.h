/*
 * probe - a process that asks one next hop for recipients, one after another
 *
 * Started by places.c, for the place of one domain block.  It connects as a delivery does (connect.h, hosts.h), says MAIL FROM and RCPT TO and never
 * DATA, and keeps the connection for the next question.  It has the way back to its parent, the sockets of resolver, fetch and
 * log, and the helper for LMTP sockets: not the database, no client.
 */
#ifndef DELIVERY_VERIFY_PROBE_H
#define DELIVERY_VERIFY_PROBE_H

#include <stdbool.h>

#include "common/config/config.h"
#include "common/protocol/verify.h"

#define PROBE_IDLE_MS 5000 /* without a question: QUIT; peers do not like to be kept waiting */
#define PROBE_REPLY_MS \
	25000 /* for one reply: two hosts may be silent before the parent gives up (PLACES_PROBE_MS) */

/* what the child sends, as it lies in its memory: both ends are one binary */
struct probe_answer {
	enum verify_outcome outcome;
	bool is_down; /* no host of the place took a connection */
	int code;     /* 0: there was no reply */
	char status[VERIFY_STATUS_MAX + 1];
	char reply[VERIFY_REPLY_MAX + 1];
	char host[VERIFY_HOST_MAX + 1];
};

/* what a probe is told at its begin */
struct probe_start {
	const struct config *config;
	const char *resolver; /* path of its socket */
	const char *fetch;    /* the same */
	const char *log;
	struct span place; /* hops, */
	struct span block; /* and the domain block that has them, by its first name */
};

/* probe_serve - questions come in at `channel`, an address a datagram, until it is closed; the exit status */
int probe_serve(const struct probe_start *start, int channel);

#endif
