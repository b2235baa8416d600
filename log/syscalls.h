/*
 * syscalls - what log asks of the kernel; used by main
 */
#ifndef LOG_SYSCALLS_H
#define LOG_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group log_syscalls[];

#endif
