/*
 * outside - see outside.h; called by main.c and dovecot.c
 *
 * The helper (common/system/connector.h) ends with auth.
 */
#include "auth/outside.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "common/config/values.h"
#include "common/system/confine.h"
#include "common/system/connector.h"
#include "common/system/fatal.h"

static const struct syscall_group unix_syscalls[] = {
	/* socket and connect are of the base groups, and for Unix sockets alone */
	SYSCALL_GROUPS_END,
};

static const struct syscall_group tcp_syscalls[] = {
	SYSCALL_GROUP("TCP to Dovecot", SYSCALL_IF(socket, 1, AF_INET),
		      SYSCALL_IF(socket, 1, AF_INET6)),
	SYSCALL_GROUPS_END,
};

struct place {
	struct sockaddr_storage address;
	socklen_t len;
};

static void
find_place(const char *text, struct place *p)
{
	struct sockaddr_un *path = (struct sockaddr_un *)&p->address;

	*p = (struct place){.len = sizeof(*path)};
	if (text[0] == '/') {
		path->sun_family = AF_UNIX;
		if (span_copy(span_of(text), path->sun_path, sizeof(path->sun_path)) == 0)
			return;
	} else if (value_listen(span_of(text), &p->address, &p->len) == 0) {
		return;
	}
	fatal(EXIT_CONFIGURATION, 0, "%s: no address of Dovecot", text);
}

/* wherever it is asked for: there is one address */
static int
the_place(const void *owner, struct span what, struct sockaddr_storage *to, socklen_t *len)
{
	const struct place *p = owner;

	(void)what;
	*to = p->address;
	*len = p->len;
	return 0;
}

int
outside_start(const struct start *s, const char *address)
{
	static struct place place;
	struct start own = *s;

	find_place(address, &place);
	own.network_out = place.address.ss_family != AF_UNIX;
	/* a path is not to be seen from there */
	if (!own.network_out)
		own.room[0] = '\0';
	return connector_start(
		&(struct connector){.own = &own,
				    .syscalls = own.network_out ? tcp_syscalls : unix_syscalls,
				    .rule = the_place,
				    .owner = &place});
}

int
outside_connect(int helper, int64_t deadline_ms)
{
	return connector_ask(helper, SPAN("?"), deadline_ms);
}
