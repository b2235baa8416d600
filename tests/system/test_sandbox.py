"""Each process is confined as the trust map says: seen from the kernel's side (/proc) and by trying (--probe)."""

import os
import subprocess

import pytest

import accounts
import culver as helper
import mail
import processes
import smtp

# who connects where: the rooms hold nothing else (docs/architecture.md has the map with its reasons)
ROOMS = {
    "smtpd": {"intake", "lookup", "signer", "auth", "verify", "log"}, "signer": {"log"}, "auth": {"pam", "log"}, "verify": {"resolver", "fetch", "log"}, "queue-manager": {"lookup", "log"}, "resolver": {"log"}, "fetch": {"resolver", "log"}, "delivery": {"jobs", "resolver", "fetch", "log"},
    "bounce": {"jobs", "intake", "log"}, "log": set(),
}
NO_ROOM = ["lookup", "local", "runner"]
SERVES = {"intake": "queue-manager", "jobs": "queue-manager", "control": "queue-manager", "lookup": "lookup", "resolver": "resolver", "fetch": "fetch", "signer": "signer", "auth": "auth", "pam": "auth-pam", "verify": "verify",
          "log": "log", "trace": "log", "runner": "runner"}


def test_every_process_is_confined(culver):
    """Also sessions and agents, and in a build with sanitizers: the filter is on."""
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        with culver.smtp() as client:
            client.ehlo()
            reply = client.message("a@client.test", [culver.address, "x@remote.test"], mail.small("look"))
            smtp.check(reply, 250)
            culver.wait_event("done", id=culver.accepted_id(reply))
            # the session is here, and the agents that keep their connection
            pids = culver.pids()
            for program in helper.SERVICES:
                for pid in pids[program]:
                    state = processes.confinement(pid)
                    what = f"{program}[{pid}]: {state}"
                    if program == "runner":
                        # what it gave up its users' commands could not have (docs/architecture.md)
                        assert state["seccomp"] == 0 and state["no_new_privs"] == 0, what
                        continue
                    assert state["seccomp"] == 2 and state["no_new_privs"] == 1, what
                    if culver.place.mode == "root" and pid == pids[program][0]:
                        assert state["uids"] == {culver.place.uid_of(program)}, what
                        if program != "local":
                            assert state["capabilities"] == 0 and 0 not in state["groups"], what
                    elif culver.place.mode == "user":
                        assert state["uids"] == {culver.place.runner.pw_uid}, what
            assert len(pids["smtpd"]) == 2
            if culver.place.mode == "root":
                assert processes.confinement(pids["smtpd"][1])["uids"] == {culver.place.uid_of("smtpd")}
                for pid in pids["local"][1:]:
                    state = processes.confinement(pid)
                    assert state["uids"] == {culver.place.users[0].pw_uid} and state["capabilities"] == 0, state


@pytest.mark.needs_root
def test_rooms(culver):
    """The root of a program that has a room is that room, and in it are the sockets of its row and nothing else."""
    culver.start()
    pids = culver.pids()
    for program, sockets in ROOMS.items():
        room = os.path.join(culver.runtime, "rooms", program)
        if culver.place.mode == "root":
            assert processes.room(pids[program][0]) == room
            assert set(os.listdir(room)) == sockets, program
            for name in sockets:
                assert os.path.samefile(os.path.join(room, name), culver.socket_path(name))
            found = os.stat(room)
            assert found.st_uid == 0 and found.st_mode & 0o022 == 0
        else:
            assert processes.room(pids[program][0]) == "/"
    for program in NO_ROOM:
        assert processes.room(pids[program][0]) == "/"


@pytest.mark.needs_root
def test_who_waits_for_whom_has_no_circle(culver):
    """From the rooms as they are: program -> the servers of its sockets."""
    if culver.place.mode != "root":
        pytest.skip("an ordinary user has no rooms")
    culver.start()
    graph = {}
    for program in os.listdir(os.path.join(culver.runtime, "rooms")):
        sockets = os.listdir(os.path.join(culver.runtime, "rooms", program))
        graph[program] = {SERVES[name] for name in sockets} - {program}
    while graph:
        free = [p for p, servers in graph.items() if not servers & graph.keys()]
        assert free, f"a circle: {graph}"
        for program in free:
            del graph[program]


def test_sandbox_shows_every_program(culver):
    culver.start()
    shown = culver.command("sandbox", check=0).stdout
    for program in helper.SERVICES:
        assert program in shown
    assert "seccomp" in shown.lower()
    if culver.place.mode == "user":
        # an ordinary user's programs are kept apart less well, and it says so
        assert "root" in shown.lower() or "uid" in shown.lower()


def test_probe_finds_every_door_shut(culver):
    culver.start()
    pids = culver.pids()
    done = culver.command("sandbox", "--probe")
    assert done.returncode == 0, done.stdout + done.stderr
    for program in helper.SERVICES:
        assert program in done.stdout + done.stderr
    # looking has disturbed nothing
    assert {p: v[0] for p, v in culver.pids().items()} == {p: v[0] for p, v in pids.items()}
    smtp.check(culver.smtp().command("NOOP"), 250)


def test_what_the_readme_says_of_the_probe(culver):
    """The table there is what the kernel answers, where it has all that Landlock can do."""
    if culver.place.mode != "root" or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 12):
        pytest.skip("needs root and a kernel with the scopes of Landlock")
    # with every program that there can be
    culver.write(culver.config_text().replace(f"accounts {culver.accounts_path}", "pam culver"))
    done = culver.command("sandbox", "--probe")
    script = os.path.join(helper.CHECKOUT, "tests/lint/probe.py")
    made = subprocess.run([script, "table"], input=done.stdout + done.stderr, capture_output=True, text=True, check=True).stdout
    with open(os.path.join(helper.CHECKOUT, "README.md"), encoding="utf-8") as file:
        assert made in file.read(), made


@pytest.mark.needs_root
def test_processes_cannot_be_looked_into(culver):
    """Non-dumpable: not even their own uid may trace them or see their descriptors."""
    culver.start()
    for program in helper.SERVICES:
        pid = culver.pid(program)
        account = culver.place.account_of(program)
        if account.pw_uid == 0:
            continue

        def look(pid=pid):
            return os.listdir(f"/proc/{pid}/fd")

        with pytest.raises(PermissionError):
            accounts.call_as(account, look)


def test_as_root_without_the_users_it_does_not_start(place):
    """Exit 78 and a sentence, tried by the helper before it made the users."""
    if place.mode != "root" or place.without_users is None:
        pytest.skip("only in root mode, on a machine that has not had the users")
    assert place.without_users.returncode == 78 and "culver-smtpd" in place.without_users.stderr
