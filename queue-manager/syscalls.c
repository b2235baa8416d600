/*
 * syscalls - see syscalls.h; tests/system runs with a filter that kills what is not here
 */
#include "queue-manager/syscalls.h"

#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group queue_manager_syscalls[] = {
	SYSCALL_GROUP("messages are created, opened, removed, set aside; a torn tail is cut off",
		      SYSCALL(openat), SYSCALL(unlinkat), SYSCALL(renameat), SYSCALL(ftruncate)),
	SYSCALL_GROUP("the folders of the spool: made, and read at start", SYSCALL(mkdirat),
		      SYSCALL(faccessat), SYSCALL(faccessat2), SYSCALL(getdents64)),
	SYSCALL_GROUP("room on the disk, and the ballast", SYSCALL(fstatfs), SYSCALL(fallocate)),
	SYSCALL_GROUP("one queue-manager a spool: a lock, waited for until an alarm",
		      SYSCALL(flock), SYSCALL(setitimer)),
	SYSCALL_GROUP(
		"sessions, agents and administrators come on connections; the kernel says who",
		SYSCALL(accept4), SYSCALL_IF(getsockopt, 3, SO_PEERCRED),
		SYSCALL_IF(getsockopt, 3, SO_PEERGROUPS)),
	SYSCALL_GROUPS_END,
};
