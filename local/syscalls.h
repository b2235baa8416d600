/*
 * syscalls - what local's parent and its agents ask of the kernel besides the base of common/system/confine.c
 *
 * A filter is inherited and only becomes narrower, so the parent's list holds what its children need on their way; an agent's own
 * list is short.
 */
#ifndef LOCAL_SYSCALLS_H
#define LOCAL_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group local_syscalls[];
extern const struct syscall_group agent_syscalls[];

#endif
