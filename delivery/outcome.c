/*
 * outcome - see the header; called by agent.c
 */
#include "delivery/outcome.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/system/events.h"

static void
format_address(const struct sockaddr_storage *a, char to[INET6_ADDRSTRLEN])
{
	const void *bytes = a->ss_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;

	if (inet_ntop(a->ss_family, bytes, to, INET6_ADDRSTRLEN) == NULL)
		to[0] = '\0';
}

/* what was known before anybody was connected to; SUCCESS: nothing against it */
static enum policy_result
result_of_policy(const struct policy *p)
{
	if (p->is_passed_over)
		return p->source == POLICY_BY_DANE ? POLICY_RESULT_DNSSEC_INVALID
						   : POLICY_RESULT_VALIDATION_FAILURE;
	/* there are records, and none is usable (RFC 8460, section 4.3.2.1) */
	if (p->source == POLICY_BY_DANE && p->level == POLICY_ENCRYPTED)
		return POLICY_RESULT_TLSA_INVALID;
	return p->has_stranger ? POLICY_RESULT_VALIDATION_FAILURE : POLICY_RESULT_SUCCESS;
}

static void
tell(const struct policy_outcome *o)
{
	/* of a domain without a policy nobody but TLSRPT wants to know */
	if (o->source != POLICY_BY_DANE && o->source != POLICY_BY_STS)
		return;
	EVENT("tls-result", event_text("domain", o->domain),
	      event_string("policy", policy_source_name(o->source)), event_text("host", o->host),
	      event_text("address", o->address), event_text("local", o->local_address),
	      event_string("result", policy_result_name(o->result)),
	      event_text("reason", o->reason));
}

void
outcome_tell(const struct connection *c, const struct hosts_address *host, const struct policy *p)
{
	char address[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN] = "";
	enum policy_result result = result_of_policy(p);
	const char *reason = result != POLICY_RESULT_SUCCESS ? p->why : "";

	if (host->domain.len == 0 || (!p->is_passed_over && !c->has_tls_result))
		return;
	/* what the host showed says more */
	if (!p->is_passed_over && c->tls_result != POLICY_RESULT_SUCCESS) {
		result = c->tls_result;
		reason = c->tls_wrong;
	}
	format_address(&host->address, address);
	if (!p->is_passed_over)
		format_address(&c->local, local);
	tell(&(struct policy_outcome){.result = result,
				      .source = p->source,
				      .domain = host->domain,
				      .host = span_of(host->name),
				      .address = span_of(address),
				      .local_address = span_of(local),
				      .reason = span_of(reason)});
}
