/*
 * syscalls - what queue-manager asks of the kernel besides the base groups
 */
#ifndef QUEUE_MANAGER_SYSCALLS_H
#define QUEUE_MANAGER_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group queue_manager_syscalls[];

#endif
