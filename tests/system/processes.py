"""What /proc says of running processes: kinship, memory, descriptors, confinement.

Used by culver.py and the tests.  Our own programs are non-dumpable: their descriptors are seen by root only.
"""

import os
import re
import select
import time

NAMESPACE_S = 30


def _status(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="latin-1") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def alive(pid):
    """There, and no zombie."""
    return _status(pid).get("State", "Z")[0] not in "ZX"


def is_stopped(pid):
    """Stopped by a signal."""
    return _status(pid).get("State", "")[:1] in ("T", "t")


def name(pid):
    """The kernel's name of it (at most 15 bytes); "" when it is gone."""
    return _status(pid).get("Name", "")


def parents():
    """{pid: parent} of everything that runs."""
    result = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                    result[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return result


def descendants(pid):
    """All processes below `pid`, itself not."""
    above = parents()
    found, front = [], {pid}
    while front:
        front = {child for child, parent in above.items() if parent in front}
        found += front
    return sorted(found)


def children(pid):
    """The direct ones."""
    return sorted(child for child, parent in parents().items() if parent == pid)


def memory_kb(pid):
    """(peak resident, resident that is its own now), in KB; None when it is gone."""
    status = _status(pid)
    if "VmHWM" not in status:
        return None
    return int(status["VmHWM"].split()[0]), int(status["RssAnon"].split()[0])


def in_memory(pid, secret):
    """Is it in any page that the process can write?"""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not found:
                continue
            begin, end = int(found[1], 16), int(found[2], 16)
            memory.seek(begin)
            try:
                if secret in memory.read(end - begin):
                    return True
            except OSError:
                continue
    return False


def forget_peak(pid):
    """VmHWM counts anew from now on (root only)."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def descriptors(pid):
    """How many are open; None when we may not look or it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return None


def descriptor_targets(pid):
    """What each open descriptor is, for a message when counts differ."""
    result = {}
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                result[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                pass
    except OSError:
        pass
    return result


def confinement(pid):
    """Uid, seccomp mode and no_new_privs as the kernel shows them."""
    status = _status(pid)
    return {
        "uid": int(status["Uid"].split()[0]), "uids": {int(u) for u in status["Uid"].split()},
        "gid": int(status["Gid"].split()[0]), "groups": {int(g) for g in status["Groups"].split()},
        "seccomp": int(status["Seccomp"]), "no_new_privs": int(status["NoNewPrivs"]),
        "filters": int(status.get("Seccomp_filters", "0")),
        "capabilities": int(status["CapEff"], 16),
    }


def room(pid):
    """Its root folder as we see it; None when we may not look."""
    try:
        return os.readlink(f"/proc/{pid}/root")
    except OSError:
        return None


def _namespace(pid):
    """The mount namespace of a process; None when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return None


def namespace_of_its_own(process):
    """The mount namespace of a child (Popen) that begins by unsharing; AssertionError when it ends before that.

    Until then it is in ours, with everything else that runs on this machine: that is never the answer.
    """
    ours = _namespace(os.getpid())
    until = time.monotonic() + NAMESPACE_S
    while (found := _namespace(process.pid)) in (ours, None):
        assert process.poll() is None and time.monotonic() < until, f"process {process.pid} has no mount namespace of its own"
        os.sched_yield()  # the kernel has no event for it
    return found


def in_namespace(namespace):
    """Every process of such a namespace, also those whose parent is gone."""
    assert namespace != _namespace(os.getpid()), "that would be every process of this machine"
    return [pid for pid in parents() if namespace and _namespace(pid) == namespace]


class Watch:
    """A handle on a process that notices its end, whoever its parent is."""

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def wait(self, deadline):
        """True when it has ended within `deadline` seconds."""
        return bool(select.select([self.fd], [], [], deadline)[0])

    def close(self):
        """The handle goes, the process stays."""
        os.close(self.fd)
