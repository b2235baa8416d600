/*
 * demand - see the header; called by agent.c, explain.c and the probes of verify
 */
#include "delivery/demand.h"

#include <stdio.h>

void
demand_decide(struct hosts *hosts, struct sts *sts, const struct config_hop_tls *tls,
	      const struct hosts_address *host, enum intake_tls_demand of_sender, struct demand *to)
{
	bool is_tcp = host->address.ss_family != AF_UNIX;
	/* the last hop, to who keeps the mailboxes, is the administrator's */
	enum intake_tls_demand demand = host->is_lmtp ? INTAKE_TLS_BY_POLICY : of_sender;

	*to = (struct demand){
		.dane = {.outcome = DANE_ABSENT, .base = SPAN_NONE, .text = SPAN_NONE}};
	if (is_tcp && policy_wants_dane(tls) && demand != INTAKE_TLS_WAIVED)
		hosts_dane(hosts, host, &to->dane);
	/* DANE comes first (RFC 8461, section 2): where it is to be had nothing else counts */
	if (is_tcp && host->domain.len > 0 && policy_wants_sts(tls) &&
	    demand != INTAKE_TLS_WAIVED && to->dane.outcome == DANE_ABSENT)
		to->is_sts_unknown = sts_find(sts, &hosts->client, host->domain, &to->sts) < 0;
	policy_decide(&(struct policy_question){.tls = tls,
						.domain = host->domain,
						.host = span_of(host->name),
						.is_secure = host->is_named_securely,
						.is_tcp = is_tcp,
						.demand = demand,
						.dane = &to->dane,
						.sts = to->sts},
		      &to->policy);
	if (!to->is_sts_unknown)
		return;
	to->policy.is_passed_over = true;
	snprintf(to->policy.why, sizeof(to->policy.why),
		 "whether %.*s has a policy of MTA-STS cannot be found out now",
		 SPAN_ARG(host->domain));
}
