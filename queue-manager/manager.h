/*
 * manager - what one queue-manager holds; each part of it belongs to the file that its header names
 *
 * Made by main (and by tests, with a clock of their own); passed to everything.
 */
#ifndef QUEUE_MANAGER_MANAGER_H
#define QUEUE_MANAGER_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/system/clock.h"
#include "common/system/loop.h"
#include "common/system/start.h"
#include "queue-manager/budget.h"
#include "queue-manager/control.h"
#include "queue-manager/destination.h"
#include "queue-manager/disk.h"
#include "queue-manager/early.h"
#include "queue-manager/etrn.h"
#include "queue-manager/intake.h"
#include "queue-manager/jobs.h"
#include "queue-manager/message.h"
#include "queue-manager/once.h"
#include "queue-manager/peer.h"
#include "queue-manager/replay.h"
#include "queue-manager/route.h"
#include "queue-manager/schedule.h"
#include "queue-manager/spool.h"
#include "queue-manager/verify.h"

struct manager {
	struct loop *loop;
	const struct start *start;   /* NULL in tests */
	const struct config *config; /* replaced by a reload */
	struct config *owned;	     /* the same, once it came by a reload */
	struct spool spool;
	struct disk disk;
	struct messages messages;
	struct destinations destinations;
	struct verify verify;
	struct replay replay;
	struct route route;
	struct schedule schedule;
	struct peer *peers;
	struct intake intake;
	struct once once;
	struct budget budget;
	struct early_state early;
	struct jobs jobs;
	struct control control;
	struct etrn etrn;
	bool is_stopping; /* nothing new is begun */
	struct loop_timer stop_timer;
	/* tests: a clock that they set; 0: the true one */
	int64_t false_ms, false_wall_us;
};

/* monotonic, as of the begin of this turn */
static inline int64_t
manager_now_ms(const struct manager *q)
{
	return q->false_ms != 0 ? q->false_ms : loop_now_ms(q->loop);
}

static inline int64_t
manager_wall_us(const struct manager *q)
{
	return q->false_wall_us != 0 ? q->false_wall_us : clock_wall_us();
}

/* manager_new - fatal() when there is no memory; the spool is to be taken or used by the caller */
struct manager *manager_new(const struct config *config, const struct start *start);
/* the spool has started: everything but the sockets; `lookup`: the path of its socket, NULL: there is none */
void manager_begin(struct manager *q, const char *lookup);
void manager_free(struct manager *q);
/* a handler of SIGTERM; `owner` is the manager */
void manager_stop(void *owner);
/*
 * manager_reload - takes a new configuration (common/config/reload.h)
 *
 * master refuses one with another spool.  All state is kept; what is queued is routed anew, since hosts and domains may
 * have changed.
 */
void manager_reload(void *owner, struct config *c);

/* a slice of a background task ends after so long: all eight of them in one turn stay below 25 ms */
#define MANAGER_SLICE_US 2500

#endif
