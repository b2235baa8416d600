/*
 * syscalls - what delivery asks of the kernel besides the base groups
 */
#ifndef DELIVERY_SYSCALLS_H
#define DELIVERY_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group delivery_syscalls[];

#endif
