/*
 * clients - what the listener knows of each client: how many sessions it has
 *
 * A client is an IPv4 address, or the /64 of an IPv6 address: whoever has one address of it has them all.  Known are only clients with a
 * session, so the table is as large as the sessions are many.
 */
#ifndef SMTPD_CLIENTS_H
#define SMTPD_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/config/config.h"

struct clients;

enum clients_answer {
	CLIENTS_WELCOME,
	CLIENTS_TOO_MANY,    /* sessions in all */
	CLIENTS_TOO_MANY_OF, /* sessions of this client */
};

/* clients_new - at most `sessions_max` sessions in all; NULL: no memory */
struct clients *clients_new(uint64_t sessions_max);
void clients_free(struct clients *c);

/* clients_plain - an IPv4-mapped IPv6 address becomes the IPv4 address it is */
void clients_plain(struct sockaddr_storage *address);
/* clients_ask - may this one (plain) have another session?  `limits` are the listener's */
enum clients_answer clients_ask(const struct clients *c, const struct sockaddr_storage *address,
				const struct config_limits *limits);
/* clients_add - process `pid` serves it from now on; -1: no memory (nothing was added) */
int clients_add(struct clients *c, pid_t pid, const struct sockaddr_storage *address)
	__attribute__((warn_unused_result));
/* clients_remove - process `pid` has ended; false: it served nobody */
bool clients_remove(struct clients *c, pid_t pid);
/*
 * clients_may_tell - is it time to tell `log` that this one was turned away?  Once in a while for each, so that no client
 * fills the log; *unsaid becomes how many were turned away since.  `now_ms` is monotonic.
 */
bool clients_may_tell(struct clients *c, const struct sockaddr_storage *address, int64_t now_ms,
		      uint64_t *unsaid);
size_t clients_count(const struct clients *c);
/* clients_each_pid - every process that serves somebody; `each` must not change the table */
void clients_each_pid(const struct clients *c, void (*each)(pid_t pid));

#endif
