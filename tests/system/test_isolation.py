"""Users who cannot hurt one another: what hangs, is full or never ends in the mailbox of one delays nobody else's mail."""

import os

import pytest

import hanging
from test_local import home, put, send
from test_recipients import deliver

pytestmark = pytest.mark.needs_root


@pytest.fixture
def hang(culver):
    """Makes the home of a user one that hangs, and mends it."""
    if culver.place.mode != "root" or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and /dev/fuse")
    hanging.enter_namespace()
    made = []

    def make(number=0):
        made.append(hanging.Hanging(home(culver, number), culver.place.users[number]))
        return made[-1]
    yield make
    for one in made:
        one.close()


def other(culver):
    """The address of the one to whom nothing happens."""
    return f"{culver.place.users[1].pw_name}@local.test"


def test_home_that_hangs_delays_nobody(culver, hang):
    culver.limit.extend(["mailbox-time 8s", "mailbox-concurrency 2", "mailbox-agents 4"])
    culver.outbound.append("retry 2s 8s")
    culver.start()
    user = culver.place.users[0]
    stopped = hang()
    idents = [send(culver, [culver.address], f"hang{n}") for n in range(6)]
    stopped.wait_asked()
    # all that the other gets comes while they hang: nobody has ended them yet
    for n in range(3):
        deliver(culver, [other(culver)], f"calm{n}")
    assert not culver.events("mailbox-hangs")
    seen = culver.wait_event("mailbox-hangs", user=user.pw_name)
    assert seen["after_ms"] == "8000"
    seen = culver.wait_event("deferred", id=idents[0])
    assert "the file system it is on may hang" in seen["reply"] and seen["status"] == "4.2.0"
    culver.wait_event("site-dead", host=user.pw_name)
    # the others of his are told without each one hanging in its turn
    for ident in idents:
        culver.wait_event("deferred", id=ident)
    assert len(culver.events("mailbox-hangs")) <= 4
    # the kernel has ended those who waited
    culver.wait_event("agent-ended", signal="14")
    # mended, it gets all of it, once
    stopped.close()
    for n, ident in enumerate(idents):
        culver.wait_event("done", id=ident)
        assert len(culver.maildir().by_tag(f"hang{n}")) == 1
    culver.wait_event("site-back", host=user.pw_name)


def test_file_system_that_has_taken_the_request(culver, hang):
    """What waits for an answer to what was read cannot be killed: it takes no slot from anybody, and goes with the server."""
    culver.limit.extend(["mailbox-time 1s", "mailbox-agents 2"])
    culver.outbound.append("retry 1h")
    culver.start()
    stopped = hang()
    ident = send(culver, [culver.address], "taken")
    stopped.next_request()
    seen = culver.wait_event("deferred", id=ident)
    assert seen["status"] == "4.2.0"
    for n in range(5):
        deliver(culver, [other(culver)], f"calm{n}")
    assert not culver.events("agent-ended", signal="14")
    stopped.close()
    culver.command("queue", "retry", "all", check=0)
    culver.wait_event("done", id=ident)
    assert len(culver.maildir().by_tag("taken")) == 1


def test_command_in_a_home_that_hangs(culver, hang):
    """Nobody reads a .forward that cannot be read; what an alias runs as him is ended as any command."""
    culver.limit.extend(["mailbox-time 1s", "pipe-time 1s"])
    culver.outbound.append("retry 1h")
    put(culver, ".forward", '"|exit 0"\n')
    culver.start()
    stopped = hang()
    ident = send(culver, [culver.address], "command")
    deliver(culver, [other(culver)], "calm")
    assert "may hang" in culver.wait_event("deferred", id=ident)["reply"]
    stopped.close()
    culver.command("queue", "retry", "all", check=0)
    culver.wait_event("done", id=ident)
