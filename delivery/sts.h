/*
 * sts - the policy of MTA-STS of the domain that mail is for (RFC 8461), asked of resolver and fetch
 *
 * Asked for before a connection, and kept for STS_KEEP_MS, in which a domain's other hosts are tried.  Where fetch does not answer nobody can say
 * whether there is a policy, so mail waits; where it answers that it has none, none is known of, and mail goes.
 */
#ifndef DELIVERY_STS_H
#define DELIVERY_STS_H

#include <stdint.h>

#include "common/protocol/fetch-client.h"
#include "common/protocol/resolver-client.h"
#include "common/text/arena.h"
#include "delivery/policy.h"

#define STS_KEEP_MS 10000
#define STS_DNS_MS \
	10000 /* a record that does not come until then is none; a policy that is kept holds without it */

struct sts {
	struct fetch_client client;
	struct arena arena;
	char domain[FETCH_DOMAIN_MAX + 1]; /* "": nothing is known */
	int64_t until_ms;
	struct fetch_policy found;
	struct policy_sts policy;
};

/* sts_init - `path` of the socket `fetch` */
void sts_init(struct sts *s, const char *path);
void sts_free(struct sts *s);

/* sts_find - *policy lives until the next call, and is NULL where the domain has none.  -1: nobody can say now. */
int sts_find(struct sts *s, struct resolver_client *resolver, struct span domain,
	     const struct policy_sts **policy) __attribute__((warn_unused_result));

#endif
