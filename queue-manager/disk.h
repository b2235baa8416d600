/*
 * disk - is there room?  The floors, the ballast, and what is done when an append finds none
 *
 * Called by intake (may a message be taken?) and message (an append failed).  States:
 *
 * FINE    messages are taken while the floors hold.
 * FULL    an append met a full disk: the ballast is given up, nothing is taken and no job is given until the
 *         lines that wait are written.
 * SCARCE  they are written; jobs run again (they make room), nothing is taken until the ballast is whole again and the
 *         floors hold.
 */
#ifndef QUEUE_MANAGER_DISK_H
#define QUEUE_MANAGER_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/system/loop.h"

#define DISK_LOOK_MS 100 /* the kernel is not asked more often, unless much was taken since: */
#define DISK_LOOK_BYTES (32u << 20)
#define DISK_LOOK_SHARE 4 /* or this part of what was left above the floor */
#define DISK_AGAIN_MS 500 /* between two tries to write what waits, to make the ballast */

struct manager;

enum disk_state { DISK_FINE, DISK_FULL, DISK_SCARCE };

struct disk {
	enum disk_state state;
	bool is_told; /* disk-low was, disk-back not yet */
	int64_t looked_ms;
	uint64_t free_bytes, free_inodes; /* as of then */
	uint64_t taken;			  /* bytes since then */
	struct loop_timer again;
};

/* makes the ballast; a disk without room for it is SCARCE from the begin */
void disk_start(struct manager *q);
/* may a message of `size` bytes (0 unknown) be taken? */
bool disk_may_take(struct manager *q, uint64_t size);
/* so much of it has come that was not announced */
void disk_taken(struct manager *q, uint64_t bytes);
/* may jobs be given? */
bool disk_may_deliver(const struct manager *q);
/* an append failed with this errno */
void disk_failed(struct manager *q, uint64_t id, int error);
bool disk_is_low(const struct manager *q);

#endif
