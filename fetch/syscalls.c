/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "fetch/syscalls.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group fetch_syscalls[] = {
	SYSCALL_GROUP("clients of the socket `fetch`", SYSCALL(accept4), SYSCALL(getsockopt),
		      SYSCALL(shutdown)),
	SYSCALL_GROUP_CHILD,
	SYSCALL_GROUP("a download, its way back, and its end when it is too slow",
		      SYSCALL_IF(socketpair, 1, AF_UNIX), SYSCALL(close_range),
		      SYSCALL_IF(kill, 2, SIGKILL)),
	SYSCALL_GROUP("web servers, by TCP, as libcurl does it", SYSCALL_IF(socket, 1, AF_INET),
		      SYSCALL_IF(socket, 1, AF_INET6), SYSCALL(setsockopt), SYSCALL(getsockname),
		      SYSCALL(getpeername)),
	SYSCALL_GROUP("the policies that are kept, below their directory", SYSCALL(openat),
		      SYSCALL(getdents64), SYSCALL(renameat), SYSCALL(unlinkat), SYSCALL(fsync),
		      SYSCALL(utimensat)),
	SYSCALL_GROUPS_END,
};
