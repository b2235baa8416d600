/*
 * demand - what TLS a host must have before anything is said to it
 *
 * Called by agent.c and by the probes of verify, before each connection.
 */
#ifndef DELIVERY_DEMAND_H
#define DELIVERY_DEMAND_H

#include "common/config/config.h"
#include "common/protocol/intake.h"
#include "common/tls/dane.h"
#include "common/tls/policy.h"
#include "delivery/hosts.h"

/*
 * demand_decide - by `tls`, of the block that the place is of, by what the sender demands, and by what the host publishes, which is asked for anew: it may have changed
 *
 * *dane holds what the policy points to, until the next question to `hosts`.
 */
void demand_decide(struct hosts *hosts, const struct hosts_address *host,
		   const struct config_hop_tls *tls, enum intake_tls_demand demand,
		   struct dane *dane, struct policy *to);

#endif
