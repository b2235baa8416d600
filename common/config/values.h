/*
 * values - what a single word of culver.conf may be
 *
 * Each takes a word and fills `to`; -1 when the word is no such thing, and then `to` is untouched.  Nothing here asks the
 * network or looks at a file: what a word names need not exist.
 */
#ifndef COMMON_CONFIG_VALUES_H
#define COMMON_CONFIG_VALUES_H

#include "common/config/config.h"
#include "common/text/span.h"

/* RUNTIME/submission must fit into the address of a Unix socket: 107 bytes */
#define VALUE_RUNTIME_MAX 96
#define VALUE_SOCKET_MAX 107 /* bytes that the address of a Unix socket has */
#define VALUE_PATH_MAX 480   /* below START_PATH_MAX, with room for what is put behind it */

/* 192.0.2.1, [2001:db8::1] or 2001:db8::1 */
int value_ip(struct span word, int *family, unsigned char address[16])
	__attribute__((warn_unused_result));
/* 192.0.2.0/24, [2001:db8::]/32, 2001:db8::/32, or an address; bits behind the mask must be 0 */
int value_network(struct span word, struct config_network *to) __attribute__((warn_unused_result));
/* ADDRESS:PORT, [ADDRESS6]:PORT; a numeric address; port 1 to 65535 */
int value_listen(struct span word, struct sockaddr_storage *to, socklen_t *len)
	__attribute__((warn_unused_result));
/* HOST:PORT, host a name, an IPv4 address or an IPv6 address in brackets; `host` points into the word, without brackets */
int value_host_port(struct span word, struct span *host, uint16_t *port)
	__attribute__((warn_unused_result));
/* DOMAIN or DOMAIN:PORT, what stands behind `mx:`; the port is 25 where there is none */
int value_mx(struct span word, struct span *domain, uint16_t *port)
	__attribute__((warn_unused_result));
/* a rate like 100/m, 5/10s or 0.5/s: microseconds from one to the next, 1 to VALUE_RATE_MAX_US */
#define VALUE_RATE_MAX_US (UINT64_C(7) * 24 * 3600 * 1000000)
int value_rate(struct span word, uint64_t *us) __attribute__((warn_unused_result));
/* absolute, no `.` or `..` as component, at most VALUE_PATH_MAX bytes; `to` is without a slash at the end */
int value_path(struct span word, struct span *to) __attribute__((warn_unused_result));

/*
 * value_mailbox_path - the path of `deliver`
 *
 * Begins with `~/`, `{home}/` or `/`; within it {user} {ext} {domain}; no other brace, no `.` or `..`.  NULL when it is right, else
 * what is wrong (static), with *at the offset of it.
 */
const char *value_mailbox_path(struct span word, size_t *at);

#endif
