/*
 * outside - see outside.h
 */
#include "common/config/outside.h"

#include "common/mail/address.h"
#include "common/mail/domain.h"
#include "common/mail/hop.h"

#define SMTP_PORT 25

static void
take_login(const struct config_sent_as *as, struct outside *o)
{
	o->login = as->login != NULL ? span_of(as->login) : SPAN_NONE;
	o->is_by_sender = as->senders.count > 0;
}

bool
outside_domain(const struct config *c, struct span domain, struct outside *o)
{
	const struct config_route *route;

	if (!domain_is_valid(domain) || config_domain_find(c, domain) != NULL)
		return false;
	route = config_route_find(c, domain);
	o->block = route != NULL ? span_of(route->name) : SPAN(OUTSIDE_BLOCK);
	if (route != NULL && route->action != CONFIG_ROUTE_HOPS)
		return false;
	if (route != NULL)
		o->hops = span_of(route->hops);
	else if (c->outbound.hops != NULL)
		o->hops = span_of(c->outbound.hops);
	else /* to the hosts that the domain itself names (RFC 5321, section 5.1) */
		o->hops = hop_mx(domain, SMTP_PORT, o->text, sizeof(o->text));
	take_login(route != NULL ? &route->sent_as : &c->outbound.sent_as, o);
	return o->hops.len > 0;
}

bool
outside_address(const struct config *c, struct span address, struct outside *o)
{
	struct span local = address_local_of(address);

	/* a quoted one may turn out to be empty or too long */
	if (local.len == 0 || local.len > ADDRESS_LOCAL_MAX || local.at[0] == '"')
		return false;
	return outside_domain(c, address_domain_of(address), o);
}
