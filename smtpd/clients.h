/*
 * clients - what the listener knows of each client: how many sessions it has, those that wait for one included
 *
 * A client is an IPv4 address, or the /64 of an IPv6 address: whoever has one address of it has them all; or a local user.  Known are only
 * clients with a session or a connection that waits for one, so the table is as large as these are many.
 *
 * A listener that makes way for another leaves its table (clients_write), and the next one begins with it (clients_read): the sessions in it
 * count until clients_sweep finds that their process is gone.  The next one can neither wait for them nor signal them.
 */
#ifndef SMTPD_CLIENTS_H
#define SMTPD_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/config/config.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

#define CLIENTS_LINE_MAX 48 /* bytes of a session in the text of a table */
#define CLIENTS_HEAD "culver-clients 1\n"

struct clients;

enum clients_answer {
	CLIENTS_WELCOME,
	CLIENTS_TOO_MANY,    /* sessions in all */
	CLIENTS_TOO_MANY_OF, /* sessions of this client */
};

/* clients_new - at most `sessions_max` sessions in all, and `waiting_max` connections besides; NULL: no memory.  Gone in a child: only its maker may use it. */
struct clients *clients_new(uint64_t sessions_max, uint64_t waiting_max);
void clients_free(struct clients *c);

/* clients_plain - an IPv4-mapped IPv6 address becomes the IPv4 address it is */
void clients_plain(struct sockaddr_storage *address);
/* clients_local - a local user, in the place of an address */
void clients_local(struct sockaddr_storage *address, uid_t uid);
/* the user in it; false: it is an address */
bool clients_uid(const struct sockaddr_storage *address, uid_t *uid);
/* clients_ask - may this one (plain) have another session?  `limits` are the listener's */
enum clients_answer clients_ask(const struct clients *c, const struct sockaddr_storage *address,
				const struct config_limits *limits);
/* clients_add - process `pid` serves it from now on; -1: there are as many as may be (nothing was added) */
int clients_add(struct clients *c, pid_t pid, const struct sockaddr_storage *address)
	__attribute__((warn_unused_result));
/* clients_wait - a connection of it waits for a session (lobby.h), and counts with its sessions until clients_unwait; -1: there are as many as may be */
int clients_wait(struct clients *c, const struct sockaddr_storage *address)
	__attribute__((warn_unused_result));
void clients_unwait(struct clients *c, const struct sockaddr_storage *address);
/* clients_find - whom process `pid` of ours serves: address or user, of IPv6 the /64; false: nobody */
bool clients_find(struct clients *c, pid_t pid, struct sockaddr_storage *address);
/* clients_remove - process `pid` has ended; false: it served nobody */
bool clients_remove(struct clients *c, pid_t pid);
/*
 * clients_may_tell - is it time to tell `log` that this one was turned away?  Once in a while for each, so that no client
 * fills the log; *unsaid becomes how many were turned away since.  `now_ms` is monotonic.
 */
bool clients_may_tell(struct clients *c, const struct sockaddr_storage *address, int64_t now_ms,
		      uint64_t *unsaid);
/* sessions: those of this process, and those that were inherited */
size_t clients_own(const struct clients *c);
size_t clients_inherited(const struct clients *c);
/* clients_each_pid - every process of ours that serves somebody; `each` must not change the table */
void clients_each_pid(const struct clients *c, void (*each)(pid_t pid));

/* clients_write - all sessions, as lines of text (to->failed when they did not fit) */
void clients_write(const struct clients *c, struct buffer *to);
/* clients_read - the sessions of a table that another process has written; -1: it is none, or memory is out (what was read stays) */
int clients_read(struct clients *c, struct span text) __attribute__((warn_unused_result));
/* clients_sweep - forgets the inherited sessions whose process does not live any more */
void clients_sweep(struct clients *c, bool (*lives)(pid_t pid));

#endif
