/*
 * connector - see connector.h; called by auth/outside.c and delivery/sockets.c
 */
#include "common/system/connector.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/number.h"

#define ERRNO_MAX 4095

static const struct confine_limits limits = {.descriptors = 32, .memory = 256u << 20};

int
connector_connect(const struct sockaddr *to, socklen_t len)
{
	int error;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* of a Unix socket a backlog that is full is EAGAIN: its server is busy */
	if (connect(fd, to, len) == 0 || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* ---- the helper ---- */

static void
answer(connector_rule *rule, const void *owner, struct span what, int to)
{
	struct sockaddr_storage address = {0};
	socklen_t address_len = 0;
	char text[16];
	int fd = -1;

	if (rule(owner, what, &address, &address_len) == 0)
		fd = connector_connect((const struct sockaddr *)&address, address_len);
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
serve(connector_rule *rule, const void *owner, int asked)
{
	static char in[CHANNEL_MAX];

	for (;;) {
		struct channel_fds fds = {.count = 0};
		size_t len = 0;

		switch (channel_receive_wait(asked, in, &len, &fds, INT64_MAX)) {
		case CHANNEL_OK:
			if (fds.count == 1)
				answer(rule, owner, span_from(in, len), fds.fd[0]);
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
connector_start(const struct connector *c)
{
	struct start own = *c->own;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		fatal(EXIT_OS, errno, "a socket to the helper that connects");
	events_flush();
	switch (fork()) {
	case -1:
		fatal(EXIT_OS, errno, "the helper that connects");
	case 0:
		close(ends[0]);
		if (c->drop != NULL)
			c->drop();
		own.directory_count = 0;
		confine(&own, c->syscalls, &limits);
		serve(c->rule, c->owner, ends[1]);
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
	if (outcome == CHANNEL_OK && number_parse(span_from(in, len), 1, ERRNO_MAX, &error) == 0)
		errno = (int)error;
	return -1;
}

int
connector_ask(int helper, struct span what, int64_t deadline_ms)
{
	int ends[2];
	int fd = -1, error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	enum channel_outcome sent = channel_send_wait(helper, what, &ends[1], 1, deadline_ms);
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
