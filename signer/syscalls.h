/*
 * syscalls - what signer asks of the kernel besides the base groups
 */
#ifndef SIGNER_SYSCALLS_H
#define SIGNER_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group signer_syscalls[];

#endif
