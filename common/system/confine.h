/*
 * confine - the last thing before a program serves
 *
 * Order: uid and groups, chroot into the room, rlimits, non-dumpable, no_new_privs, Landlock, seccomp.  Seccomp
 * is required, and as root uid and chroot are too; what the running kernel does not know of Landlock is left out and said in
 * the event `confined`.
 */
#ifndef COMMON_SYSTEM_CONFINE_H
#define COMMON_SYSTEM_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/system/start.h"

/* one system call, perhaps only with certain bits in one argument */
struct syscall_rule {
	int number;   /* SYS_... */
	int argument; /* 1 to 6: only when this argument's bits of `mask` are `value`; 0: always */
	uint64_t mask;
	uint64_t value;
};

#define SYSCALL(name) \
	{ \
		SYS_##name, 0, 0, 0 \
	}
/* int arguments: the kernel looks at their low 32 bits alone */
#define SYSCALL_IF(name, argument, value) \
	{ \
		SYS_##name, argument, UINT32_MAX, value \
	}
#define SYSCALL_MASKED(name, argument, mask, value) \
	{ \
		SYS_##name, argument, mask, value \
	}

/* what a program asks of the kernel, and why; a list of these ends with .rules == NULL */
struct syscall_group {
	const char *why;
	const struct syscall_rule *rules;
	size_t count;
};

#define SYSCALL_GROUP(why_, ...) \
	{ \
		.why = (why_), .rules = (const struct syscall_rule[]){__VA_ARGS__}, \
		.count = sizeof((const struct syscall_rule[]){__VA_ARGS__}) / \
			 sizeof(struct syscall_rule) \
	}
#define SYSCALL_GROUPS_END \
	{ \
		NULL, NULL, 0 \
	}

/* for the lists of those that fork children: what confine_child asks for */
#define SYSCALL_GROUP_CHILD \
	SYSCALL_GROUP("a fork, and the child shut off from its siblings", SYSCALL(clone), \
		      SYSCALL(clone3), SYSCALL(wait4), SYSCALL(set_robust_list), SYSCALL(rseq), \
		      SYSCALL(landlock_restrict_self))

/* rlimits; 0 is "none of it" for processes and file size, and "leave as it is" for the others */
struct confine_limits {
	uint64_t descriptors; /* RLIMIT_NOFILE */
	uint64_t memory;      /* RLIMIT_AS, bytes; not set in a sanitized build */
	uint64_t file_size;   /* RLIMIT_FSIZE, bytes */
	bool may_fork;	      /* else RLIMIT_NPROC 0 (not when it stays root) */
};

/*
 * confine - for good; fatal() when what is required fails
 *
 * Every list also gets the base groups of confine.c: memory, clocks, reading, writing and closing what is open, poll,
 * exit, the event to `log`.  The parent's death ends the process (PR_SET_PDEATHSIG).  In a row with `probe` this does not return.
 */
void confine(const struct start *s, const struct syscall_group *groups,
	     const struct confine_limits *limits);

/*
 * confine_private - in place of confine, for a program whose work the kernel cannot bound: no core, nobody traces it, it ends with its parent
 *
 * In a row with `probe` it says why nothing is forbidden to it, and exits.
 */
void confine_private(const struct start *s, const char *why);

/*
 * confine_child - after a fork: the part that is each process's own
 *
 * A Landlock domain of its own, whose rules confine() has made when the process may fork; with it, and non-dumpable as the parent is, siblings
 * can neither trace nor signal one another.
 */
void confine_child(void);

/* confine_user - what a file agent of `local` does once it is the user: `directories` and groups as above, no chroot */
void confine_user(const struct start_directory *directories, size_t count,
		  const struct syscall_group *groups, const struct confine_limits *limits,
		  bool strict);

#endif
