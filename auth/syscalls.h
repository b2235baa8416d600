/*
 * syscalls - what auth asks of the kernel besides the base groups
 */
#ifndef AUTH_SYSCALLS_H
#define AUTH_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group auth_syscalls[];

#endif
