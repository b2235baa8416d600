/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "auth/syscalls.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group auth_syscalls[] = {
	SYSCALL_GROUP("clients of the socket `auth`", SYSCALL(accept4), SYSCALL(getsockopt),
		      SYSCALL(shutdown)),
	SYSCALL_GROUP_CHILD,
	SYSCALL_GROUP("a check, its way back, and its end when it is too slow",
		      SYSCALL_IF(socketpair, 1, AF_UNIX), SYSCALL(close_range),
		      SYSCALL_IF(kill, 2, SIGKILL)),
	SYSCALL_GROUP("the accounts: the one file below the directory", SYSCALL(openat)),
	SYSCALL_GROUP("sqlite waits for whoever changes an account", SYSCALL(clock_nanosleep)),
	SYSCALL_GROUPS_END,
};
