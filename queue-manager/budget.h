/*
 * budget - how much one sender may send: what is more is held, told of once, and leaves as there is room
 *
 * Called by intake (what came), message (what was released, or is gone), replay (what was held before), control (`culver budget`).  A sender is
 * a login or a local user (ledger.h); mail of strangers, who have neither, and notices have no budget.
 *
 * B1  Nothing is refused or lost: what is over the budget is accepted, and held by a line of its journal that reaches the disk with it.
 * B2  In no hour and in no day does more leave than the budget says, but what the administrator releases.  Counted is what may leave, when it
 *     may: at COMMIT, or when it is released.  An hour begins with a slot of five minutes, so it may last up to 65.
 * B3  What is held leaves in the order in which it came (after a start: was found).  A message that no empty budget would hold stays until it is released, and delays nobody.
 * B4  Of the first message that is held the sender and the postmaster are told, and of no other until nothing of that sender's is held any more.
 */
#ifndef QUEUE_MANAGER_BUDGET_H
#define QUEUE_MANAGER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/jobs.h"
#include "common/system/loop.h"
#include "queue-manager/ledger.h"
#include "queue-manager/message.h"

struct manager;
struct peer;

#define BUDGET_SAVE_MS 1000
#define BUDGET_SAVE_AGAIN_MS 60000 /* after one that has failed */
#define BUDGET_REASON_MAX 128

struct budget {
	struct ledger ledger;
	struct loop_timer save_timer;
	struct loop_timer walk_timer; /* a slot has ended: there may be room */
	struct loop_task task;	      /* the walk over all messages */
	struct message_cursor cursor;
	bool is_walking;
	uint64_t held;	     /* messages of all senders */
	int64_t tidied_slot; /* when those who are idle were forgotten last */
};

/* budget_start - the spool has started */
void budget_start(struct manager *q);
/* budget_end - what was counted is saved; before the messages end */
void budget_end(struct manager *q);
/* budget_configured - perhaps there is more room now */
void budget_configured(struct manager *q);

/* budget_came - it is queued: counted, or held */
void budget_came(struct manager *q, struct message *m);
/* budget_found - it was held before the start */
void budget_found(struct manager *q, struct message *m);
/* is that the reason of a line that holds what is over a budget? */
bool budget_is_reason(struct span reason);
/* budget_released - by anybody: counted */
void budget_released(struct manager *q, struct message *m);
/* budget_gone - it is not held for its budget any more */
void budget_gone(struct manager *q, struct message *m);
/* budget_settle - of a message that is held: its sender is told, if he was not */
void budget_settle(struct manager *q, struct message *m);
/* what a notice says of its recipients; the spans live until the next call */
void budget_failure(struct manager *q, struct message *m, struct jobs_failure *f);

/* budget_tell - the sender number *at, and *at is the next one; only the one with that uid, unless is_admin; false: there are no more */
bool budget_tell(struct peer *p, uint32_t request, size_t *at, bool is_admin);

#endif
