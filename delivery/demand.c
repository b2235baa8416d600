/*
 * demand - see demand.h
 */
#include "delivery/demand.h"

void
demand_decide(struct hosts *hosts, const struct hosts_address *host,
	      const struct config_hop_tls *tls, struct dane *dane, struct policy *to)
{
	bool is_tcp = host->address.ss_family != AF_UNIX;

	*dane = (struct dane){.outcome = DANE_ABSENT, .base = SPAN_NONE, .text = SPAN_NONE};
	if (is_tcp && policy_wants_dane(tls))
		hosts_dane(hosts, host, dane);
	policy_decide(&(struct policy_question){.tls = tls,
						.domain = host->domain,
						.host = span_of(host->name),
						.is_secure = host->is_named_securely,
						.is_tcp = is_tcp,
						.dane = dane,
						.sts = NULL},
		      to);
}
