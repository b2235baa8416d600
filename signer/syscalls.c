/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "signer/syscalls.h"

#include <sys/syscall.h>

const struct syscall_group signer_syscalls[] = {
	SYSCALL_GROUP("clients of the socket `signer`", SYSCALL(accept4), SYSCALL(getsockopt),
		      SYSCALL(shutdown)),
	SYSCALL_GROUPS_END,
};
