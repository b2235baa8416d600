/*
 * reaction - what an answer means for the recipient, for its site, and for the host that gave it
 *
 * Called by jobs for each result.  What a reply means was found out by the agent (delivery/replies.h); here stands what follows.
 */
#ifndef QUEUE_MANAGER_REACTION_H
#define QUEUE_MANAGER_REACTION_H

#include <stdint.h>

#include "common/mail/reply.h"
#include "queue-manager/message.h"

struct manager;
struct agent;

/* reaction_to - carries out the answer about the recipient `number` of the agent's job */
void reaction_to(struct manager *q, struct agent *a, uint32_t number, enum fate fate,
		 const struct answer *answer);

#endif
