/*
 * syscalls - see syscalls.h
 */
#include "local/syscalls.h"

#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define GROUP_LETTERS \
	SYSCALL_GROUP("letters and their folders", SYSCALL(openat), SYSCALL(mkdirat), \
		      SYSCALL(renameat), SYSCALL(renameat2), SYSCALL(unlinkat), SYSCALL(fsync), \
		      SYSCALL(sync_file_range))
#define GROUP_HANG SYSCALL_GROUP("an agent that hangs: its end", SYSCALL(setitimer))
#define GROUP_LINES \
	SYSCALL_GROUP( \
		"files of letters: cut off again; commands: a pipe to runner; quota: counting", \
		SYSCALL(ftruncate), SYSCALL(pipe2), SYSCALL(getdents64))

const struct syscall_group local_syscalls[] = {
	SYSCALL_GROUP_CHILD,
	SYSCALL_GROUP("telling agents to end", SYSCALL(kill)),
	SYSCALL_GROUP("NSS: users, and the groups of a recipient", SYSCALL(getdents64),
		      SYSCALL(readlinkat), SYSCALL(faccessat), SYSCALL(faccessat2), SYSCALL(statx),
		      SYSCALL(fstatfs), SYSCALL(fadvise64), SYSCALL(getsockopt),
		      SYSCALL(setsockopt), SYSCALL(getsockname), SYSCALL(getpeername),
		      SYSCALL(shutdown), SYSCALL(sendmmsg), SYSCALL(timerfd_create),
		      SYSCALL(timerfd_settime), SYSCALL(eventfd2), SYSCALL(epoll_pwait2),
		      SYSCALL(ioctl), SYSCALL(getgid), SYSCALL(getegid), SYSCALL(uname),
		      SYSCALL_IF(prctl, 1, PR_GET_NAME)),
#ifdef SYS_stat
	SYSCALL_GROUP("the same by their old names", SYSCALL(readlink), SYSCALL(access),
		      SYSCALL(stat), SYSCALL(lstat)),
#endif
	SYSCALL_GROUP("child: becomes the recipient, and tries to come back", SYSCALL(setgroups),
		      SYSCALL(getgroups), SYSCALL(setresgid), SYSCALL(setresuid),
		      SYSCALL(getresuid), SYSCALL(getresgid), SYSCALL(capset), SYSCALL(capget),
		      SYSCALL_IF(prctl, 1, PR_SET_PDEATHSIG), SYSCALL(chdir), SYSCALL(getcwd),
		      SYSCALL(umask)),
	SYSCALL_GROUP("child: confines itself", SYSCALL(seccomp), SYSCALL(landlock_create_ruleset),
		      SYSCALL(landlock_add_rule), SYSCALL(prlimit64),
		      SYSCALL_IF(prctl, 1, PR_SET_DUMPABLE),
		      SYSCALL_IF(prctl, 1, PR_SET_NO_NEW_PRIVS),
		      SYSCALL_IF(prctl, 1, PR_SET_SECCOMP), SYSCALL_IF(prctl, 1, PR_GET_SECCOMP)),
	GROUP_LETTERS,
	GROUP_LINES,
	GROUP_HANG,
	SYSCALL_GROUPS_END,
};

const struct syscall_group agent_syscalls[] = {
	GROUP_LETTERS,
	GROUP_LINES,
	GROUP_HANG,
	SYSCALL_GROUPS_END,
};
