/*
 * sockets - every listening socket of the system, bound by master and kept while programs come and go
 *
 * A program that dies leaves its callers in the backlog of a socket that master still holds.
 */
#ifndef MASTER_SOCKETS_H
#define MASTER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config/config.h"
#include "common/system/start.h"
#include "common/text/buffer.h"
#include "master/trust.h"

#define SOCKETS_BACKLOG 4096
#define SOCKETS_INNER_MAX 16
/* a row's sockets: one is `master`, the rest are for the inner ones and the `listen`s */
#define SOCKETS_TCP_MAX (START_SOCKETS_MAX - 1 - TRUST_SERVES_MAX)

struct sockets_inner {
	const struct trust_socket *kind;
	int fd;
};

/* what this machine made of a `listen` */
enum sockets_how {
	SOCKETS_AS_SAID,
	SOCKETS_FOUR, /* [::], and the kernel has no IPv6: it is 0.0.0.0 */
	SOCKETS_NOT,  /* the kernel has no IPv6, and IPv4 stands in another line, or is not meant */
	SOCKETS_AWAITED, /* an address that the machine has not, or not yet: whoever gets it reaches us */
};

struct sockets_tcp {
	struct sockaddr_storage address;
	socklen_t address_len;
	bool is_v6_only; /* [::] that leaves IPv4 to another line; cannot be changed once it is bound */
	enum sockets_how how;
	int fd; /* -1: SOCKETS_NOT */
};

struct sockets {
	struct sockets_inner inner[SOCKETS_INNER_MAX];
	size_t inner_count;
	struct sockets_tcp tcp[SOCKETS_TCP_MAX]; /* in the order of the configuration's `listen`s */
	size_t tcp_count;
};

/*
 * sockets_open_inner - binds RUNTIME/NAME for each inner socket, stale ones are removed first
 *
 * The caller knows that no other master lives in `runtime`.  -1: `why` is a sentence.
 */
int sockets_open_inner(struct sockets *s, const char *runtime, const struct trust_people *people,
		       struct buffer *why) __attribute__((warn_unused_result));
/*
 * sockets_listen - the TCP sockets of `c` into `s`
 *
 * Those that `old` has already (NULL: none) are taken as they are; `old` keeps its descriptors.  -1: what was bound anew is closed
 * again, `why` is a sentence that names the line's address.
 */
int sockets_listen(struct sockets *s, const struct config *c, const struct sockets *old,
		   struct buffer *why) __attribute__((warn_unused_result));
/* sockets_report - an event for each `listen` of `c`, whose sockets they are, that is not as it says */
void sockets_report(const struct sockets *s, const struct config *c);
/* sockets_swap - `now` becomes what sockets_listen made of it in `next`; what is not in `next` is closed */
void sockets_swap(struct sockets *now, const struct sockets *next);
/* closes all and removes the inner ones' names */
void sockets_close(struct sockets *s, const char *runtime);
/* the descriptor of an inner socket, -1: none */
int sockets_find(const struct sockets *s, const char *name);
/* the sockets that a row serves, into it, with who may connect */
void sockets_fill(const struct sockets *s, const struct trust_row *row,
		  const struct trust_people *people, struct start *start);

#endif
