/*
 * expn - whom an address stands for, as far as a client may know it
 *
 * Called by serve.c for LOOKUP_EXPAND.  What leaves this program are addresses alone: no command, file or included list, no home and no
 * next hop, so that a session that was taken over by its client learns no more than EXPN shows.  How often a client (an address, or a login) asks is counted here, since a
 * session knows of no other one.
 */
#ifndef LOOKUP_EXPN_H
#define LOOKUP_EXPN_H

#include "common/protocol/lookup.h"
#include "lookup/aliases.h"

#define EXPN_CLIENTS_MAX 256 /* that have asked within an hour; one more is refused */
#define EXPN_HOUR_MS 3600000

struct expn {
	struct {
		char client[LOOKUP_CLIENT_MAX + 1]; /* "": free */
		int64_t since_ms;
		uint64_t count;
	} clients[EXPN_CLIENTS_MAX];
};

/* expn_may - counts one question of the client; false: it has had `max` within the hour that began with its first one */
bool expn_may(struct expn *e, struct span client, uint64_t max, int64_t now_ms);
/* expn_answer - the leaves, filtered as above; `is_refused`: one that says so */
void expn_answer(const struct routes *r, struct span address, bool is_refused, int64_t now_ms,
		 struct arena *arena, struct expansion *e);

#endif
