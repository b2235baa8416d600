/*
 * syscalls - see syscalls.h
 *
 * Measured with `files systemd` in nsswitch.conf.  Sources that ask a daemon (sss, ldap by nslcd, nscd, systemd) do it by a Unix socket,
 * which the base has; one that would speak to the network itself is not served: then it says "trouble", and its mail waits.
 */
#include "lookup/syscalls.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

const struct syscall_group lookup_syscalls[] = {
	SYSCALL_GROUP("clients of the socket `lookup`", SYSCALL(accept4), SYSCALL(getsockopt),
		      SYSCALL(shutdown)),
	SYSCALL_GROUP("tables and the files of NSS, as far as Landlock shows them", SYSCALL(openat),
		      SYSCALL(getdents64), SYSCALL(readlinkat), SYSCALL(faccessat),
		      SYSCALL(faccessat2), SYSCALL(statx), SYSCALL(fstatfs), SYSCALL(fadvise64)),
#ifdef SYS_stat
	SYSCALL_GROUP("the same by their old names", SYSCALL(readlink), SYSCALL(access),
		      SYSCALL(stat), SYSCALL(lstat)),
#endif
	SYSCALL_GROUP("a module of NSS that is loaded late, after nsswitch.conf has changed",
		      SYSCALL_MASKED(mmap, 3, PROT_WRITE | PROT_EXEC, PROT_EXEC),
		      SYSCALL_MASKED(mprotect, 3, PROT_WRITE | PROT_EXEC, PROT_EXEC)),
	SYSCALL_GROUP("daemons that modules of NSS ask over a Unix socket", SYSCALL(setsockopt),
		      SYSCALL(getsockname), SYSCALL(getpeername), SYSCALL(sendmmsg),
		      SYSCALL(timerfd_create), SYSCALL(timerfd_settime), SYSCALL(eventfd2),
		      SYSCALL(epoll_pwait2), SYSCALL(ioctl)),
	SYSCALL_GROUP("who am I, as those modules ask it", SYSCALL(getgid), SYSCALL(getegid),
		      SYSCALL(getresuid), SYSCALL(getresgid), SYSCALL(uname),
		      SYSCALL_IF(prctl, 1, PR_GET_NAME)),
	SYSCALL_GROUP("sqlite: waits a millisecond for a writer; who am I, before it opens",
		      SYSCALL(clock_nanosleep), SYSCALL(geteuid), SYSCALL(getuid)),
	SYSCALL_GROUPS_END,
};
