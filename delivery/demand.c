/*
 * demand - see demand.h
 */
#include "delivery/demand.h"

void
demand_decide(struct hosts *hosts, const struct hosts_address *host,
	      const struct config_hop_tls *tls, enum intake_tls_demand demand, struct dane *dane,
	      struct policy *to)
{
	bool is_tcp = host->address.ss_family != AF_UNIX;

	/* the last hop, to who keeps the mailboxes, is the administrator's */
	if (host->is_lmtp)
		demand = INTAKE_TLS_BY_POLICY;

	*dane = (struct dane){.outcome = DANE_ABSENT, .base = SPAN_NONE, .text = SPAN_NONE};
	if (is_tcp && policy_wants_dane(tls) && demand != INTAKE_TLS_WAIVED)
		hosts_dane(hosts, host, dane);
	policy_decide(&(struct policy_question){.tls = tls,
						.domain = host->domain,
						.host = span_of(host->name),
						.is_secure = host->is_named_securely,
						.is_tcp = is_tcp,
						.demand = demand,
						.dane = dane,
						.sts = NULL},
		      to);
}
