/*
 * control - the administrator's questions and orders
 *
 * See common/protocol/control.h.  Who asks is known by the kernel.  Lists and orders about many messages are carried out in slices, and no
 * faster than the asker reads.
 */
#ifndef QUEUE_MANAGER_CONTROL_H
#define QUEUE_MANAGER_CONTROL_H

#include "common/system/loop.h"
#include "queue-manager/peer.h"

#define CONTROL_PEERS_MAX 2	   /* connections of one uid */
#define CONTROL_PEERS_ADMIN_MAX 32 /* of one that may do all */

struct control {
	struct peer_listener listener;
	struct loop_task task;
};

void control_start(struct manager *q, const struct start_listen *socket);
void control_free(struct manager *q);

#endif
