/*
 * cgroup - the control group (version 2) that this process is in, and the small files of one
 *
 * Called by master, which makes room in one that was delegated to it, and by runner, which gives each command one of its own.
 * Documentation/admin-guide/cgroup-v2.rst of the kernel.
 */
#ifndef COMMON_SYSTEM_CGROUP_H
#define COMMON_SYSTEM_CGROUP_H

#include <stddef.h>

/* below a delegated group: our own processes, since a group that has both processes and limits for groups below it may not be */
#define CGROUP_PROGRAMS "programs"
#define CGROUP_COMMANDS "commands"

/* cgroup_own - the directory of our group, without a slash at the end; -1 and errno (ENOENT: there is no such hierarchy here) */
int cgroup_own(char *path, size_t size) __attribute__((warn_unused_result));
/* cgroup_write - `value` into the file `name` of the group; -1 and errno */
int cgroup_write(int group, const char *name, const char *value)
	__attribute__((warn_unused_result));
/* cgroup_share - groups below this one may have limits of memory and processes, as far as it has those controllers itself */
void cgroup_share(int group);

#endif
