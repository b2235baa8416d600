/*
 * hosts - the addresses of a place, one after another, in the order in which they are tried (RFC 5321, section 5.1)
 *
 * A place is what queue-manager says in WANT: hops (common/mail/hop.h) parted by blanks.  The resolver is asked for a hop when it is
 * its turn, and for the addresses of a host when it is that host's:
 *
 *     host:port        the addresses of the host, IPv6 and IPv4 in turns
 *     mx:domain:port   the hosts of its MX, by preference, equal ones in an order of chance; no MX: the domain itself; null MX (RFC 7505),
 *                      no such domain: failed.  Where this host is among them, it and all that are not better are left out.
 *     lmtp:...         as host:port, or a Unix socket
 *
 * No answer, or one that is signed wrongly, is a deferral.
 */
#ifndef DELIVERY_HOSTS_H
#define DELIVERY_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/config/config.h"
#include "common/mail/hop.h"
#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/protocol/resolver-client.h"
#include "common/text/arena.h"
#include "common/text/span.h"
#include "delivery/dane.h"

#define HOSTS_MX_MAX 20	      /* hosts of one domain that are tried; more are left out */
#define HOSTS_ADDRESSES_MAX 8 /* of one host */
#define HOSTS_LAST_MAX 16 /* addresses that are put off to the end; more are tried in their order */
#define HOSTS_LOCAL_MAX 256 /* addresses of this machine */

struct hosts_address {
	struct sockaddr_storage address;
	socklen_t len;
	bool is_lmtp;
	char name[RESOLVER_NAME_MAX + 1];      /* of the host; "": an address or a path alone */
	char canonical[RESOLVER_NAME_MAX + 1]; /* where its CNAMEs lead */
	uint16_t port;
	struct span domain;	/* whose MX names it, in the words of the place; empty: none */
	bool is_named_securely; /* by the configuration, or by a signed MX */
	bool is_secure;		/* its address is signed */
	char text[JOBS_HOST_MAX + 1]; /* NAME[ADDRESS]:PORT, or the path, as results name it */
};

/* a host whose addresses are still to be found */
struct hosts_target {
	char name[RESOLVER_NAME_MAX + 1];
	uint64_t preference;
};

struct hosts {
	const struct config *config;
	struct resolver_client client;
	struct arena arena; /* of one question */
	struct span rest;   /* hops whose turn has not come */
	struct hop hop;	    /* the one that the targets are of */
	struct hosts_target targets[HOSTS_MX_MAX];
	size_t target_count, next_target;
	struct hosts_address addresses[HOSTS_ADDRESSES_MAX];
	size_t address_count, next_address;
	struct span avoid; /* what the caller wants tried last */
	struct hosts_address last[HOSTS_LAST_MAX];
	size_t last_count, next_last;
	bool is_named_securely; /* the targets: by the configuration, or by a signed MX */
	bool is_mx_alone;	/* the place is one hop */
	char site[JOBS_SITE_MAX +
		  1]; /* of a place that is the MX of one domain, once they are known */
	/* where no hop gave an address: why.  A failure is one of `domain`, and for no other recipient than those. */
	struct verdict why;
	struct span domain;
};

/* hosts_load_local - the addresses of this machine, to know ourselves among MX hosts.  Once, before confine. */
void hosts_load_local(void);

/* hosts_check - is there a hop among the words?  -1: *why is a deferral. */
int hosts_check(struct span place, struct verdict *why) __attribute__((warn_unused_result));

/* `resolver`: path of its socket */
void hosts_init(struct hosts *h, const struct config *config, const char *resolver);
void hosts_free(struct hosts *h);

/* hosts_start - from the first hop on; `avoid`: hosts (as `text`) that come last, parted by blanks; both outlive it */
void hosts_start(struct hosts *h, struct span place, struct span avoid);
/* hosts_next - the next address, which lives until the next call; NULL: that was all.  Waits for the resolver. */
const struct hosts_address *hosts_next(struct hosts *h);
/* hosts_dane - the TLSA records of an address's host; asks only where all that leads there is signed; *to lives until the next question */
void hosts_dane(struct hosts *h, const struct hosts_address *a, struct dane *to);
/* is there perhaps another one?  Asks nobody. */
bool hosts_has_more(const struct hosts *h);

#endif
