/*
 * peer - one connection of another program, and the table of what it may say now
 *
 * Used by intake, jobs, control (connections that were accepted) and route (the one to lookup).  What is malformed, out of turn, or
 * brings a descriptor ends that peer, with the event `peer-ended`, and never us.  Nothing here waits: what the peer does not
 * read is gathered up to PEER_OUT_MAX bytes, then the peer ends.
 */
#ifndef QUEUE_MANAGER_PEER_H
#define QUEUE_MANAGER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/wire.h"
#include "common/system/channel.h"
#include "common/system/loop.h"
#include "common/system/start.h"

#define PEER_OUT_MAX (4u << 20) /* bytes that wait for a peer to read them, */
#define PEER_OUT_COUNT_MAX 1024 /* datagrams, */
#define PEER_OUT_FDS_MAX 8	/* and descriptors in them */
#define PEER_TURN_MAX 32	/* datagrams of one peer handled in one turn of the loop */
#define PEER_TOGETHER_MAX 4	/* messages in one datagram */
#define PEER_TURN_MS 8 /* after so long in one turn nobody else is listened to before the next */
#define PEER_ACCEPT_MAX 32   /* connections accepted in one turn */
#define PEER_MESSAGE_MAX 256 /* the largest struct of a protocol */

struct manager;
struct peer;

/* what may be said, and in which of the protocol's stages (a bit each) */
struct peer_rule {
	uint16_t type;
	unsigned stages;
	/* NULL, or a sentence: why the peer ends */
	const char *(*handle)(struct peer *p, const struct wire_header *h, const void *message);
};

struct peer_kind {
	const char *name;		/* of the socket, in events */
	const struct wire_shape *calls; /* what it may send at all */
	const struct peer_rule *rules;	/* ends with .handle == NULL */
	unsigned first_stage;
	/* after the connection was accepted; NULL, or why it is refused */
	const char *(*opened)(struct peer *p);
	void (*closed)(struct peer *p);	 /* the descriptor is still open; p->state is to be freed */
	void (*drained)(struct peer *p); /* all that waited was sent; may be NULL */
};

struct peer_out;

struct peer {
	struct loop_watch watch;
	struct manager *q;
	const struct peer_kind *kind;
	struct channel_peer who;
	unsigned stage;
	bool its_turn; /* a handler answered, so nothing more is there: do not look again in this turn */
	bool in_use; /* below peer_ready: freed at its end */
	bool ended;
	bool has_left; /* it has closed its end, and all that it said before was read */
	struct peer_out *first, *last; /* what waits to be sent */
	size_t waiting;		       /* bytes of it */
	unsigned waiting_count, waiting_fds;
	void *state;
	struct peer *previous, *next; /* all peers */
};

/* a socket that is served */
struct peer_listener {
	struct loop_watch watch;
	struct loop_timer again; /* after descriptors ran out */
	struct manager *q;
	const struct peer_kind *kind;
	const struct start_listen *socket;
};

void peer_listen(struct manager *q, struct peer_listener *l, const struct start_listen *socket,
		 const struct peer_kind *kind);
void peer_listen_end(struct peer_listener *l);
/* peer_open - takes the descriptor; NULL: refused, and closed */
struct peer *peer_open(struct manager *q, int fd, const struct peer_kind *kind,
		       const struct channel_peer *who);
/* peer_end - now; `reason` NULL: nothing to be told.  Fine when it has ended already. */
void peer_end(struct peer *p, const char *reason);
/* peer_release - by who has set in_use: frees one that has ended meanwhile */
void peer_release(struct peer *p);
/* peer_end_all - when we end */
void peer_end_all(struct manager *q);

/*
 * peer_send - now, or as soon as the peer reads; `fds` stay the caller's
 *
 * A peer that is gone or too slow is ended, which the caller sees by p->ended (the peer lives on until peer_ready returns only when
 * called from a handler: others must not touch it after false).
 */
bool peer_send(struct peer *p, const struct wire_shape *shape, uint16_t flags, uint32_t request,
	       const void *message, const int *fds);
/* peer_send_datagram - the same, of what is spelled already: one message, or several where the protocol says so */
bool peer_send_datagram(struct peer *p, const struct wire *w, const int *fds, size_t fd_count);

#endif
