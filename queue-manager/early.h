/*
 * early - early delivery: may a message leave before its session has called fsync, and what does the session hear?
 *
 * Called by intake (a message is queued, its session would wait), message (something of it has changed), jobs (how long an
 * answer took).  The rules stand at the head of early.c.  A message is waited for while `is_waited` is set; then its `early` is ours.
 */
#ifndef QUEUE_MANAGER_EARLY_H
#define QUEUE_MANAGER_EARLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/intake.h"
#include "common/system/loop.h"
#include "common/text/span.h"

struct manager;
struct message;
struct peer;
struct place;
struct agent;
struct answer;
struct early;

#define EARLY_AUTO_MS 250   /* `early-delivery auto` waits no longer */
#define EARLY_LEAVES_MAX 10 /* recipients, after all aliases */
/* a backlog: more jobs than that wait there for each agent ... */
#define EARLY_BACKLOG_JOBS 8
/* ... and their answers, each as quick as ever, would take more than such a part of the wait */
#define EARLY_BACKLOG_PART 2
/*
 * a mailbox that answers within this is quick: its answer contains the fsync that stands for ours, so that it is not
 * compared with one
 */
#define EARLY_MAILBOX_US 100000
#define EARLY_ADDRESSES_MAX 256 /* of this machine */

/* an address of this machine */
struct early_address {
	int family;
	unsigned char bytes[16];
};

/* what is measured; times in microseconds, 0: not yet */
struct early_state {
	struct early *first; /* those that are waited for */
	int64_t sync_us;     /* an fsync of a session, on the average */
	int64_t mailbox_us;  /* an answer of a mailbox: all are on this machine */
	uint64_t longest_ms; /* that any place may be waited for, as the configuration says */
	struct early_address addresses[EARLY_ADDRESSES_MAX];
	unsigned address_count;
};

/* early_addresses - before confinement: which addresses are ours */
void early_addresses(struct early_state *e);
/* at start, and after each reload */
void early_configured(struct manager *q);
/* early_stop - nobody waits any longer */
void early_stop(struct manager *q);

/*
 * early_begin - the message is queued; its session would wait at `p`
 *
 * How long it is to wait, in milliseconds; 0: it is not waited for.  Then intake_finished is called once, unless early_end is.
 */
uint64_t early_begin(struct manager *q, struct message *m, struct peer *p);
/* early_settle - after changes, before message_settle does its part; it may remove the message, which the caller sees by is_gone */
void early_settle(struct manager *q, struct message *m);
/* early_failed - a recipient failed for good, which is journaled */
void early_failed(struct message *m, uint32_t number, const struct answer *a);
/* early_end - the session waits no longer, whatever the reason; fine when it never did */
void early_end(struct manager *q, struct message *m);

/* early_synced - a session says how long its fsync took; 0: it does not */
void early_synced(struct manager *q, uint64_t us);
/* early_answered - the job of `a`, given `us` ago, has its last answer, from `host` (as in jobs_result) */
void early_answered(struct manager *q, struct place *p, int64_t us, struct span host);

#endif
