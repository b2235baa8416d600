/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "bounce/syscalls.h"

#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group bounce_syscalls[] = {
	SYSCALL_GROUP_CHILD,
	SYSCALL_GROUP("stopping agents", SYSCALL(kill)),
	SYSCALL_GROUP("a notice is on stable storage before it is reported", SYSCALL(fsync)),
	SYSCALL_GROUP(
		"an answer of the intake that is waited for in the receive itself, for a time",
		SYSCALL_IF(setsockopt, 3, SO_RCVTIMEO)),
	SYSCALL_GROUPS_END,
};
