/*
 * serve - the socket `fetch` and its clients (delivery's agents, `culver tls`)
 *
 * A client asks one thing at a time and hears what is known after FETCH_ANSWER_MS at the latest.  One whose message is malformed or untimely, or who does not
 * read its answer for SERVE_STALLED_MS, is ended.
 */
#ifndef FETCH_SERVE_H
#define FETCH_SERVE_H

#include <stddef.h>

#include "common/system/start.h"
#include "fetch/download.h"
#include "fetch/tokens.h"

#define SERVE_CLIENTS_SPARE 64 /* besides one for each agent */
#define SERVE_STALLED_MS 30000
#define SERVE_STOP_MS 1000 /* SIGTERM: what is in hand has that long */

/* serve - until SIGTERM, or after SIGUSR1 until what is in hand is answered */
void serve(const struct start_listen *listen, const struct download_means *means,
	   struct tokens *tokens, size_t clients_max);

#endif
