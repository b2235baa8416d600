/*
 * channel - datagrams and descriptors between our programs (SOCK_SEQPACKET)
 *
 * One datagram is one message: 1 to CHANNEL_MAX bytes and 0 to CHANNEL_FDS_MAX descriptors (SCM_RIGHTS, received close-on-exec).
 * What is longer, truncated, empty, or brings more descriptors than the receiver has room for is CHANNEL_BROKEN, with
 * every descriptor it brought closed: the caller ends that peer.
 */
#ifndef COMMON_SYSTEM_CHANNEL_H
#define COMMON_SYSTEM_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/text/span.h"

#define CHANNEL_MAX 65536
#define CHANNEL_FDS_MAX 4

enum channel_outcome {
	CHANNEL_OK,
	CHANNEL_AGAIN,	/* nothing there / no room, or the deadline has passed */
	CHANNEL_CLOSED, /* the peer is gone */
	CHANNEL_BROKEN, /* the peer is wrong: end it */
};

/* who the kernel says is at the other end (SO_PEERCRED) */
struct channel_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* descriptors that came with a datagram; whoever keeps one sets its place to -1, the rest is closed by channel_close_fds */
struct channel_fds {
	int fd[CHANNEL_FDS_MAX];
	size_t count;
};

/* channel_connect - close-on-exec, non-blocking; -1 and errno.  A full backlog is waited for until the deadline (monotonic ms). */
int channel_connect(const char *path, int64_t deadline_ms) __attribute__((warn_unused_result));
/* channel_accept - close-on-exec, non-blocking; -1 and errno */
int channel_accept(int listener, struct channel_peer *peer) __attribute__((warn_unused_result));
/* every group of the peer (SO_PEERGROUPS): is `gid` among them? */
int channel_peer_in_group(int fd, gid_t gid);

/* channel_send - without waiting: CHANNEL_AGAIN when the peer's buffer is full.  The descriptors stay the caller's. */
enum channel_outcome channel_send(int fd, struct span message, const int *fds, size_t fd_count)
	__attribute__((warn_unused_result));
/* channel_send_wait - as above, but waits for room until the deadline: for sessions and agents only, never for a service */
enum channel_outcome channel_send_wait(int fd, struct span message, const int *fds, size_t fd_count,
				       int64_t deadline_ms) __attribute__((warn_unused_result));
/* channel_receive - without waiting; `into` has CHANNEL_MAX bytes; *len is what came; fds may be NULL: then any descriptor is BROKEN */
enum channel_outcome channel_receive(int fd, char *into, size_t *len, struct channel_fds *fds)
	__attribute__((warn_unused_result));
enum channel_outcome channel_receive_wait(int fd, char *into, size_t *len, struct channel_fds *fds,
					  int64_t deadline_ms) __attribute__((warn_unused_result));

/*
 * channel_block, channel_await - for who asks one thing at a time and waits for the answer
 *
 * channel_await is channel_receive_wait on a descriptor of channel_connect that channel_block was called for: it sleeps in the receive itself, one
 * system call instead of three.  channel_block: -1 and errno.
 */
int channel_block(int fd) __attribute__((warn_unused_result));
enum channel_outcome channel_await(int fd, char *into, size_t *len, struct channel_fds *fds,
				   int64_t deadline_ms) __attribute__((warn_unused_result));
void channel_close_fds(struct channel_fds *fds);

#endif
