/*
 * outside - see outside.h; called by main.c and dovecot.c
 *
 * A question is a byte and the end of a socketpair; the answer comes on the other end: the word `ok` with the connection, or the errno as
 * a number.  Who asks shares the end with others, and can read nothing there.  The helper ends with auth.
 */
#include "auth/outside.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config/values.h"
#include "common/system/channel.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/number.h"

static const struct syscall_group unix_syscalls[] = {
	/* socket and connect are of the base groups, and for Unix sockets alone */
	SYSCALL_GROUPS_END,
};

static const struct syscall_group tcp_syscalls[] = {
	SYSCALL_GROUP("TCP to Dovecot", SYSCALL_IF(socket, 1, AF_INET),
		      SYSCALL_IF(socket, 1, AF_INET6)),
	SYSCALL_GROUPS_END,
};

static const struct confine_limits limits = {.descriptors = 32, .memory = 256u << 20};

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

static int
connect_to(const struct place *p)
{
	int error;
	int fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&p->address, p->len) == 0 || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* ---- the helper ---- */

static void
answer(const struct place *p, int to)
{
	char text[16];
	int fd = connect_to(p);
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
serve_asked(const struct place *p, int asked)
{
	static char in[CHANNEL_MAX];

	for (;;) {
		struct channel_fds fds = {.count = 0};
		size_t len = 0;

		switch (channel_receive_wait(asked, in, &len, &fds, INT64_MAX)) {
		case CHANNEL_OK:
			if (fds.count == 1)
				answer(p, fds.fd[0]);
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

int
outside_start(const struct start *s, const char *address)
{
	struct start own = *s;
	struct place place;
	int ends[2];

	find_place(address, &place);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		fatal(EXIT_OS, errno, "a socket to the helper for Dovecot");
	events_flush();
	switch (fork()) {
	case -1:
		fatal(EXIT_OS, errno, "the helper for Dovecot");
	case 0:
		close(ends[0]);
		own.room[0] = '\0';
		own.directory_count = 0;
		own.network_out = place.address.ss_family != AF_UNIX;
		confine(&own, own.network_out ? tcp_syscalls : unix_syscalls, &limits);
		serve_asked(&place, ends[1]);
	default:
		break;
	}
	close(ends[1]);
	return ends[0];
}

/* ---- who asks ---- */

static int
await_answer(int from, int64_t deadline_ms)
{
	static char in[CHANNEL_MAX];
	struct channel_fds fds = {.count = 0};
	uint64_t error;
	size_t len = 0;

	enum channel_outcome outcome = channel_receive_wait(from, in, &len, &fds, deadline_ms);
	if (outcome == CHANNEL_OK && fds.count == 1)
		return fds.fd[0];
	channel_close_fds(&fds);
	errno = outcome == CHANNEL_AGAIN ? ETIMEDOUT : ECONNABORTED;
	if (outcome == CHANNEL_OK && number_parse(span_from(in, len), 1, 4095, &error) == 0)
		errno = (int)error;
	return -1;
}

int
outside_connect(int helper, int64_t deadline_ms)
{
	int ends[2];
	int fd = -1, error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	enum channel_outcome sent = channel_send_wait(helper, SPAN("?"), &ends[1], 1, deadline_ms);
	error = sent == CHANNEL_AGAIN ? ETIMEDOUT : EPIPE;
	close(ends[1]);
	if (sent == CHANNEL_OK) {
		fd = await_answer(ends[0], deadline_ms);
		error = errno;
	}
	close(ends[0]);
	errno = error;
	return fd;
}
