/*
 * syscalls - what smtpd asks of the kernel beyond what every program does (common/system/confine.c)
 */
#include "smtpd/syscalls.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* what both do */
#define GROUPS \
	SYSCALL_GROUP("taking connections, and ending one so that the last reply arrives", \
		      SYSCALL(accept4), SYSCALL(shutdown)), \
		SYSCALL_GROUP_CHILD, \
		SYSCALL_GROUP("a session stops when its listener is gone", \
			      SYSCALL_IF(prctl, 1, PR_SET_PDEATHSIG)), \
		SYSCALL_GROUP("telling a session to stop, and nothing else to anybody", \
			      SYSCALL_IF(kill, 2, SIGTERM)), \
		SYSCALL_GROUP("how many descriptors there may be; nothing is set", \
			      SYSCALL_IF(prlimit64, 3, 0)), \
		SYSCALL_GROUP("a session closes the connections of all others", \
			      SYSCALL(close_range)), \
		SYSCALL_GROUP("who is at the other end of a local connection", \
			      SYSCALL(getsockopt)), \
		SYSCALL_GROUP("the address that a client came to, for Dovecot", \
			      SYSCALL(getsockname)), \
		SYSCALL_GROUP("the table of clients to the next listener, and which of its " \
			      "sessions live", \
			      SYSCALL(memfd_create), SYSCALL(pidfd_open)), \
		SYSCALL_GROUP("the promise: a message on the disk", SYSCALL(fsync)), \
		SYSCALL_GROUP("an answer that is waited for in the receive itself, for a time", \
			      SYSCALL_IF(setsockopt, 3, SO_RCVTIMEO)),

const struct syscall_group smtpd_syscalls[] = {
	GROUPS SYSCALL_GROUPS_END,
};

const struct syscall_group submit_syscalls[] = {
	GROUPS SYSCALL_GROUP(
		"letters left while the system was stopped: in the one directory of its row",
		SYSCALL(openat), SYSCALL(getdents64), SYSCALL(unlinkat), SYSCALL(flock)),
	SYSCALL_GROUP("a session for each of them", SYSCALL_IF(socketpair, 1, AF_UNIX)),
	SYSCALL_GROUPS_END,
};
