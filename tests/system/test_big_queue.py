"""200,000 queued messages: starting, taking new mail meanwhile, what a turn of the loop costs, and that nothing is gathered in memory.

CULVER_BIG_QUEUE=1000000 makes it a million; spool.py, which writes the files, can be run alone.  The last figures are in docs/performance.md.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import mail
import peers
import processes
import smtp
import spool
from culver import sanitized

COUNT = int(os.environ.get("CULVER_BIG_QUEUE", "200000"))
# One turn that looked at each message would take 300 ms and more; what is less may be the machine's, which is not judged.
TURN_MS = 150
CALLS_PER_MESSAGE = 40  # 32 when this was written: 4 opens, 4 closes, 7 datagrams in, 7 out ...
BYTES_PER_MESSAGE = 250  # resident, with all that the queue-manager has: 208 of them are the message, its recipient and its tables
GATHERED_KB = 8192  # more than that while everything is listed would grow with the queue
LISTING_BYTES = 64 << 20  # address space of the command while it lists everything
ANSWER_S = 600


def state(instance):
    """The queue-manager's own numbers, from `culver status --json`."""
    found = {}
    for line in instance.command("status", "--json", check=0).stdout.splitlines():
        found.update(flatten(json.loads(line)))
    return found


def flatten(value):
    """Every number and text of nested objects, by its innermost key."""
    result = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            result.update(flatten(inner))
        else:
            result[key] = inner
    return result


@pytest.mark.needs_root
def test_200_000_queued_messages(culver):
    port = peers.free_port()
    culver.relay_to(port)
    culver.outbound += ["retry 1d 1d"]  # the queue is at rest
    # once, so that every folder is there with its owner
    culver.start()
    culver.stop()
    owner = os.stat(os.path.join(culver.spool, "queue"))
    spool.fill(culver.spool, COUNT, (owner.st_uid, owner.st_gid))
    since = culver.mark()
    start = time.monotonic()
    culver.start()
    manager = culver.pid("queue-manager")
    # new mail is taken and delivered while the queue is still being read
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", [culver.address], mail.small("meanwhile"))
        smtp.check(reply, 250)
    taken_s = time.monotonic() - start
    culver.wait_event("delivered", 30, since=since, id=culver.accepted_id(reply))
    delivered_s = time.monotonic() - start
    early = not culver.events("replayed", since=since)
    replayed = culver.wait_event("replayed", ANSWER_S, since=since)
    took = time.monotonic() - start
    assert int(replayed["queued"]) in (COUNT, COUNT + 1), replayed
    assert (replayed["unqueued"], replayed["damaged"]) == ("0", "0")
    numbers = state(culver)
    longest = float(numbers["longest_turn_us"]) / 1000
    memory = processes.memory_kb(manager)[0]
    print(f"\n{COUNT} messages replayed in {took:.1f} s, new mail {'meanwhile' if early else 'after'}: 250 after {taken_s:.1f} s, "
          f"delivered after {delivered_s:.1f} s; longest turn {longest:.1f} ms; {memory / COUNT * 1024:.0f} bytes of memory a message")
    assert int(numbers["messages"]) == COUNT
    assert memory * 1024 / COUNT <= BYTES_PER_MESSAGE or COUNT < 100000 or sanitized()

    # what is asked and done now, with all of them there
    calls = None
    if shutil.which("strace"):
        out = os.path.join(culver.logs, "count")
        strace = subprocess.Popen(["strace", "-c", "-f", "-o", out, "-p", str(manager)], stderr=subprocess.PIPE, text=True)
        while "attached" not in strace.stderr.readline():
            assert strace.poll() is None
    mark = culver.mark()
    with culver.smtp() as client:
        client.ehlo()
        for n in range(100):
            smtp.check(client.message("a@client.test", [culver.address], mail.small(f"n{n}")), 250)
    culver.wait_event("done", 60, since=mark, count=100)
    if shutil.which("strace"):
        strace.send_signal(signal.SIGINT)
        strace.wait(30)
        strace.stderr.close()
        with open(out, encoding="ascii") as file:
            table = file.read()
        calls = int(re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)", table, re.M)[1])
        print(f"{calls / 100:.1f} system calls of the queue-manager a message to a mailbox\n{table}")
        assert "fsync" not in table and "fdatasync" not in table
        assert calls / 100 <= CALLS_PER_MESSAGE, table
    state(culver)  # the turns that strace made long do not count
    turns, took_s = {"replay": longest}, {}
    listed = culver.command("queue", "domain=d7.test", "--json", check=0).stdout.splitlines()
    assert len(listed) >= COUNT // 100
    asked = {"list some": [["domain=d7.test"]] * 3, "list all": [[]] * 3, "by reason": [["reason=no such reason"]] * 3,
             "sites": [["sites"]] * 3,
             "hold a site": [["hold", f"site=d{n}.test"] for n in (7, 8, 9)],
             "release a site": [["release", f"site=d{n}.test"] for n in (7, 8, 9)]}
    for what, questions in asked.items():
        best = []
        for words in questions:
            began = time.monotonic()
            done = culver.command("queue", *words, deadline=ANSWER_S)
            assert done.returncode == (1 if what == "by reason" else 0), done.stderr
            took_s[what] = time.monotonic() - began
            best.append(float(state(culver)["longest_turn_us"]) / 1000)
        # the best of three: other programs of this machine, and the disk, are not what is measured
        turns[what] = min(best)
    print(", ".join(f"{what}: {turn:.1f} ms" + (f" (answered in {took_s[what]:.1f} s)" if what in took_s else "")
                    for what, turn in turns.items()))
    grown = processes.memory_kb(manager)[0] - memory
    if not sanitized():
        words = peers.as_user(culver.place.runner) if culver.place.mode == "user" else []
        words += [culver.place.command, "queue", "--json", "-c", culver.config_path]
        subprocess.run(["prlimit", f"--as={LISTING_BYTES}", *words], check=True, stdout=subprocess.DEVNULL, cwd="/",
                       env=culver.environment(), timeout=ANSWER_S)
    print(f"memory grew by {grown} KB meanwhile")
    assert grown <= GATHERED_KB or sanitized()
    assert all(turn <= TURN_MS for turn in turns.values()), turns
