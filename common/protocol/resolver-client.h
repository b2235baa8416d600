/*
 * resolver-client - asks resolver and waits: for agents and sessions, which may block
 *
 * The connection is made when it is needed, and again where it has broken (a resolver that was restarted, or retired at a reload).
 */
#ifndef COMMON_PROTOCOL_RESOLVER_CLIENT_H
#define COMMON_PROTOCOL_RESOLVER_CLIENT_H

#include <stdint.h>

#include "common/protocol/resolver.h"
#include "common/text/arena.h"

#define RESOLVER_WAIT_MS 30000	 /* for the answers to all questions of one call */
#define RESOLVER_QUESTIONS_MAX 8 /* of one call; as many as resolver works on for one client */
#define RESOLVER_ANSWER_MAX 4096 /* records of one answer; more are left out */

struct resolver_client {
	const char *path; /* of the socket; NULL: there is no resolver, every answer is trouble */
	int fd;
	uint32_t request;
	char in[CHANNEL_MAX];
};

struct resolver_question {
	enum resolver_rr rr;
	struct span name;
};

/* an answer whole, in the arena that the caller gave */
struct resolver_found {
	enum resolver_outcome outcome;
	enum resolver_security security;
	uint64_t ttl;
	struct span canonical;
	struct span text; /* of trouble */
	struct resolver_record *records;
	size_t count;
};

void resolver_client_init(struct resolver_client *c, const char *path);
void resolver_client_close(struct resolver_client *c);

/*
 * resolver_client_ask - all questions at once, their answers in the same order
 *
 * Waits until the deadline (monotonic ms).  What was not answered then, or cannot be, is RESOLVER_TROUBLE with its text.
 */
void resolver_client_ask(struct resolver_client *c, const struct resolver_question *questions,
			 size_t count, struct arena *arena, int64_t deadline_ms,
			 struct resolver_found *found);

#endif
