/*
 * outside - connections to Dovecot, which is outside of this program's room
 *
 * auth has no network, and in its room no socket of Dovecot's; a hard link would go stale with Dovecot's next start.  So a helper is forked before
 * auth confines itself: a process of the same user without files that can connect to the one address of the configuration, hands
 * the connections over, and does nothing else.
 */
#ifndef AUTH_OUTSIDE_H
#define AUTH_OUTSIDE_H

#include <stdint.h>

#include "common/system/start.h"

/* outside_start - before confine; `address`: a path, or ADDRESS:PORT.  Returns the descriptor on which the helper is asked. */
int outside_start(const struct start *s, const char *address);
/* outside_connect - asks `helper`; non-blocking, close-on-exec; TCP may be under way still.  -1 and errno. */
int outside_connect(int helper, int64_t deadline_ms) __attribute__((warn_unused_result));

#endif
