/*
 * service - a socket that many clients ask at, in the event loop of the program that answers (lookup, resolver)
 *
 * Who may connect is said by the row of the trust map.  A client is read from while the program may take more of it, is written to when
 * the kernel has room for its answers, and is ended when it sends what is malformed, does not read for `stalled_ms`, or is gone.
 *
 *     SIGTERM  stops taking connections; what is in hand has `stop_ms`
 *     SIGUSR1  a new generation serves this socket now: takes no connections, answers what was asked, and leaves with the last answer
 *
 * What arrives at a retired service is never lost: its clients' connections are shut for reading first, so that each question has
 * either reached us and is answered, or its sender hears EPIPE at once and asks the new generation (CHANNEL_CLOSED of channel_send).
 */
#ifndef COMMON_SYSTEM_SERVICE_H
#define COMMON_SYSTEM_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/system/channel.h"
#include "common/system/loop.h"
#include "common/system/start.h"

struct service;
struct service_datagram;

/* the first member of what the program keeps of a client */
struct service_client {
	struct service *service;
	struct channel_peer peer;
	struct loop_watch watch;
	struct loop_timer stalled;
	struct service_datagram *first, *last; /* answers that the kernel had no room for */
	bool is_read_out;		       /* nothing more can come from it */
	struct service_client *previous, *next;
};

struct service_program {
	size_t client_size; /* of the struct that begins with a service_client; zeroed at the start */
	int64_t stalled_ms, stop_ms;
	/* came - at the begin of a client */
	void (*came)(struct service_client *c);
	/* may_take - is another datagram of it welcome? */
	bool (*may_take)(const struct service_client *c);
	/* take - one datagram; NULL, or why the client must end (a sentence for the log) */
	const char *(*take)(struct service_client *c, struct span datagram);
	/* is_busy - is something owed to it that service_send has not got yet? */
	bool (*is_busy)(const struct service_client *c);
	/* has_room - all that was kept back is with the kernel */
	void (*has_room)(struct service_client *c);
	/* ended - lets go of what it owns; the struct itself is freed after it */
	void (*ended)(struct service_client *c);
};

struct service {
	struct loop *loop;
	const struct service_program *program;
	const struct start_listen *listen;
	void *owner; /* the program's */
	struct loop_watch door;
	struct loop_timer stop;
	struct service_client *clients;
	size_t client_count, clients_max;
	bool is_stopping, is_retired;
	char in[CHANNEL_MAX];
};

/* service_open - begins to take connections, at most clients_max at a time (more wait in the backlog), and handles both signals */
void service_open(struct service *s, struct loop *loop, const struct service_program *program,
		  const struct start_listen *listen, size_t clients_max, void *owner);
/* service_close - ends every client; after loop_run, before loop_free */
void service_close(struct service *s);

/* service_send - without waiting: what the kernel has no room for is kept, in order.  NULL, or why the client must end. */
const char *service_send(struct service_client *c, struct span datagram)
	__attribute__((warn_unused_result));
/* is something kept back?  Then no more should be made for it: has_room tells when */
bool service_is_blocked(const struct service_client *c);
/*
 * service_settle - after anything was done for a client outside of take and has_room: ends it for the reason `wrong`, or when
 * nothing is left to do for it; else watches it for what comes next.  false: it is gone.
 */
bool service_settle(struct service_client *c, const char *wrong);

#endif
