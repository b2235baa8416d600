/*
 * connector - a helper that connects, for a program whose room has not what is to be connected to
 *
 * As root a program is shut into a folder that holds no socket of another system, and a hard link would go stale with that one's next start.  So a
 * process is forked before that: of the same user, without files, with no room or no network as its owner says, which connects where its owner's
 * rule lets it and hands the connection over, and does nothing else.  It ends with its parent.
 *
 * A question is a text and the end of a socketpair; the answer comes on the other end: the word `ok` with the connection, or the errno as a
 * number.  Whoever asks shares the end with others, and can read nothing there.
 */
#ifndef COMMON_SYSTEM_CONNECTOR_H
#define COMMON_SYSTEM_CONNECTOR_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/system/confine.h"
#include "common/system/start.h"
#include "common/text/span.h"

/* where the helper connects to when it is asked for `what`; -1 and errno: nowhere */
typedef int connector_rule(const void *owner, struct span what, struct sockaddr_storage *to,
			   socklen_t *len);

struct connector {
	const struct start *own; /* what the helper is confined by; its directories are dropped */
	const struct syscall_group *syscalls; /* what it may call beyond the base groups */
	connector_rule *rule;
	const void *owner;  /* the rule's; must be as long there as the helper */
	void (*drop)(void); /* NULL, or closes in the helper what it must not have */
};

/* connector_start - forks it, before the program confines itself; the descriptor on which it is asked.  fatal() where that cannot be done. */
int connector_start(const struct connector *c);

/* connector_ask - non-blocking, close-on-exec; TCP may be under way still.  -1 and errno: ETIMEDOUT and EPIPE where the helper does not answer. */
int connector_ask(int helper, struct span what, int64_t deadline_ms)
	__attribute__((warn_unused_result));

/* connector_connect - what the helper does, for who needs none: a stream socket of that address */
int connector_connect(const struct sockaddr *to, socklen_t len) __attribute__((warn_unused_result));

#endif
