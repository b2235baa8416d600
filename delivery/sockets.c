/*
 * sockets - see the header; called by main.c and connect.c
 *
 * A question is the path and the end of a socketpair; the answer comes on the other end: the word `ok` with the connection, or
 * the errno as a number.  Agents share the end they ask by, and can read nothing there.  The helper ends with its parent (confine); should it die
 * before, mail for these sockets waits.
 */
#include "delivery/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/number.h"
#include "delivery/credentials.h"

static int helper = -1; /* where it is asked */

static const struct syscall_group helper_syscalls[] = {
	/* socket and connect are of the base groups, and for Unix sockets alone */
	SYSCALL_GROUPS_END,
};

static const struct confine_limits helper_limits = {.descriptors = 32, .memory = 256u << 20};

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

static int
connect_to(const struct sockaddr *address, socklen_t len)
{
	int error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* a backlog that is full is EAGAIN: the server is busy, and mail waits */
	if (connect(fd, address, len) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* ---- the helper ---- */

static void
answer(const struct config *config, struct span path, int to)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[16];
	int fd = -1;

	errno = EACCES;
	if (path.len > 0 && sockets_is_named(config, path) &&
	    span_copy(path, address.sun_path, sizeof(address.sun_path)) == 0)
		fd = connect_to((const struct sockaddr *)&address, sizeof(address));
	int len = snprintf(text, sizeof(text), "%d", errno);
	enum channel_outcome outcome =
		fd >= 0 ? channel_send(to, SPAN("ok"), &fd, 1)
			: channel_send(to, span_from(text, (size_t)len), NULL, 0);
	/* who asked and went has no need of it */
	(void)outcome;
	if (fd >= 0)
		close(fd);
}

static _Noreturn void
serve(const struct config *config, int asked)
{
	static char in[CHANNEL_MAX];

	for (;;) {
		struct channel_fds fds = {.count = 0};
		size_t len = 0;

		switch (channel_receive_wait(asked, in, &len, &fds, INT64_MAX)) {
		case CHANNEL_OK:
			if (fds.count == 1)
				answer(config, span_from(in, len), fds.fd[0]);
			break;
		case CHANNEL_AGAIN:
		case CHANNEL_BROKEN:
			break;
		case CHANNEL_CLOSED:
			events_end();
			_exit(0);
		}
		channel_close_fds(&fds);
	}
}

void
sockets_start(const struct start *s, const struct config *config)
{
	struct start own = *s;
	int ends[2];

	if (s->room[0] == '\0' || s->probe || !sockets_is_named(config, SPAN_NONE))
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		fatal(EXIT_OS, errno, "a socket to the helper for LMTP");
	events_flush();
	switch (fork()) {
	case -1:
		fatal(EXIT_OS, errno, "the helper for LMTP");
	case 0:
		close(ends[0]);
		credentials_drop();
		own.room[0] = '\0';
		own.network_out = false;
		confine(&own, helper_syscalls, &helper_limits);
		serve(config, ends[1]);
	default:
		break;
	}
	close(ends[1]);
	helper = ends[0];
}

/* ---- who asks ---- */

static int
await_answer(int from)
{
	static char in[CHANNEL_MAX];
	struct channel_fds fds = {.count = 0};
	uint64_t error;
	size_t len = 0;
	int fd;

	enum channel_outcome outcome =
		channel_receive_wait(from, in, &len, &fds, clock_monotonic_ms() + SOCKETS_WAIT_MS);
	if (outcome == CHANNEL_OK && fds.count == 1) {
		fd = fds.fd[0];
		return fd;
	}
	channel_close_fds(&fds);
	errno = outcome == CHANNEL_AGAIN ? ETIMEDOUT : ECONNABORTED;
	if (outcome == CHANNEL_OK && number_parse(span_from(in, len), 1, 4095, &error) == 0)
		errno = (int)error;
	return -1;
}

int
sockets_connect(const struct hosts_address *host)
{
	const struct sockaddr_un *address = (const struct sockaddr_un *)&host->address;
	int ends[2];
	int fd = -1, error;

	if (helper < 0)
		return connect_to((const struct sockaddr *)address, host->len);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	enum channel_outcome sent = channel_send_wait(helper, span_of(address->sun_path), &ends[1],
						      1, clock_monotonic_ms() + SOCKETS_WAIT_MS);
	error = sent == CHANNEL_AGAIN ? ETIMEDOUT : EPIPE;
	close(ends[1]);
	if (sent == CHANNEL_OK) {
		fd = await_answer(ends[0]);
		error = errno;
	}
	close(ends[0]);
	errno = error;
	return fd;
}
