/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "delivery/verify/syscalls.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group verify_syscalls[] = {
	SYSCALL_GROUP("clients of the socket `verify`", SYSCALL(accept4), SYSCALL(shutdown)),
	SYSCALL_GROUP("TCP to the next hop", SYSCALL_IF(socket, 1, AF_INET),
		      SYSCALL_IF(socket, 1, AF_INET6), SYSCALL(setsockopt), SYSCALL(getsockopt),
		      SYSCALL(getsockname)),
	SYSCALL_GROUP_CHILD,
	SYSCALL_GROUP("a probe, its way back (the helper for LMTP sockets too), and its end",
		      SYSCALL_IF(socketpair, 1, AF_UNIX), SYSCALL(close_range),
		      SYSCALL_IF(kill, 2, SIGKILL)),
	SYSCALL_GROUP("the database, which is open", SYSCALL(ftruncate), SYSCALL(fdatasync),
		      SYSCALL(clock_nanosleep)),
	SYSCALL_GROUP("sqlite looks for a journal, and finds none in this room", SYSCALL(faccessat),
		      SYSCALL(faccessat2), SYSCALL(geteuid)),
#ifdef SYS_stat
	SYSCALL_GROUP("the same by their old names", SYSCALL(access), SYSCALL(stat),
		      SYSCALL(lstat)),
#endif
	SYSCALL_GROUPS_END,
};
