/*
 * syscalls - what resolver asks of the kernel besides the base groups
 */
#ifndef RESOLVER_SYSCALLS_H
#define RESOLVER_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group resolver_syscalls[];

#endif
