#!/usr/bin/python3
"""without_ipv6.py COMMAND...: runs it as on a kernel that has no IPv6: socket(AF_INET6) fails with EAFNOSUPPORT.

By a system call filter, which what it starts inherits.  Needs root (or no_new_privs, which the command would inherit as well).
"""

import ctypes
import errno
import os
import socket
import sys

ALLOW, ERRNO, EQUAL = 0x7fff0000, 0x00050000, 4
PR_SET_NO_NEW_PRIVS = 38


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("value", ctypes.c_uint64), ("other", ctypes.c_uint64)]


def filter_ipv6():
    """From here on there is no IPv6."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
    call = seccomp.seccomp_syscall_resolve_name(b"socket")
    first = Comparison(0, EQUAL, socket.AF_INET6, 0)
    for wrong in (seccomp.seccomp_rule_add_array(context, ERRNO | errno.EAFNOSUPPORT, call, 1, ctypes.byref(first)),
                  seccomp.seccomp_load(context)):
        if wrong != 0:
            raise OSError(-wrong, "seccomp")


if os.geteuid() != 0:
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
filter_ipv6()
os.execvp(sys.argv[1], sys.argv[1:])
