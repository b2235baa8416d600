"""Commands of users in control groups of their own (version 2): where they are, that all of one is killed, what bounds it.

The limits of memory and processes need a hierarchy that has those controllers; on a machine where version 1 has them they are left out.
"""

import os
import re
import time

import pytest

import accounts
import processes
from test_local import deliver, put, read, result, script, send

EATER = """#!/usr/bin/python3
import os
held = []
with open(os.environ["HOME"] + "/eater", "a") as log:
    while True:
        if os.fork() == 0:
            held.append(bytearray(os.urandom(1) * (32 << 20)))
            held[-1][::4096] = b"x" * len(held[-1][::4096])
            import time
            time.sleep(1000)
        log.write("32M\\n")
        log.flush()
"""
BOMB = """#!/usr/bin/python3
import os, sys
most = 0
try:
    while True:
        if os.fork() == 0:
            os.setsid()
            import time
            time.sleep(1000)
        most += 1
except OSError as problem:
    open(os.environ["HOME"] + "/bomb", "w").write(f"{most} {problem.errno}")
    sys.exit(0)
"""


def until(holds, deadline=30):
    """Waits for what nobody tells: a file of a command, a group that the kernel empties."""
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)


def hierarchy():
    """Where version 2 is mounted; a skip where it is not, or cannot kill."""
    with open("/proc/mounts", encoding="utf-8") as file:
        found = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    if not found or not accounts.is_root():
        pytest.skip("needs root and a mounted cgroup2")
    return found[0]


class Group:
    """One of ours, with all below it."""

    def __init__(self):
        self.path = os.path.join(hierarchy(), f"culver-test-{os.getpid()}-{time.monotonic_ns()}")
        os.mkdir(self.path)
        if not os.path.exists(os.path.join(self.path, "cgroup.kill")):
            os.rmdir(self.path)
            pytest.skip("the kernel has no cgroup.kill")

    @property
    def name(self):
        """As /proc/PID/cgroup has it."""
        return "/" + os.path.basename(self.path)

    def below(self):
        """Names of the groups in it."""
        return sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir())

    def close(self):
        """Whoever is left in it dies."""
        with open(os.path.join(self.path, "cgroup.kill"), "w", encoding="ascii") as file:
            file.write("1")
        until(lambda: "populated 0" in read(os.path.join(self.path, "cgroup.events")))
        for folder, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(folder)


@pytest.fixture
def group(culver):
    if culver.place.mode != "root":
        pytest.skip("groups are root's to give")
    made = Group()
    culver.cleanups.append(made.close)  # after the instance has stopped
    return made


def in_group(culver, path):
    """What stands there for version 2 in the cgroup file that a command has copied."""
    return re.search(r"^0::(.*)$", read(path), re.M)[1]


def run_in(culver, line, *names):
    """The user's .forward runs this line; the paths of what it will write."""
    paths = [result(culver, name) for name in names]
    put(culver, ".forward", f'"|{line}"\n')
    return paths


def test_each_agents_commands_have_a_group(culver, group):
    culver.general.append(f"command-cgroup {group.path}")
    where, = run_in(culver, "cat /proc/self/cgroup > where; ls -l /proc/self/fd > fds; cat > /dev/null", "where")
    result(culver, "fds")
    culver.start()
    assert culver.wait_event("command-groups")["path"] == group.path
    deliver(culver, [culver.address], "one")
    number = in_group(culver, where)
    assert re.fullmatch(re.escape(group.name) + rf"/{culver.pid('runner')}\.\d+", number)
    assert group.below() == [os.path.basename(number)]
    # the files that put it there are not its own
    assert "cgroup" not in read(os.path.join(os.path.dirname(where), "fds"))
    culver.stop()
    assert group.below() == []


@pytest.mark.parametrize("grouped", [True, False])
def test_what_a_killed_watcher_watched_dies(culver, group, grouped):
    """The process that watches a command is killed: what the command has put into the background is not ours any more, but in the group."""
    culver.general.append(f"command-cgroup {group.path if grouped else 'none'}")
    command = script(culver, "command", "#!/bin/sh\nsetsid sh -c 'echo $$ > daemon; exec sleep 1000' &\nexec sleep 1000\n")
    daemon, = run_in(culver, command, "daemon")
    culver.outbound.append("retry 1h")
    culver.start()
    send(culver, [culver.address], "watched")
    watcher = int(culver.wait_event("runner-started")["pid"])
    until(lambda: os.path.exists(daemon) and read(daemon).endswith("\n"))
    pid = int(read(daemon))
    watch = processes.Watch(pid)
    culver.kill(watcher)
    try:
        culver.wait_event("runner-ended")
        assert watch.wait(30 if grouped else 1) == grouped
        if grouped:
            until(lambda: group.below() == [])
    finally:
        watch.close()
        if not grouped:
            culver.kill(pid)


