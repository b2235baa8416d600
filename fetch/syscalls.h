/*
 * syscalls - what fetch asks of the kernel besides the base groups
 */
#ifndef FETCH_SYSCALLS_H
#define FETCH_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group fetch_syscalls[];

#endif
