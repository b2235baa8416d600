/*
 * syscalls - what verify and its probes ask of the kernel
 */
#ifndef DELIVERY_VERIFY_SYSCALLS_H
#define DELIVERY_VERIFY_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group verify_syscalls[];

#endif
