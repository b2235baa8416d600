/*
 * serve - the socket `lookup` and its clients (smtpd's sessions, queue-manager)
 *
 * One request at a time of each client; it is answered in parts, and the next is read when the last part is with the kernel.  So what
 * is held for a client is bounded by the answer to one question.  A client that does not read its answers for
 * SERVE_STALLED_MS, or whose message is malformed, is ended.  Long requests are worked off in slices, so that others get their turn.
 */
#ifndef LOOKUP_SERVE_H
#define LOOKUP_SERVE_H

#include "common/system/start.h"
#include "lookup/routes.h"

#define SERVE_CLIENTS_SPARE 64 /* descriptors besides one for each session */
#define SERVE_STALLED_MS 30000 /* without reading an answer */
#define SERVE_STOP_MS 2000     /* SIGTERM: what is in hand has that long */

/*
 * serve - until SIGTERM, or after SIGUSR1 until what is in hand is answered; at most clients_max clients at a time, more wait
 */
void serve(const struct start_listen *listen, const struct routes *routes, size_t clients_max);

#endif
