/*
 * serve - the socket `resolver` and its clients (delivery's agents, and fetch)
 *
 * Up to SERVE_ASKS_MAX questions of a client are under way; more are left unread.  A question without answer is given up after
 * SERVE_ANSWER_MS.  A client that does not read its answers for SERVE_STALLED_MS, or whose message is malformed, is ended, and its
 * questions with it.
 */
#ifndef RESOLVER_SERVE_H
#define RESOLVER_SERVE_H

#include <unbound.h>

#include "common/system/start.h"

#define SERVE_CLIENTS_SPARE \
	64		 /* besides one for each agent: the downloads of fetch, and `culver tls` */
#define SERVE_ASKS_MAX 8 /* of one client */
#define SERVE_ANSWER_MS 25000 /* RESOLVER_WAIT_MS of who asks is more */
#define SERVE_STALLED_MS 30000
#define SERVE_STOP_MS 1000 /* SIGTERM: what is in hand has that long */

/* serve - until SIGTERM, or after SIGUSR1 until what is in hand is answered */
void serve(const struct start_listen *listen, struct ub_ctx *ctx, size_t clients_max);

#endif
