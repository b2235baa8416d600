/*
 * syscalls - see log/syscalls.h
 */
#include "log/syscalls.h"

#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group log_syscalls[] = {
	SYSCALL_GROUP("events and questions come on connections; the kernel says who sends",
		      SYSCALL(accept4), SYSCALL_IF(setsockopt, 3, SO_PASSCRED),
		      SYSCALL_IF(getsockopt, 3, SO_PEERCRED),
		      SYSCALL_IF(getsockopt, 3, SO_PEERGROUPS)),
	SYSCALL_GROUP("the log file after a rotation, the files of the store", SYSCALL(openat),
		      SYSCALL(unlinkat)),
	SYSCALL_GROUP("a child for each question of culver trace", SYSCALL(clone),
		      SYSCALL(set_robust_list), SYSCALL(rseq), SYSCALL(wait4),
		      SYSCALL(close_range)),
	SYSCALL_GROUP("that child confines itself further", SYSCALL(prctl),
		      SYSCALL(landlock_create_ruleset), SYSCALL(landlock_restrict_self)),
	SYSCALL_GROUPS_END,
};
