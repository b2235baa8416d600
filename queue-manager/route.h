/*
 * route - asks `lookup` what each recipient is, without waiting for the answer
 *
 * Called by message (somebody waits to be routed).  The questions of one message go out in parts, messages that
 * were never tried before those that were.  When lookup is away, its questions are asked again once it is back.
 */
#ifndef QUEUE_MANAGER_ROUTE_H
#define QUEUE_MANAGER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/system/loop.h"
#include "queue-manager/expansion.h"

struct manager;
struct message;
struct peer;

#define ROUTE_MESSAGE_MAX 1000 /* recipients of one message that are asked for at a time */
#define ROUTE_ASKS_MAX 16      /* questions (datagrams) under way */
#define ROUTE_ANSWER_MS 60000  /* lookup is taken for dead after that */
#define ROUTE_AGAIN_MIN_MS 50  /* between two tries to connect: doubles */
#define ROUTE_AGAIN_MAX_MS 2000

/* one datagram of questions, all of one message */
struct route_ask {
	uint32_t request; /* 0: free */
	uint64_t id;	  /* of the message, which may be gone when the answer comes */
	uint32_t *numbers;
	uint32_t count, left;
	int64_t since_ms;
	/* an answer that is under way: the leaves of `number`; its children so far */
	uint32_t number, leaves, seen;
	struct expansion expansion;
};

struct route_list {
	struct message *first, *last;
};

struct route {
	char path[512]; /* of lookup's socket; empty: there is none (tests) */
	struct peer *peer;
	struct route_list fresh, retries;
	struct route_ask ask[ROUTE_ASKS_MAX];
	uint32_t last_request;
	uint32_t under_way; /* asks */
	int64_t again_ms;
	struct loop_task task;
	struct loop_timer timer;
};

void route_start(struct manager *q, const char *path);
void route_free(struct manager *q);
/* its WAITING recipients are asked for; fine when it is under way */
void route_wanted(struct manager *q, struct message *m);

#endif
