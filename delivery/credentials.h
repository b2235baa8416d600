/*
 * credentials - what proves who we are at another host: files that master has opened
 *
 * The parent has their descriptors and reads none.  An agent is of one place and one login: it reads what is that login's, once, before it
 * connects to anybody, and closes the rest, so that who breaks into it has that one.  The token of a login with `refresh` comes from fetch instead, anew for
 * each connection.  Called by main.c, agents.c and agent.c.
 */
#ifndef DELIVERY_CREDENTIALS_H
#define DELIVERY_CREDENTIALS_H

#include "common/config/config.h"
#include "common/mail/reply.h"
#include "common/protocol/fetch-client.h"
#include "common/system/start.h"
#include "common/text/span.h"

/* one of an agent; without a login all is empty */
struct credentials {
	const struct config_login *login; /* NULL: nobody is logged in */
	char *bytes;			  /* of its file; ours */
	size_t size;
	struct span secret;
};

/* credentials_hold - the descriptors of the row `login.0`, `login.1` ...; before confine */
void credentials_hold(const struct start *s, const struct config *config);
/* credentials_drop - this process has no use for any of them */
void credentials_drop(void);
/* credentials_check - is there such a login?  "": none is wanted.  -1: *why is a deferral. */
int credentials_check(const struct config *config, struct span name, struct verdict *why)
	__attribute__((warn_unused_result));
/* credentials_take - in the agent: that login's, and all descriptors are closed; -1: *why is a deferral, and `c` is empty */
int credentials_take(struct credentials *c, const struct config *config, struct span name,
		     struct verdict *why) __attribute__((warn_unused_result));
/*
 * credentials_renew - of a login with `refresh`: its token as it is now, asked of fetch; of others nothing is done
 *
 * `is_refused`: a host did not take the one that is here.  -1: *why is a deferral.
 */
int credentials_renew(struct credentials *c, struct fetch_client *fetch, bool is_refused,
		      struct verdict *why) __attribute__((warn_unused_result));
/* wiped and freed */
void credentials_forget(struct credentials *c);

#endif