def test_a_start_removes_what_a_kill_has_left(culver, group):
    culver.general.append(f"command-cgroup {group.path}")
    run_in(culver, "exec sleep 1000", "nothing")
    culver.start()
    send(culver, [culver.address], "left")
    culver.wait_event("runner-started")
    culver.kill_all()
    left = group.below()
    assert len(left) >= 1
    put(culver, ".forward", "/dev/null\n")
    culver.start()
    until(lambda: left[0] not in group.below())


def test_a_delegated_group_is_shared_out(culver, group):
    """What Delegate=yes of systemd leaves to a service: our programs in one group below, commands in others."""
    os.setxattr(group.path, "trusted.delegate", b"1")
    where, = run_in(culver, "cat /proc/self/cgroup > where; cat > /dev/null", "where")
    culver.start(before=["sh", "-c", f'echo 0 > {group.path}/cgroup.procs && exec "$@"', "sh"])
    assert culver.wait_event("command-groups")["path"] == group.path + "/commands"
    for pid in culver.mains().values():
        assert in_group(culver, f"/proc/{pid}/cgroup") == group.name + "/programs"
    deliver(culver, [culver.address], "delegated")
    assert in_group(culver, where).startswith(group.name + "/commands/")
    culver.stop()
    assert os.listdir(os.path.join(group.path, "commands")) and group.below() == ["commands", "programs"]


def test_without_one_nothing_is_made(culver, group):
    """A group that nobody has delegated is left alone."""
    where, = run_in(culver, "cat /proc/self/cgroup > where; cat > /dev/null", "where")
    culver.start(before=["sh", "-c", f'echo 0 > {group.path}/cgroup.procs && exec "$@"', "sh"])
    assert not culver.events("command-groups")
    deliver(culver, [culver.address], "alone")
    assert in_group(culver, where) == group.name and group.below() == []


def test_one_that_is_not_there_is_told(culver, group):
    culver.general.append(f"command-cgroup {group.path}/nowhere")
    where, = run_in(culver, "cat /proc/self/cgroup > where; cat > /dev/null", "where")
    culver.start()
    culver.wait_event("command-groups-unusable")
    deliver(culver, [culver.address], "none")
    assert os.path.exists(where)


@pytest.fixture
def limited(group):
    """A group whose hierarchy bounds memory and processes."""
    with open(os.path.join(os.path.dirname(group.path), "cgroup.controllers"), encoding="ascii") as file:
        missing = {"memory", "pids"} - set(file.read().split())
    if missing:
        pytest.skip(f"this machine's cgroup2 has no {' and no '.join(sorted(missing))}")
    with open(os.path.join(os.path.dirname(group.path), "cgroup.subtree_control"), "w", encoding="ascii") as file:
        file.write("+memory +pids")
    return group


def test_a_fork_bomb_is_bounded_and_its_group_too(culver, limited):
    """The bound of the user's processes is met first; that of the group counts also what changes its uid (a set-uid program)."""
    culver.general.append(f"command-cgroup {limited.path}")
    culver.limit += ["pipe-processes 40"]
    bomb = script(culver, "bomb.py", BOMB)
    said, = run_in(culver, bomb, "bomb")
    culver.start()
    assert culver.wait_event("command-groups")["limits"] == "memory processes"
    deliver(culver, [culver.address], "bomb")
    assert int(read(said).split()[0]) < 40 and read(said).endswith(" 11")
    group = os.path.join(limited.path, limited.below()[0])
    assert read(os.path.join(group, "pids.max")) == "40\n" and read(os.path.join(group, "cgroup.procs")) == ""


def test_a_memory_eater_dies_alone_and_whole(culver, limited):
    """Many processes, each within the limit of one: together they are more than the group may have."""
    culver.general.append(f"command-cgroup {limited.path}")
    culver.limit += ["pipe-memory 128M", "pipe-processes 200"]
    culver.outbound.append("retry 1h")
    eater = script(culver, "eater.py", EATER)
    run_in(culver, eater, "eater")
    culver.start()
    ident = send(culver, [culver.address], "eater")
    seen = culver.wait_event("deferred", id=ident)
    assert "signal 9" in seen["reply"], seen
    group = os.path.join(limited.path, limited.below()[0])
    assert int(re.search(r"oom_kill (\d+)", read(os.path.join(group, "memory.events")))[1]) > 0
    assert read(os.path.join(group, "cgroup.procs")) == ""
