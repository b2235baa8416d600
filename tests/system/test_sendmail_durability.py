"""What sendmail(1) says is taken stays: one fsync a message, 75 on a full disk, and nothing lost or half."""

import collections
import errno
import os
import re
import shutil
import subprocess

import pytest

import mail
import peers
import smtp
from test_durability import SYNCS, Strace

EX_TEMPFAIL = 75
ROOM = 24 << 20
PAGE = 4096


def send(instance, recipient, content, check=0):
    """sendmail as a user; the id when it was taken."""
    done = instance.named("sendmail", "-v", "-i", "-f", "a@client.test", recipient, input=mail.lf(content), check=check,
                          entry=instance.place.users[0])
    return re.search(rb"<<< 250 .*\b([0-9A-F]{13,})\b", done.stderr)[1].decode() if check == 0 else done.stderr


@pytest.mark.needs_root
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
def test_one_fsync_a_message_by_sendmail(culver):
    """By the session of submit, as for the network; sendmail itself writes nothing."""
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        with Strace(culver, SYNCS) as strace:
            for n in range(10):
                send(culver, culver.address if n % 2 else "x@remote.test", mail.small(f"s{n}"))
            culver.wait_event("done", 60, count=10)
        calls = strace.calls()
    accepted = culver.events("accepted")
    assert {e.program for e in accepted} == {"submit"} and len(accepted) == 10
    spool = collections.Counter(pid for pid, _, path in calls if path.startswith(culver.spool))
    assert spool == collections.Counter(e.pid for e in accepted), "one for each, by the session that accepted it"
    assert {call for _, call, path in calls if path.startswith(culver.spool)} == {"fsync"}
    # sync_file_range begins the writing early, and waits for nothing
    rest = [c for c in calls if not c[2].startswith(culver.spool) and c[1] != "sync_file_range"]
    assert len(rest) == 5 and all(call == "fsync" and path.startswith(culver.maildir().path) for _, call, path in rest), rest


def small_spool(instance, *limit):
    """The spool is a file system of its own with little room."""
    os.mkdir(instance.spool, 0o700)
    owner = instance.place.account_of("queue-manager")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700,uid={owner.pw_uid},gid={owner.pw_gid}",
                              "culver-test", instance.spool], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    instance.cleanups.append(lambda: subprocess.run(["umount", "-l", instance.spool], check=True))
    instance.limit += list(limit)
    instance.outbound.append("retry 1s 2s")


@pytest.mark.needs_root
def test_full_disk_is_75_and_nothing_is_lost(culver):
    small_spool(culver, "reserve 2M", "disk-floor 6M")
    port = peers.free_port()
    culver.relay_to(port).start()
    taken = []
    for n in range(ROOM >> 20):
        content = mail.small(f"full{n}", 1 << 20)
        done = culver.named("sendmail", "-v", "-i", "-f", "a@client.test", "x@remote.test", input=mail.lf(content),
                            entry=culver.place.users[0])
        if done.returncode != 0:
            break
        taken.append(f"full{n}")
    assert done.returncode == EX_TEMPFAIL and b"452" in done.stderr, done
    assert 5 < len(taken) < ROOM >> 20
    culver.wait_event("disk-low")
    # not a byte is left, then
    with open(os.path.join(culver.spool, "filler"), "wb", buffering=0) as file, pytest.raises(OSError) as full:
        while file.write(b"\0" * 65536):
            pass
    assert full.value.errno == errno.ENOSPC
    send(culver, "x@remote.test", mail.small("none"), check=EX_TEMPFAIL)
    assert len(culver.queue_files()) == len(taken)
    with smtp.Sink(port=port) as sink:
        since = culver.mark()
        os.unlink(os.path.join(culver.spool, "filler"))
        culver.wait_event("disk-back", 60, since=since)
        send(culver, "x@remote.test", mail.small("after"))
        culver.wait_event("done", 60, count=len(taken) + 1)
        assert collections.Counter(mail.tag_of(m.content) for m in sink.messages) == collections.Counter([*taken, "after"])
    culver.expect_empty_spool()


@pytest.mark.needs_root
@pytest.mark.parametrize("size", [ROOM, 2 * ROOM])
def test_a_letter_that_fills_the_disk_leaves_nothing_half(culver, size):
    """There was room when it began: its end is told as 75, its file goes, the next one is taken."""
    small_spool(culver, "reserve 1M", "disk-floor 1M", "message-size 100M")
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        send(culver, "x@remote.test", mail.small("much", size), check=EX_TEMPFAIL)
        culver.expect_empty_spool()
        assert not culver.events("queued")
        # a disk that only this letter has filled
        send(culver, "x@remote.test", mail.small("next"))
        culver.wait_event("done")
        assert [mail.tag_of(m.content) for m in sink.messages] == ["next"]
        assert not culver.events("session-died") and not culver.events("restarting")


@pytest.mark.needs_root
def test_the_last_page_decides(culver):
    """Page by page over the edge, where the content fits and its journal may not: taken and delivered, or 75 and nothing."""
    small_spool(culver, "reserve 1M", "disk-floor 1M", "message-size 100M")
    taken = []
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        free = os.statvfs(culver.spool)
        for pages in range(-2, 6):
            content = mail.small(f"page{pages}", free.f_bavail * free.f_frsize - pages * PAGE)
            done = culver.named("sendmail", "-v", "-i", "-f", "a@client.test", "x@remote.test", input=mail.lf(content),
                                entry=culver.place.users[0])
            assert done.returncode in (0, EX_TEMPFAIL), done
            if done.returncode == 0:
                taken.append(f"page{pages}")
                culver.wait_event("done", count=len(taken))
            culver.expect_empty_spool()
        assert taken and "page-2" not in taken, "both sides of the edge"
        assert [mail.tag_of(m.content) for m in sink.messages] == taken
        assert not culver.events("session-died") and not culver.events("restarting")
    print(f"taken: {taken}")
