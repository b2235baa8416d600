/*
 * sockets - see the header; called by main.c and connect.c
 *
 * The helper (common/system/connector.h) is asked by the path.  It ends with its parent (confine); should it die before, mail for these sockets
 * waits.
 */
#include "delivery/sockets.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/connector.h"
#include "delivery/credentials.h"

static int helper = -1; /* where it is asked */

static const struct syscall_group helper_syscalls[] = {
	/* socket and connect are of the base groups, and for Unix sockets alone */
	SYSCALL_GROUPS_END,
};

/* names - do these hops name the path?  No path at all: is there any? */
static bool
names(const char *words, struct span path)
{
	struct span hops = span_of(words != NULL ? words : "");
	struct span word;

	while ((word = span_word(&hops)).len > 0) {
		struct hop hop;

		if (hop_parse(word, &hop) == 0 && hop.path.len > 0 &&
		    (path.len == 0 || span_equal(hop.path, path)))
			return true;
	}
	return false;
}

int
sockets_helper(void)
{
	return helper;
}

bool
sockets_is_named(const struct config *config, struct span path)
{
	for (size_t i = 0; i < config->route_count; i++)
		if (names(config->routes[i].hops, path))
			return true;
	for (size_t i = 0; i < config->domain_count; i++) {
		const struct config_domain *d = &config->domains[i];

		if (names(d->deliver.hops, path))
			return true;
		for (size_t n = 0; n < d->delivery_count; n++)
			if (names(d->deliveries[n].hops, path))
				return true;
	}
	return false;
}

/* one that the configuration names */
static int
named(const void *owner, struct span path, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_un *address = (struct sockaddr_un *)to;

	address->sun_family = AF_UNIX;
	*len = sizeof(*address);
	if (path.len > 0 && sockets_is_named(owner, path) &&
	    span_copy(path, address->sun_path, sizeof(address->sun_path)) == 0)
		return 0;
	errno = EACCES;
	return -1;
}

void
sockets_start(const struct start *s, const struct config *config)
{
	struct start own = *s;

	if (s->room[0] == '\0' || s->probe || !sockets_is_named(config, SPAN_NONE))
		return;
	own.room[0] = '\0';
	own.network_out = false;
	helper = connector_start(&(struct connector){.own = &own,
						     .syscalls = helper_syscalls,
						     .rule = named,
						     .owner = config,
						     .drop = credentials_drop});
}

int
sockets_connect(const struct hosts_address *host)
{
	const struct sockaddr_un *address = (const struct sockaddr_un *)&host->address;

	if (helper < 0)
		return connector_connect((const struct sockaddr *)address, host->len);
	return connector_ask(helper, span_of(address->sun_path),
			     clock_monotonic_ms() + SOCKETS_WAIT_MS);
}
