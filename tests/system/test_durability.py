"""What is accepted stays: one fsync, a full disk, kept writers, replay."""

import collections
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import accounts
import mail
import peers
import smtp
import wire

SYNCS = "fsync,fdatasync,sync,syncfs,sync_file_range,msync"


def submit(instance, recipients, content, sender="a@client.test"):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(sender, recipients, content)
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


# ---- one fsync ----

class Strace:
    """strace on everything that runs, and what it forks; its lines at the end."""

    def __init__(self, instance, calls):
        self.path = os.path.join(instance.logs, "strace")
        self.pids = sorted({pid for group in instance.pids().values() for pid in group})
        self.words = ["strace", "-f", "-y", "-e", f"trace={calls}", "-o", self.path]
        for pid in self.pids:
            self.words += ["-p", str(pid)]

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stderr=subprocess.PIPE, text=True)
        attached = set()
        while not attached >= set(self.pids):
            line = self.process.stderr.readline()
            assert line, f"strace ended; attached to {attached} of {self.pids}"
            found = re.search(r"Process (\d+) attached", line)
            if found:
                attached.add(int(found[1]))
        # else the pipe would fill with what is said of every fork
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def calls(self):
        """[(pid, call, path)] of each begun call; a call that was interrupted in the output counts once."""
        found = []
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r"(\d+) +(\w+)\((?:\d+<([^>]*)>)?", line)
                if match:
                    found.append((int(match[1]), match[2], match[3] or ""))
        return found


