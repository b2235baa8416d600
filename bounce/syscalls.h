/*
 * syscalls - what bounce asks of the kernel besides the base groups
 */
#ifndef BOUNCE_SYSCALLS_H
#define BOUNCE_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group bounce_syscalls[];

#endif
