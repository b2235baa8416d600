/*
 * events - the socket `log`: takes the events of all programs, without any of them waiting
 *
 * Called by main.  A connection may be shared by a program and its forks, so the pid of each datagram is what the kernel attests for it
 * (SCM_CREDENTIALS); the program's name is that of the connection's first line, `TIME hello program=NAME`.
 *
 * Promises: a peer that sends anything but lines of the grammar (log/line.h), or descriptors, is ended, with the event
 * `peer-ended`, and what stands behind the wrong line is not taken; it may connect again.  A peer that sends a lot gets EVENTS_AT_ONCE
 * datagrams a turn, so that the others are heard too.
 */
#ifndef LOG_EVENTS_H
#define LOG_EVENTS_H

#include <stddef.h>

#include "common/system/loop.h"
#include "common/system/start.h"
#include "log/output.h"

#define EVENTS_PEERS_MAX 8000 /* connections; more wait in the backlog */
#define EVENTS_AT_ONCE 16     /* datagrams of one peer in a turn */
#define EVENTS_AT_END 256     /* the same at the end: who goes on sending must not keep us */
#define EVENTS_AGAIN_MS 100   /* after an accept that failed for want of descriptors */

struct events;

/*
 * events_serve - starts to accept on `listen`
 *
 * `own` is the other end of the connection on which log sends its own events.  fatal() without memory.
 */
struct events *events_serve(struct loop *l, const struct start_listen *listen, struct output *o,
			    int own);
/* events_drain - takes all that was sent until now; for the end */
void events_drain(struct events *e);
void events_free(struct events *e);

#endif
