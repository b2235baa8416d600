/*
 * intake - the one door of all mail: sessions and notices hand in messages
 *
 * See common/protocol/intake.h; the promise is argued at the head of intake.c.
 */
#ifndef QUEUE_MANAGER_INTAKE_H
#define QUEUE_MANAGER_INTAKE_H

#include <stdint.h>

#include "queue-manager/peer.h"

#define INTAKE_PROCESS_MAX 4 /* connections of one process */
#define INTAKE_HEAD_MAX \
	65536 /* of the journal's head in memory; what is more is written meanwhile */

struct intake {
	struct peer_listener listener;
	uint64_t open; /* files given out, not yet enveloped */
};

struct intake_finished;

/*
 * intake_finished - early.c: the session at `p`, which waits, is told; once a transaction
 *
 * DELIVERED: the message is not used by it any more.  Where the session is gone, its end is carried out within.
 */
void intake_finished(struct manager *q, struct peer *p, const struct intake_finished *f);
void intake_start(struct manager *q, const struct start_listen *socket);
/* nothing new is taken any more */
void intake_stop(struct manager *q);

#endif
