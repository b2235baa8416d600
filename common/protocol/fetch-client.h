/*
 * fetch-client - asks fetch for a domain's policy and waits: for agents, and `culver tls`
 *
 * The connection is made when it is needed, and again where it has broken (a fetch that was restarted).
 */
#ifndef COMMON_PROTOCOL_FETCH_CLIENT_H
#define COMMON_PROTOCOL_FETCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/fetch.h"
#include "common/protocol/resolver-client.h"

#define FETCH_WAIT_MS 30000 /* more than FETCH_ANSWER_MS, and than fetch needs to be there again */

struct fetch_client {
	const char *path; /* of the socket; NULL: there is no fetch */
	int fd;
	uint32_t request;
	char in[CHANNEL_MAX];
};

/* what is known of a domain; spans lie in the arena that the caller gave */
struct fetch_policy {
	enum sts_mode mode; /* 0: there is no policy */
	uint64_t age, left; /* seconds */
	struct span id, reason;
	struct span *mx;
	size_t mx_count;
};

void fetch_client_init(struct fetch_client *c, const char *path);
void fetch_client_close(struct fetch_client *c);

/*
 * fetch_client_sts - the policy of a domain, whose record has that id (fetch_client_id)
 *
 * -1: fetch does not answer until the deadline (monotonic ms).  Then nobody can say whether there is a policy, and none may be taken
 * for granted to be missing: the mail waits.
 */
int fetch_client_sts(struct fetch_client *c, struct span domain, struct span id,
		     struct arena *arena, int64_t deadline_ms, struct fetch_policy *to)
	__attribute__((warn_unused_result));

/*
 * fetch_client_token - an access token for that login; -1: fetch does not answer until the deadline
 *
 * The spans lie in c->in, which the caller wipes when he has copied them.
 */
int fetch_client_token(struct fetch_client *c, struct span login, bool is_refused,
		       int64_t deadline_ms, struct fetch_token_answer *answer)
	__attribute__((warn_unused_result));

/* fetch_client_id - the id of the one record in an answer for the TXT of _mta-sts.DOMAIN; empty: there is none (RFC 8461, section 3.1) */
struct span fetch_client_id(const struct resolver_found *txt);

#endif
