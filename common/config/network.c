/*
 * network - is a client in relay-from, in expn-from or expn-logins, or in etrn-from of a route?  See config.h.
 */
#include "common/config/config.h"

static const unsigned char mapped[12] = {
	[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96, RFC 4291, 2.5.5.2 */

static bool
is_within(const struct config_network *n, int family, const unsigned char *address)
{
	unsigned whole = n->bits / 8;
	unsigned rest = n->bits % 8;

	if (n->family != family || memcmp(n->address, address, whole) != 0)
		return false;
	return rest == 0 || ((n->address[whole] ^ address[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool
is_listed(const struct config_network *networks, size_t count, const struct sockaddr *client)
{
	unsigned char address[16];
	int family = client->sa_family;

	if (family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, client, sizeof(sin));
		memcpy(address, &sin.sin_addr, 4);
	} else if (family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, client, sizeof(sin6));
		memcpy(address, &sin6.sin6_addr, sizeof(address));
		if (memcmp(address, mapped, sizeof(mapped)) == 0) {
			family = AF_INET;
			memmove(address, address + 12, 4);
		}
	} else {
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (is_within(&networks[i], family, address))
			return true;
	return false;
}

bool
config_may_relay(const struct config *c, const struct sockaddr *client)
{
	return is_listed(c->relay_from, c->relay_from_count, client);
}

bool
config_may_expn(const struct config *c, const struct sockaddr *client)
{
	return is_listed(c->expn_from, c->expn_from_count, client);
}

bool
config_may_expn_login(const struct config *c, struct span login)
{
	bool is_listed = login.len > 0 && c->expn_all_logins;

	for (size_t i = 0; i < c->expn_logins.count && !is_listed; i++)
		is_listed = span_equal(login, span_of(c->expn_logins.words[i]));
	return is_listed;
}

bool
config_may_etrn(const struct config *c, const struct config_route *route,
		const struct sockaddr *client)
{
	if (route != NULL)
		return is_listed(route->etrn_from, route->etrn_from_count, client);
	for (size_t i = 0; i < c->route_count; i++)
		if (is_listed(c->routes[i].etrn_from, c->routes[i].etrn_from_count, client))
			return true;
	return false;
}