@pytest.mark.needs_root
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
def test_one_fsync_a_message_in_its_session(culver):
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        with Strace(culver, SYNCS) as strace:
            threads = [threading.Thread(target=send_some, args=(culver, n, problems := [])) for n in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not problems
            culver.wait_event("done", 60, count=50)
        calls = strace.calls()
    accepted = collections.Counter(e.pid for e in culver.events("accepted"))
    spool = collections.Counter(pid for pid, call, path in calls if path.startswith(culver.spool))
    assert spool == accepted, "one fsync for each accepted message, by the session that accepted it"
    assert {call for _, call, path in calls if path.startswith(culver.spool)} == {"fsync"}
    rest = [c for c in calls if not c[2].startswith(culver.spool)]
    maildir = culver.maildir().path
    syncs = [c for c in rest if c[1] != "sync_file_range"]
    assert all(path.startswith(maildir) and call == "fsync" for _, call, path in syncs), syncs
    assert len(syncs) == 25, "one for each letter in a Maildir"


def send_some(instance, number, problems):
    """Ten messages over one connection, five to a mailbox and five to the next hop."""
    try:
        with instance.smtp() as client:
            client.ehlo()
            for n in range(10):
                to = instance.address if n % 2 else "x@remote.test"
                smtp.check(client.message("a@client.test", [to], mail.small(f"f{number}-{n}")), 250)
    except Exception as problem:  # shown by the test itself
        problems.append(problem)


# ---- a full disk ----

@pytest.mark.needs_root
def test_full_disk(culver):
    """452 before the data, nothing lost, and on it goes by itself when there is room again."""
    os.mkdir(culver.spool, 0o700)
    owner = culver.place.account_of("queue-manager")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o",
                              f"size=24m,mode=0700,uid={owner.pw_uid},gid={owner.pw_gid}", "culver-test", culver.spool],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    culver.cleanups.append(lambda: subprocess.run(["umount", "-l", culver.spool], check=True))
    culver.limit += ["reserve 2M", "disk-floor 6M"]
    culver.outbound.append("retry 1s 2s")
    port = peers.free_port()
    culver.relay_to(port).start()
    accepted = []
    refusal = fill_until_refused(culver, accepted)
    assert refusal.code == 452 and refusal.status == "4.3.1", refusal
    assert 5 < len(accepted) < 24
    culver.wait_event("disk-low")
    assert "disk" in culver.command("status", check=0).stdout.lower()
    # now not even the journal has room: retries meet a disk that is really full
    filler = os.path.join(culver.spool, "filler")
    since = culver.mark()
    file = os.open(filler, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while os.write(file, b"\0" * 65536):
            pass
    except OSError as full:
        assert full.errno == errno.ENOSPC
    finally:
        os.close(file)
    culver.wait_event("deferred", since=since, count=len(accepted) + 1)
    with culver.smtp() as client:
        client.ehlo()
        replies = [client.command("MAIL FROM:<a@client.test>")]
        if replies[0].code == 250:
            replies += [client.command("RCPT TO:<x@remote.test>"), client.command("DATA")]
        assert replies[-1].code == 452, replies
    with smtp.Sink(port=port) as sink:
        since = culver.mark()
        os.unlink(filler)
        # deliveries make room: the floor is passed without anybody's hands
        culver.wait_event("disk-back", 60, since=since)
        accepted.append("after")
        submit(culver, ["x@remote.test"], mail.small("after"))
        culver.wait_event("done", 60, count=len(accepted))
        assert collections.Counter(mail.tag_of(m.content) for m in sink.messages) == collections.Counter(accepted)
    culver.expect_empty_spool()
    assert os.path.getsize(os.path.join(culver.spool, "reserve")) == 2 << 20


def fill_until_refused(instance, accepted):
    """Messages of 1 MB until one is refused, which must be before its data; the refusal."""
    with instance.smtp() as client:
        client.ehlo()
        for n in range(100):
            for line in ("MAIL FROM:<a@client.test>", "RCPT TO:<x@remote.test>", "DATA"):
                reply = client.command(line)
                if reply.code not in (250, 354):
                    return reply
            client.send(mail.small(f"full{n}", 1 << 20) + b".\r\n")
            smtp.check(client.reply(), 250)
            accepted.append(f"full{n}")
    raise AssertionError("100 MB on a disk of 24")


# ---- the lease ----

@pytest.mark.parametrize("how", ["kept", "dup", "in flight"])
def test_a_writer_that_is_left_is_found(culver, how):
    culver.start()
    content = b"Subject: later changed\r\n\r\ntext\r\n"
    left, keep = [], []
    with wire.Peer(culver.connect("intake", "smtpd"), wire.INTAKE_ANSWERS) as peer:
        peer.send("INTAKE_OPEN", request=1, size=100)
        name, values, fds = peer.receive()
        assert name == "INTAKE_FILE" and len(fds) == 2
        writer, reader = fds
        os.write(writer, content)
        if how == "kept":
            left.append(writer)
        elif how == "dup":
            left.append(os.dup(writer))
            os.close(writer)
        else:
            keep = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            socket.send_fds(keep[0], [b"x"], [writer])
            os.close(writer)
        ident = f"{values['id']:013X}"
        try:
            peer.send("INTAKE_ENVELOPE", request=1, origin=1, client="127.0.0.1", helo="inner", protocol="ESMTP",
                      sender="a@client.test", length=len(content), checksum=wire.checksum(content), top="")
            peer.send("INTAKE_RECIPIENTS", request=1, recipients=[{"address": culver.address}])
            peer.send("INTAKE_COMMIT", request=1, count=1, early=0)
        except OSError:
            pass  # cut off already
        culver.wait_event("kept-writer", id=ident)
        assert peer.ended(), "whoever keeps a writer is cut off"
        culver.expect_empty_spool()
        assert not culver.events("queued")
        # and what he still writes reaches nobody
        for fd in left:
            os.write(fd, b"more")
            os.close(fd)
        os.close(reader)
        for end in keep:
            end.close()
    submit(culver, [culver.address], mail.small("fine"))
    culver.wait_event("done")
    culver.maildir().one("fine")


# ---- replay ----

def test_replay_after_a_stop(culver):
    """Done recipients stay done, the others are tried again."""
    def answer(verb, argument, _default):
        return b"451 4.2.1 later\r\n" if verb == "RCPT" and "later" in argument and not ready else None

    ready = []
    with smtp.Sink(answer=answer) as sink:
        culver.outbound.append("retry 1h 1h")
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["now@remote.test", "later@remote.test", culver.address], mail.small("replay"))
        culver.wait_event("deferred", id=ident, to="later@remote.test")
        culver.wait_event("delivered", id=ident, to="now@remote.test")
        culver.wait_event("delivered", id=ident, to=culver.address)
        culver.stop()
        ready.append(True)
        since = culver.mark()
        culver.start()
        replayed = culver.wait_event("replayed", since=since)
        assert (replayed["queued"], replayed["unqueued"], replayed["damaged"]) == ("1", "0", "0")
        culver.command("queue", "retry", "all", check=0)
        culver.wait_event("done", id=ident)
        assert sorted(r for m in sink.messages for r in m.recipients) == ["later@remote.test", "now@remote.test"]
        assert len(culver.maildir().letters()) == 1


