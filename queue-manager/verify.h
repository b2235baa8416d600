/*
 * verify - is the content of a message of another boot what was written?
 *
 * Called by message, before such a message is routed or told of for the first time.  One message after another, in slices; a
 * wrong one is set aside (S6 of spool.c).
 */
#ifndef QUEUE_MANAGER_VERIFY_H
#define QUEUE_MANAGER_VERIFY_H

#include <stdint.h>

#include "common/system/loop.h"

#define VERIFY_PIECE 262144 /* bytes read at a time */

struct manager;
struct message;
struct checksum;

struct verify {
	struct message *first, *last;
	int fd; /* of the first; -1: not begun */
	uint64_t at;
	struct checksum *sum;
	char *piece;
	struct loop_task task;
};

void verify_start(struct manager *q);
void verify_free(struct manager *q);
/* it is verified, then settled again; fine when it is under way */
void verify_wanted(struct manager *q, struct message *m);

#endif
