/*
 * syscalls - what smtpd asks of the kernel, listener and sessions together (a session inherits the filter)
 */
#ifndef SMTPD_SYSCALLS_H
#define SMTPD_SYSCALLS_H

#include "common/system/confine.h"

extern const struct syscall_group smtpd_syscalls[];
extern const struct syscall_group submit_syscalls[]; /* and the drop directory */

#endif
