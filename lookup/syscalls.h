/*
 * syscalls - what lookup asks of the kernel besides the base of common/system/confine.c
 */
#ifndef LOOKUP_SYSCALLS_H
#define LOOKUP_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group lookup_syscalls[];

#endif
