/*
 * demand - what is demanded of one host before mail is given to it: all is asked that the decision depends on, and it is made
 *
 * The one place where this is done: for agents, for the probes of verify, and for `culver tls`.
 */
#ifndef DELIVERY_DEMAND_H
#define DELIVERY_DEMAND_H

#include "common/config/config.h"
#include "delivery/policy.h"
#include "delivery/hosts.h"
#include "delivery/sts.h"

/* a decision, and what it was made of */
struct demand {
	struct dane dane;	      /* what was asked for, else DANE_ABSENT */
	const struct policy_sts *sts; /* NULL: none, or not asked for */
	bool is_sts_unknown;	      /* fetch does not answer */
	struct policy policy;	      /* lives until the next question to hosts or sts */
};

/* demand_decide - `tls` is that of the block which the place is of, `of_sender` what the message's sender demands or waives (RFC 8689) */
void demand_decide(struct hosts *hosts, struct sts *sts, const struct config_hop_tls *tls,
		   const struct hosts_address *host, enum intake_tls_demand of_sender,
		   struct demand *to);

#endif
