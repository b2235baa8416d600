/*
 * lobby - clients that have said nothing yet, while there are sessions enough: each costs a place in a table, and no process
 *
 * Called by listener.c.  Who is here has been greeted, or is to begin with TLS; whoever speaks, or leaves, is handed to the listener, and whoever waits
 * too long is told so.  A full lobby turns the one away that has waited longest: so who only holds connections keeps nobody out.
 *
 * The table lies in a mapping that a fork leaves out, and its descriptors are those from LOBBY_DESCRIPTOR on, which a session closes at once: it can neither
 * read who else is here nor speak to them.
 */
#ifndef SMTPD_LOBBY_H
#define SMTPD_LOBBY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/system/loop.h"

#define LOBBY_MAX 20000	     /* as far as descriptors may be had */
#define LOBBY_DESCRIPTOR 256 /* and upwards: below are the listener's own */

struct lobby;

struct lobby_owner {
	struct loop *loop;
	/* it speaks: the descriptor, the lobby's no more, is in the caller's range again (-1: there is none to be had, and it was closed) */
	void (*speaks)(void *owner, const void *door, int fd,
		       const struct sockaddr_storage *client);
	/* it is gone, and closed: how is `left`, `timeout`, `crowded` or `stopping` */
	void (*ended)(void *owner, const struct sockaddr_storage *client, const char *how);
	void *owner;
};

/* lobby_new - of as many places as the limit of descriptors allows; NULL: no memory, or no descriptors */
struct lobby *lobby_new(const struct lobby_owner *owner);
size_t lobby_count(const struct lobby *l);
/*
 * lobby_take - waits for its first byte from now on, until `deadline_ms` (monotonic); `fd` is the lobby's then
 *
 * `farewell`: what it is told when it waits in vain (NULL: nothing, it is to begin with TLS); lives as long as the lobby.  -1: there is no descriptor for it,
 * and nothing was done.
 */
int lobby_take(struct lobby *l, int fd, const void *door, const struct sockaddr_storage *client,
	       int64_t deadline_ms, const char *farewell) __attribute__((warn_unused_result));
/* lobby_clear - everybody is told `text` and goes */
void lobby_clear(struct lobby *l, const char *text);
/* lobby_leave - in a child: the descriptors are closed */
void lobby_leave(const struct lobby *l);

#endif
