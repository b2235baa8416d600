/*
 * outcome - what became of TLS with the hosts of a domain, connection by connection, as TLSRPT counts it (RFC 8460)
 */
#ifndef DELIVERY_OUTCOME_H
#define DELIVERY_OUTCOME_H

#include "delivery/policy.h"
#include "delivery/connect.h"

/*
 * outcome_tell - after an attempt to connect to `host` under `p`, or instead of one where it is passed over; only what TLS had a part in, of hosts that are the MX
 * of a domain.  `c` may be closed.
 */
void outcome_tell(const struct connection *c, const struct hosts_address *host,
		  const struct policy *p);

#endif
