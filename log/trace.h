/*
 * trace - answers `culver trace`: the socket `trace` (common/protocol/trace.h)
 *
 * Called by main.  One question a connection.  Who asks is known by the kernel: root, the user who runs the whole and the group culver-admin may
 * ask about all; everybody else about the messages that his uid has sent (log/scan.h).  Each question is answered by a child of its own, which reads the store and
 * talks to the asker, so that no event waits for it.
 */
#ifndef LOG_TRACE_H
#define LOG_TRACE_H

#include "common/system/loop.h"
#include "common/system/start.h"
#include "log/store.h"

#define TRACE_ASKERS_MAX 32	/* connections that have not asked yet; the next is refused */
#define TRACE_ASKERS_OF_UID 4	/* of one user other than root */
#define TRACE_AGAIN_MS 100	/* after an accept that failed for want of descriptors */
#define TRACE_CHILDREN_MAX 8	/* questions under way */
#define TRACE_CHILDREN_OF_UID 2 /* of one user other than root */
#define TRACE_ASK_MS 10000	/* for the question to come */
#define TRACE_ANSWER_MS 60000	/* for the whole answer, reading and sending */

struct trace;

/* trace_serve - starts to accept; fatal() without memory */
struct trace *trace_serve(struct loop *l, const struct start *s, const struct store *store);
void trace_free(struct trace *t);

#endif
