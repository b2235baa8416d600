/*
 * etrn - a customer's host is up and asks for the mail of its domain (RFC 1985)
 *
 * Called by intake for smtpd, which knows who may ask for what; how often, and how much at once, is decided here, whoever asks.  All that
 * is deferred for the domain, or also below it, is due now, and the pause of its site is over; what is held stays held.  Done in slices.
 */
#ifndef QUEUE_MANAGER_ETRN_H
#define QUEUE_MANAGER_ETRN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/intake.h"
#include "common/system/loop.h"
#include "queue-manager/message.h"

struct manager;

#define ETRN_RECENT_MAX 64 /* domains within one etrn-interval; one more is told to ask later */

struct etrn {
	struct loop_task task;
	struct message_cursor cursor;
	bool is_walking; /* over all messages, for: */
	bool is_below;
	char domain[INTAKE_DOMAIN_MAX + 1];
	struct etrn_recent {
		int64_t at_ms;
		char domain[INTAKE_DOMAIN_MAX + 1]; /* empty: none */
		bool is_below;
	} recent[ETRN_RECENT_MAX];
};

void etrn_start(struct manager *q);
void etrn_stop(struct manager *q);
enum intake_retry_outcome etrn_ask(struct manager *q, struct span domain, bool below);

#endif
