/*
 * sockets - Unix sockets of LMTP servers, which lie outside of this program's room
 *
 * As root delivery is shut into a folder that holds no such socket, and a hard link would go stale with the server's next start.  So
 * a helper is forked before that: a process of the same user without a room, without files, without network, that connects to the sockets the
 * configuration names and hands the connection over.  Where there is no room there is no helper: the agent connects itself.
 */
#ifndef DELIVERY_SOCKETS_H
#define DELIVERY_SOCKETS_H

#include "common/config/config.h"
#include "common/system/start.h"
#include "delivery/hosts.h"

#define SOCKETS_WAIT_MS INT64_C(5000) /* for the helper's answer */

/* sockets_start - before confine: the helper, if one is needed */
void sockets_start(const struct start *s, const struct config *config);
/* sockets_connect - to a host that is a Unix socket; non-blocking, close-on-exec; -1 and errno */
int sockets_connect(const struct hosts_address *host) __attribute__((warn_unused_result));
/* sockets_helper - the descriptor it is asked by, for who closes all others after a fork; -1: there is none */
int sockets_helper(void);
/* is the path one that `lmtp` of a route names? */
bool sockets_is_named(const struct config *config, struct span path);

#endif
