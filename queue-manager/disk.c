/*
 * disk - is there room?
 *
 * See disk.h.  Promises: below the floors nothing is taken; a line that could not be written is written once there is room, without
 * hands; the kernel is asked seldom.
 */
#include "queue-manager/disk.h"

#include <errno.h>
#include <string.h>

#include "common/system/events.h"
#include "queue-manager/manager.h"

static void
look(struct manager *q)
{
	struct disk *d = &q->disk;
	if (spool_free(&q->spool, &d->free_bytes, &d->free_inodes) != 0)
		d->free_bytes = d->free_inodes = 0; /* what cannot be known is not there */
	d->looked_ms = manager_now_ms(q);
	d->taken = 0;
}

static void
tell_low(struct manager *q)
{
	if (q->disk.is_told)
		return;
	look(q);
	q->disk.is_told = true;
	EVENT("disk-low", event_number("free", (int64_t)q->disk.free_bytes));
}

static void
tell_back(struct manager *q)
{
	if (!q->disk.is_told)
		return;
	q->disk.is_told = false;
	EVENT("disk-back", event_number("free", (int64_t)q->disk.free_bytes));
}

static bool
floors_hold(const struct manager *q, uint64_t size)
{
	const struct config_limits *l = &q->config->limits;
	const struct disk *d = &q->disk;
	uint64_t taken = d->taken + size;
	return d->free_bytes >= taken && d->free_bytes - taken >= l->disk_floor &&
	       d->free_inodes >= l->inode_floor;
}

/* the ballast whole again, which may need room above the floor */
static bool
make_reserve(struct manager *q)
{
	uint64_t size = q->config->limits.reserve;
	if (spool_reserve_whole(&q->spool, size))
		return true;
	if (q->disk.free_bytes < q->config->limits.disk_floor + size)
		return false;
	if (spool_reserve_make(&q->spool, size) == 0)
		return true;
	int error = errno;
	spool_reserve_free(&q->spool); /* half of it would only be in the way */
	if (error != EOPNOTSUPP)
		return false;
	/* a file system that reserves nothing: the floors are all there is */
	return true;
}

static void
try_again(struct loop_timer *t)
{
	struct manager *q = t->owner;
	struct disk *d = &q->disk;
	if (d->state == DISK_FULL && message_flush_all(q) == 0)
		d->state = DISK_SCARCE;
	if (d->state == DISK_SCARCE) {
		schedule_wake(q);
		loop_task_wake(q->loop, &q->route.task);
		look(q);
		if (make_reserve(q)) {
			look(q);
			if (floors_hold(q, 0)) {
				d->state = DISK_FINE;
				tell_back(q);
			}
		}
	}
	if (d->state == DISK_FINE && d->is_told) {
		look(q);
		if (floors_hold(q, 0))
			tell_back(q);
	}
	if (d->state != DISK_FINE || d->is_told)
		loop_timer_set(q->loop, &d->again, manager_now_ms(q) + DISK_AGAIN_MS);
}

void
disk_start(struct manager *q)
{
	struct disk *d = &q->disk;
	d->again = (struct loop_timer){.fire = try_again, .owner = q};
	look(q);
	d->state = DISK_FINE;
	if (make_reserve(q)) {
		look(q);
		return;
	}
	d->state = DISK_SCARCE;
	tell_low(q);
	loop_timer_set(q->loop, &d->again, manager_now_ms(q) + DISK_AGAIN_MS);
}

bool
disk_may_take(struct manager *q, uint64_t size)
{
	struct disk *d = &q->disk;
	if (d->state != DISK_FINE)
		return false;
	uint64_t floor = q->config->limits.disk_floor;
	uint64_t above = d->free_bytes > floor ? d->free_bytes - floor : 0;
	if (manager_now_ms(q) - d->looked_ms >= DISK_LOOK_MS || d->taken >= DISK_LOOK_BYTES ||
	    d->taken + size >= above / DISK_LOOK_SHARE)
		look(q);
	if (!floors_hold(q, size)) {
		if (!floors_hold(q, 0) && !d->is_told) {
			tell_low(q);
			loop_timer_set(q->loop, &d->again, manager_now_ms(q) + DISK_AGAIN_MS);
		}
		return false;
	}
	tell_back(q);
	d->taken += size;
	return true;
}

void
disk_taken(struct manager *q, uint64_t bytes)
{
	q->disk.taken += bytes;
}

bool
disk_may_deliver(const struct manager *q)
{
	return q->disk.state != DISK_FULL;
}

bool
disk_is_low(const struct manager *q)
{
	return q->disk.state != DISK_FINE || q->disk.is_told;
}

void
disk_failed(struct manager *q, uint64_t id, int error)
{
	struct disk *d = &q->disk;
	if (error == ENOSPC || error == EDQUOT)
		spool_reserve_free(&q->spool);
	if (d->state == DISK_FULL)
		return;
	EVENT("spool-trouble", event_id(id), event_string("errno", strerror(error)));
	d->state = DISK_FULL;
	tell_low(q);
	/* at once, with the room of the ballast; the timer, since we may be called from the midst of a change */
	loop_timer_set(q->loop, &d->again, manager_now_ms(q));
}
