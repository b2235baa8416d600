/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "delivery/syscalls.h"

#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group delivery_syscalls[] = {
	SYSCALL_GROUP("TCP to the next hop", SYSCALL_IF(socket, 1, AF_INET),
		      SYSCALL_IF(socket, 1, AF_INET6), SYSCALL(setsockopt), SYSCALL(getsockopt)),
	SYSCALL_GROUP("our address, as reports on TLS name it", SYSCALL(getsockname)),
	SYSCALL_GROUP("the answer of the helper that connects to LMTP sockets",
		      SYSCALL_IF(socketpair, 1, AF_UNIX)),
	SYSCALL_GROUP_CHILD,
	SYSCALL_GROUP("stopping agents", SYSCALL(kill)),
	SYSCALL_GROUPS_END,
};
