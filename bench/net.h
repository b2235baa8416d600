/*
 * net - what load and sink both ask of the kernel
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <netinet/in.h>

#include "common/text/span.h"

/* net_address - 127.0.0.1:25; -1 for anything else than an IPv4 address and a port */
int net_address(struct span text, struct sockaddr_in *address) __attribute__((warn_unused_result));
/* net_no_delay - small replies leave at once; no failure matters */
void net_no_delay(int fd);
/* net_prepare - no SIGPIPE, as many descriptors as the hard limit allows; once, at start */
void net_prepare(void);

#endif
