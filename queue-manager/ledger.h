/*
 * ledger - who has sent how much within the last day
 *
 * Kept for each sender (a login, or a uid as `uid:NUMBER`) in slots of five minutes, so that an hour or a day may be asked about at any time.
 * Written to SPOOL/budget.0 and SPOOL/budget.1, one file a day in turns, each second that something was counted.  Called by budget.c alone.
 * Times are the wall clock's, since they outlive a start.
 */
#ifndef QUEUE_MANAGER_LEDGER_H
#define QUEUE_MANAGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define LEDGER_SLOT_US (INT64_C(300) * 1000000)
#define LEDGER_HOUR_SLOTS 12
#define LEDGER_DAY_SLOTS 288
#define LEDGER_SENDER_MAX 255
#define LEDGER_SENDERS_MAX 10000 /* those of more share one account, LEDGER_OTHERS */
#define LEDGER_OTHERS "others"
#define LEDGER_BUCKETS 1024

struct ledger_amount {
	uint64_t messages, recipients, bytes;
};

struct ledger_slot {
	int64_t number; /* wall clock / LEDGER_SLOT_US */
	struct ledger_amount used;
};

struct ledger_sender {
	char name[LEDGER_SENDER_MAX + 1];
	struct ledger_sender *hash_next;
	struct ledger_slot *slots; /* those in which something was sent, rising */
	size_t count, room;
	struct ledger_amount unsaved; /* still to be written, as of the last slot, `unsaved_slot` */
	int64_t unsaved_slot;
	bool is_unsaved;
	/* budget.c's */
	uint64_t held;	 /* messages */
	bool is_waiting; /* some of them will go when there is room: who comes later is behind them */
	bool is_full;	 /* in this walk: nothing more goes */
	bool is_told;	 /* of the mail that is held */
};

struct ledger {
	int dir;
	int fd;	     /* of the day; -1: not open */
	int64_t day; /* of `fd`: slot / LEDGER_DAY_SLOTS */
	uint64_t length;
	bool is_failing; /* the last write has failed, and that was said */
	struct ledger_sender *buckets[LEDGER_BUCKETS];
	struct ledger_sender **senders; /* in no order */
	size_t count, room;
};

/* ledger_start - reads what the last day has left in `dir`, which stays the caller's */
void ledger_start(struct ledger *l, int dir, int64_t wall_us);
/* ledger_free - what is not saved is lost */
void ledger_free(struct ledger *l);
/* ledger_sender - made where he is not known yet; never NULL (fatal() without memory) */
struct ledger_sender *ledger_sender(struct ledger *l, struct span name);
/* ledger_add - he has sent so much now; true: it is to be saved */
bool ledger_add(struct ledger *l, struct ledger_sender *s, const struct ledger_amount *used,
		int64_t wall_us);
/* ledger_used - in the last `slots` whole ones and the one that runs */
struct ledger_amount ledger_used(struct ledger_sender *s, int64_t slots, int64_t wall_us);
/* ledger_save - what was added since the last time; what cannot be written is said once and tried again with the next; false: not all */
bool ledger_save(struct ledger *l);
/* ledger_forget_idle - those who have sent nothing for a day, and have nothing held */
void ledger_forget_idle(struct ledger *l, int64_t wall_us);

#endif
