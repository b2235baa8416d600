/*
 * syscalls - see the header; tests/system runs with a filter that kills what is not here
 */
#include "resolver/syscalls.h"

#include <sys/socket.h>
#include <sys/syscall.h>

const struct syscall_group resolver_syscalls[] = {
	SYSCALL_GROUP("clients of the socket `resolver`", SYSCALL(accept4), SYSCALL(getsockopt),
		      SYSCALL(shutdown)),
	SYSCALL_GROUP("name servers, by UDP from a port of chance, and by TCP",
		      SYSCALL_IF(socket, 1, AF_INET), SYSCALL_IF(socket, 1, AF_INET6),
		      SYSCALL(bind), SYSCALL(setsockopt), SYSCALL(getsockname),
		      SYSCALL(getpeername)),
	SYSCALL_GROUP("the thread of libunbound", SYSCALL(clone), SYSCALL(clone3),
		      SYSCALL(set_robust_list), SYSCALL(rseq)),
	SYSCALL_GROUP("its event loop (libevent): how it is woken, and whether it is set-id",
		      SYSCALL(pipe2), SYSCALL(getgid), SYSCALL(getegid)),
	SYSCALL_GROUPS_END,
};
