"""Temporary users of this machine, and doing something as one of them.

Used by culver.py and the tests.  What is made here is removed by remove_all(), which conftest.py calls last,
also after a failure.
"""

import os
import pickle
import pwd
import re
import socket
import subprocess
import sys
import traceback

PREFIX = "cvtest"
_made = []


def is_root():
    """Whether the tests themselves may do everything."""
    return os.geteuid() == 0


def make(label, home):
    """A system user with that home (made too, 0700, his); returns his passwd entry."""
    name = f"{PREFIX}{os.getpid()}{label}"
    subprocess.run(
        ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(home),
         "--shell", "/usr/sbin/nologin", name],
        check=True, capture_output=True)
    _made.append(name)
    entry = pwd.getpwnam(name)
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chown(home, entry.pw_uid, entry.pw_gid)
    return entry


def remove_all():
    """Every user that make() made goes; their homes lie in folders that others remove."""
    while _made:
        name = _made.pop()
        subprocess.run(["userdel", "--force", name], check=False, capture_output=True)


def remove_stale():
    """Users whom a run that was killed has left; their names tell which."""
    for entry in pwd.getpwall() if is_root() else []:
        found = re.fullmatch(PREFIX + r"(\d+)[a-z]", entry.pw_name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            subprocess.run(["userdel", "--force", entry.pw_name], check=False, capture_output=True)


def become(entry):
    """In a child only: this process is that user from now on, for good."""
    os.setgroups([entry.pw_gid])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def call_as(entry, function, *args, groups=()):
    """What function(*args) returns when a process of that user runs it; its exception is raised here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            if is_root() and entry is not None:
                os.setgroups([entry.pw_gid, *groups])
                os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
                os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            try:
                answer = (True, function(*args))
            except Exception as problem:  # whatever it is, the caller shall see it
                traceback.print_exc(file=sys.stderr)
                answer = (False, problem)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(answer, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    good, value = pickle.loads(data)
    if not good:
        raise value
    return value


def connect_as(entry, path, groups=(), timeout=10):
    """A connected SOCK_SEQPACKET socket whose peer credentials (SO_PEERCRED) are that user's."""
    return connect_many_as(1, entry, path, groups, timeout)[0]


def connect_many_as(count, entry, path, groups=(), timeout=10, kind=socket.SOCK_SEQPACKET):
    """Several of them, all of one process.

    The kernel notes who it is at connect(), so a child of that user connects and hands the sockets over.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def connect():
        opened = []
        for _ in range(count):
            opened.append(socket.socket(socket.AF_UNIX, kind))
            opened[-1].settimeout(timeout)
            opened[-1].connect(str(path))
        socket.send_fds(theirs, [b"."], [s.fileno() for s in opened])

    try:
        call_as(entry, connect, groups=groups)
        _, fds, _, _ = socket.recv_fds(ours, 1, count)
    finally:
        ours.close()
        theirs.close()
    connected = [socket.socket(fileno=fd) for fd in fds]
    for s in connected:
        s.settimeout(timeout)
    return connected
