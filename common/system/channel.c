/*
 * channel - see channel.h; unix(7), SCM_RIGHTS
 */
#include "common/system/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/system/clock.h"

#define BACKLOG_RETRY_MS 10 /* a full backlog of a Unix socket cannot be polled for */
#define GROUPS_MAX 1024
#define SLICE_S 1 /* the longest that channel_await sleeps without a look at its deadline */

union control {
	char room[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	struct cmsghdr align;
};

/* waits until `events` or the deadline; CHANNEL_OK when it is worth trying again */
static enum channel_outcome
wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		if (left <= 0)
			return CHANNEL_AGAIN;
		struct pollfd p = {.fd = fd, .events = events};
		int n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return CHANNEL_OK;
		if (n < 0 && errno != EINTR)
			return CHANNEL_CLOSED;
	}
}

int
channel_connect(const char *path, int64_t deadline_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	/* non-blocking, since a blocking connect waits for a full backlog without any deadline */
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;
		if (error == EINTR)
			continue;
		if (error != EAGAIN || clock_monotonic_ms() >= deadline_ms) {
			close(fd);
			errno = error;
			return -1;
		}
		poll(NULL, 0, BACKLOG_RETRY_MS);
	}
	return fd;
}

int
channel_accept(int listener, struct channel_peer *peer)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	*peer = (struct channel_peer){.uid = who.uid, .gid = who.gid, .pid = who.pid};
	return fd;
}

int
channel_peer_in_group(int fd, gid_t gid)
{
	struct ucred who;
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(who);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.gid == gid)
		return 1;
	len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return 0;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == gid)
			return 1;
	return 0;
}

enum channel_outcome
channel_send(int fd, struct span message, const int *fds, size_t fd_count)
{
	union control control;
	struct iovec part = {.iov_base = (void *)(uintptr_t)message.at, .iov_len = message.len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	if (message.len == 0 || message.len > CHANNEL_MAX || fd_count > CHANNEL_FDS_MAX)
		return CHANNEL_BROKEN;
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	for (;;) {
		if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return CHANNEL_OK;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
			return CHANNEL_AGAIN;
		return errno == EMSGSIZE ? CHANNEL_BROKEN : CHANNEL_CLOSED;
	}
}

enum channel_outcome
channel_send_wait(int fd, struct span message, const int *fds, size_t fd_count, int64_t deadline_ms)
{
	for (;;) {
		enum channel_outcome o = channel_send(fd, message, fds, fd_count);
		if (o != CHANNEL_AGAIN)
			return o;
		o = wait_for(fd, POLLOUT, deadline_ms);
		if (o != CHANNEL_OK)
			return o;
	}
}

/* the descriptors of a datagram into `fds`; those beyond its room are closed: false */
static bool
take_fds(struct msghdr *m, struct channel_fds *fds)
{
	bool fit = true;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (fds != NULL && fds->count < CHANNEL_FDS_MAX) {
				fds->fd[fds->count++] = fd;
			} else {
				close(fd);
				fit = false;
			}
		}
	}
	return fit;
}

static enum channel_outcome
receive(int fd, char *into, size_t *len, struct channel_fds *fds, int flags)
{
	union control control;
	struct iovec part = {.iov_base = into, .iov_len = CHANNEL_MAX};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	struct channel_fds none = {.count = 0};
	if (fds == NULL)
		fds = &none;
	fds->count = 0;
	ssize_t n;
	do
		n = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? CHANNEL_AGAIN : CHANNEL_CLOSED;
	bool fit = take_fds(&m, fds);
	/* an empty datagram cannot be told from the end: both end the peer */
	if (n == 0) {
		channel_close_fds(fds);
		return CHANNEL_CLOSED;
	}
	if (!fit || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    (fds == &none && none.count > 0)) {
		channel_close_fds(fds);
		return CHANNEL_BROKEN;
	}
	*len = (size_t)n;
	return CHANNEL_OK;
}

enum channel_outcome
channel_receive(int fd, char *into, size_t *len, struct channel_fds *fds)
{
	return receive(fd, into, len, fds, MSG_DONTWAIT);
}

enum channel_outcome
channel_receive_wait(int fd, char *into, size_t *len, struct channel_fds *fds, int64_t deadline_ms)
{
	for (;;) {
		enum channel_outcome o = channel_receive(fd, into, len, fds);
		if (o != CHANNEL_AGAIN)
			return o;
		o = wait_for(fd, POLLIN, deadline_ms);
		if (o != CHANNEL_OK)
			return o;
	}
}

int
channel_block(int fd)
{
	const struct timeval slice = {.tv_sec = SLICE_S};

	/* first the time, so that it never blocks without */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice)) != 0)
		return -1;
	return fcntl(fd, F_SETFL, 0); /* O_NONBLOCK is all that channel_connect has set */
}

enum channel_outcome
channel_await(int fd, char *into, size_t *len, struct channel_fds *fds, int64_t deadline_ms)
{
	if (deadline_ms - clock_monotonic_ms() >= SLICE_S * INT64_C(1000)) {
		enum channel_outcome o = receive(fd, into, len, fds, 0);
		if (o != CHANNEL_AGAIN)
			return o;
	}
	/* answers are seldom so late: the rest of the time is measured exactly */
	return channel_receive_wait(fd, into, len, fds, deadline_ms);
}

void
channel_close_fds(struct channel_fds *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->count = 0;
}
