/*
 * login - the dialogue by which the next hop learns who we are (RFC 4954, as a client)
 *
 * Called by agent.c for a connection that is greeted and has EHLO behind it.  A host that does not let us in has said nothing about a message: all
 * that it does is a deferral.  What proves who we are goes only to a host that the line keeps it from others for, and to no log.
 */
#ifndef DELIVERY_LOGIN_H
#define DELIVERY_LOGIN_H

#include "delivery/connect.h"
#include "delivery/credentials.h"

#define LOGIN_MS INT64_C(180000) /* for each answer; RFC 4954, section 4: at least 3 minutes */
/* a challenge is at most 12288 characters (RFC 4954, section 4), behind "334 " */
#define LOGIN_LINE_MAX (12288 + 6)
#define LOGIN_COMMAND_MAX 512 /* of AUTH with an initial response (RFC 5321, section 4.5.3.1.4) */

enum login_outcome {
	LOGIN_DONE,
	LOGIN_PASSED_OVER, /* not by this host, or not now; the connection is closed: another one may */
	LOGIN_REFUSED, /* who we say we are is not believed: the others need not be asked the same */
};

/* login_run - without a login it is done at once; else *why says why not */
enum login_outcome login_run(struct connection *c, const struct credentials *who,
			     struct verdict *why) __attribute__((warn_unused_result));

#endif