def test_what_was_never_accepted_goes_at_start(culver):
    culver.start()
    peer = wire.Peer(culver.connect("intake", "smtpd"), wire.INTAKE_ANSWERS)
    peer.send("INTAKE_OPEN", request=1, size=100)
    _, _, fds = peer.receive()
    os.write(fds[0], b"Subject: half\r\n\r\nha")
    assert len(culver.queue_files()) == 1
    since = culver.mark()
    culver.kill(culver.pid("queue-manager"))
    for fd in fds:
        os.close(fd)
    peer.close()
    replayed = culver.wait_event("replayed", since=since)
    assert (replayed["queued"], replayed["unqueued"]) == ("0", "1")
    culver.expect_empty_spool()


def waiting_message(instance, tag):
    """An instance that has stopped with one deferred message; (id, path, port of the next hop)."""
    port = peers.free_port()
    instance.relay_to(port).start()
    ident = submit(instance, ["x@remote.test"], mail.small(tag))
    instance.wait_event("deferred", id=ident)
    instance.stop()
    path, = instance.queue_files()
    return ident, path, port


@pytest.mark.parametrize("tail", [b"0123ABCD delivered 1 ", b"garbage\n", b"\0" * 5000, b"12345678 failed 1 x\n"])
def test_torn_tail_is_cut_off(culver, tail):
    ident, path, port = waiting_message(culver, "torn")
    with open(path, "ab") as file:
        file.write(tail)
    with smtp.Sink(port=port) as sink:
        culver.start()
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["torn"]


def other_boot(instance):
    """SPOOL/running says that the machine was booted since."""
    path = os.path.join(instance.spool, "running")
    with open(path, "rb") as file:
        text = file.read()
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot = file.read().strip()
    assert boot in text, text
    with open(path, "r+b") as file:
        file.write(text.replace(boot, boot[::-1].replace(boot[-1:], b"0")))


def test_damage_after_a_crash_of_the_machine_is_set_aside(culver):
    """After another boot the checksum is looked at: zeros under a `queued` line are not delivered."""
    ident, path, port = waiting_message(culver, "zeros")
    with open(path, "r+b") as file:
        file.seek(200)
        file.write(b"\0" * 512)
    other_boot(culver)
    with smtp.Sink(port=port) as sink:
        since = culver.mark()
        culver.start()
        culver.wait_event("damaged", id=ident, since=since)
        assert os.listdir(os.path.join(culver.spool, "damaged")) == [ident]
        culver.expect_empty_spool()
        other = submit(culver, ["x@remote.test"], mail.small("other"))
        culver.wait_event("done", id=other)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["other"]


def test_good_message_passes_after_another_boot(culver):
    ident, _, port = waiting_message(culver, "sound")
    other_boot(culver)
    with smtp.Sink(port=port) as sink:
        culver.start()
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["sound"]


# ---- a Maildir in trouble ----

@pytest.mark.needs_root
def test_maildir_that_cannot_be_written_defers(culver):
    """Permission trouble is temporary: the letter comes when it is mended."""
    culver.start()
    user = culver.place.users[0]
    path = culver.maildir().path
    os.mkdir(path, 0o000)
    os.chown(path, 0, 0)
    culver.outbound.append("retry 1s 1s")
    ident = submit(culver, [culver.address], mail.small("locked"))
    culver.wait_event("deferred", id=ident, to=culver.address)
    os.chown(path, user.pw_uid, user.pw_gid)
    os.chmod(path, 0o700)
    culver.command("queue", "retry", "all", check=0)
    culver.wait_event("done", id=ident)
    culver.maildir().one("locked")


@pytest.mark.needs_root
def test_letters_belong_to_their_owner(culver):
    culver.start()
    for at, user in enumerate(culver.place.users):
        ident = submit(culver, [f"{user.pw_name}@local.test"], mail.small(f"own{at}"))
        culver.wait_event("done", id=ident)
        box = culver.maildir(at)
        path = os.path.join(box.path, "new", box.names()[0])
        found = os.stat(path)
        assert (found.st_uid, found.st_mode & 0o077) == (user.pw_uid, 0)
        assert box.names("tmp") == []
        # and he can read it
        assert accounts.call_as(user, lambda p=path: open(p, "rb").read()).endswith(mail.lf(mail.small(f"own{at}")))
