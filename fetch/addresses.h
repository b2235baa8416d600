/*
 * addresses - of a web server, as libcurl is given them
 *
 * Called in the child of a download (obtain.c, refresh.c).
 */
#ifndef FETCH_ADDRESSES_H
#define FETCH_ADDRESSES_H

#include <netinet/in.h>

#include "common/protocol/fetch.h"
#include "common/protocol/resolver-client.h"
#include "fetch/https.h"

#define ADDRESSES_DNS_MS 30000
#define ADDRESSES_TEXT_MAX (HTTPS_ADDRESSES_MAX * (INET6_ADDRSTRLEN + UINT64_C(3)))

/* addresses_find - parted by commas, from both kinds in turn; -1: there are none, and `reason` is a sentence */
int addresses_find(struct resolver_client *c, struct arena *arena, const char *host,
		   char text[ADDRESSES_TEXT_MAX], char reason[FETCH_REASON_MAX + 1])
	__attribute__((warn_unused_result));

#endif
