"""Mail that is sent while the system is stopped: the drop directory, what may be in it, and what becomes of it."""

import fcntl
import os
import re
import socket
import stat
import subprocess
import time

import pytest

import accounts
import peers
import smtp

LETTER = b"Subject: left\nX-Tag: %s\n\nfirst line\n.leading dot\nlast line\n"


def caller(culver):
    return culver.place.users[0]


def send(culver, *words, letter=None, check=0, entry=None, tag="t", **options):
    letter = LETTER % tag.encode() if letter is None else letter
    return culver.named("sendmail", "-i", *words, input=letter, check=check, entry=entry or caller(culver), **options)


@pytest.fixture
def stopped(culver):
    """A system that has run and was stopped in order: its door for letters is open."""
    culver.replaced["origin"] = "local.test"
    culver.start()
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700
    culver.stop()
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3733
    return culver


def put(culver, name, content, mode=0o640, entry=None):
    """A file as any user could make it there."""
    def make():
        fd = os.open(os.path.join(culver.drop_path, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        os.fchmod(fd, mode)
        os.write(fd, content)
        os.close(fd)
    accounts.call_as(entry or caller(culver), make)


def whole(culver, tag, content=None, recipient=None, sender="<me@client.test>"):
    content = content if content is not None else b"Subject: x\r\nX-Tag: %s\r\n\r\nbody\r\n" % tag.encode()
    recipient = recipient or culver.address
    return (f"culver-drop 1\nMAIL FROM:{sender}\nRCPT TO:<{recipient}>\nDATA\n".encode() + content +
            b"end %d\n" % len(content))


def expect_fed(culver, count=1):
    culver.start()
    culver.wait_event("drop-taken", count=count)
    culver.wait_event("done", count=count)


def entries(culver):
    return sorted(os.listdir(culver.drop_path))


def test_a_letter_that_is_left_arrives_like_any_other(stopped):
    culver = stopped
    send(culver, "-FFull Name", culver.user)
    names = entries(culver)
    uid = caller(culver).pw_uid
    assert names == [f"{uid}.0"]
    st = os.stat(os.path.join(culver.drop_path, names[0]))
    assert stat.S_IMODE(st.st_mode) == 0o640 and st.st_uid == uid
    expect_fed(culver)
    letter = culver.maildir().letters()[0]
    header, body = letter.split(b"\n\n", 1)
    assert body == b"first line\n.leading dot\nlast line\n"
    assert f"(uid {uid})".encode() in header and b"with LOCAL id" in header
    assert f'From: "Full Name" <{culver.address}>'.encode() in header
    for field in (b"Date: ", b"Message-ID: <", b"From: "):
        assert len(re.findall(b"^" + field, header, re.M)) == 1, field
    queued = culver.events("queued")[0]
    assert queued["origin"] == "local" and queued["uid"] == str(uid)
    assert entries(culver) == []
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700


def test_many_letters_and_a_large_one(stopped):
    culver = stopped
    text = b"".join(b"%07d " % n + b"x" * 60 + b"\n" for n in range(60000))
    send(culver, culver.address, letter=b"Subject: big\n\n" + text)
    for n in range(20):
        send(culver, culver.address, tag=f"tag{n}")
    expect_fed(culver, 21)
    letters = culver.maildir().letters()
    assert any(letter.endswith(text) for letter in letters)
    assert sum(b"X-Tag: tag" in letter for letter in letters) == 20


def test_envelope_and_dsn_words_are_kept(stopped):
    culver = stopped
    with smtp.Sink(extensions=("DSN", "8BITMIME", "SIZE", "PIPELINING")) as sink:
        culver.relay_to(sink.port)
        send(culver, "-fme@client.test", "-Nnever", "-VId 1", "-Rfull", "-B8BITMIME", "x@remote.test", "y@remote.test")
        expect_fed(culver)
        said = " ".join(text for _, text in sink.commands)
        assert "RET=FULL ENVID=Id+201" in said and "NOTIFY=NEVER" in said
        assert sorted(sink.messages[0].recipients) == ["x@remote.test", "y@remote.test"]


def test_whom_submit_refuses_comes_back(stopped):
    culver = stopped
    send(culver, culver.address, "no-such-user-here@local.test")
    culver.start()
    culver.wait_event("drop-returned")
    culver.wait_event("done", count=2)
    letters = culver.maildir().letters()
    assert len(letters) == 2
    notice = [letter for letter in letters if b"Undelivered" in letter][0]
    assert b"Return-Path: <>" in notice
    assert b"no-such-user-here@local.test" in notice and b"550" in notice and b".leading dot" in notice


def test_more_refused_than_a_session_bears(stopped):
    culver = stopped
    send(culver, *[f"nobody{n}@local.test" for n in range(60)], culver.address)
    culver.start()
    culver.wait_event("drop-taken")
    culver.wait_event("drop-returned", recipients="60")
    assert entries(culver) == []


def test_content_that_is_not_to_be_taken_comes_back_without_it(stopped):
    culver = stopped
    put(culver, "a", whole(culver, "x", content=b"Subject: x\r\n\r\nnul \0 here\r\n", sender=f"<{culver.address}>"))
    culver.start()
    culver.wait_event("drop-returned")
    culver.wait_event("done")
    assert b"nul" not in culver.maildir().letters()[0].split(b"---- the letter")[1]
    assert entries(culver) == []


def test_what_is_no_letter_is_removed_and_its_target_stays(stopped, tmp_path):
    culver = stopped
    other = culver.place.users[-1]
    mine = os.path.join(culver.place.home(other), "mine")

    def prepare_other():
        with open(mine, "wb") as file:
            file.write(whole(culver, "stolen"))
        os.chmod(mine, 0o640)
    accounts.call_as(other, prepare_other)
    culver.cleanups.append(lambda: os.path.exists(mine) and os.unlink(mine))
    put(culver, "half", whole(culver, "half")[:-10])
    put(culver, "no-end", b"Subject: x\n\nhi\n")
    put(culver, "empty", b"")
    put(culver, "wrong-length", whole(culver, "w").replace(b"end ", b"end 9"))
    put(culver, "commands", whole(culver, "c").replace(b"RCPT TO:<", b"VRFY a\nRCPT TO:<"))
    put(culver, "world", whole(culver, "world"), mode=0o644)
    put(culver, "no recipient", b"culver-drop 1\nMAIL FROM:<a@b>\nDATA\nx\r\nend 3\n")
    bad = {"half", "no-end", "empty", "wrong-length", "commands", "world", "no recipient", "link", "fifo", "socket", "folder",
           "hard", "twice", "again"}

    def make():
        folder = culver.drop_path
        os.symlink(mine, os.path.join(folder, "link"))
        os.mkfifo(os.path.join(folder, "fifo"), 0o640)
        s = socket.socket(socket.AF_UNIX)
        try:
            s.bind(os.path.join(folder, "socket"))
        except OSError:
            bad.discard("socket")
        os.mkdir(os.path.join(folder, "folder"))
        try:
            os.link(mine, os.path.join(folder, "hard"))
        except OSError:
            pass  # the kernel protects it itself (fs.protected_hardlinks)
    accounts.call_as(caller(culver), make)
    put(culver, "twice", whole(culver, "twice"))
    accounts.call_as(caller(culver), lambda: os.link(os.path.join(culver.drop_path, "twice"), os.path.join(culver.drop_path, "again")))
    bad = {name for name in bad if os.path.lexists(os.path.join(culver.drop_path, name))}
    put(culver, "good", whole(culver, "good"))
    # of two names of one file one is refused; the other is a letter then
    expect_fed(culver, 2)
    for name in bad - {"again", "twice"}:
        assert culver.events("drop-refused", file=name), name
    assert entries(culver) == []
    assert os.path.exists(mine)
    tags = [re.search(rb"X-Tag: (\w+)", letter)[1] for letter in culver.maildir().letters()]
    assert sorted(tags) == [b"good", b"twice"]


def test_a_file_that_is_still_written_is_waited_for(stopped):
    culver = stopped
    path = os.path.join(culver.drop_path, "growing")
    text = whole(culver, "late")
    put(culver, "growing", text[:60])
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        put(culver, "whole", whole(culver, "early"))
        expect_fed(culver)
        assert entries(culver) == ["growing"]
        os.write(fd, text[60:])
    finally:
        os.close(fd)
    culver.wait_event("drop-taken", count=2, deadline=30)
    culver.wait_event("done", count=2)
    assert len(culver.maildir().letters()) == 2


def test_the_share_of_a_user(stopped):
    culver = stopped
    for n in range(100):
        put(culver, f"{caller(culver).pw_uid}.{n}", whole(culver, f"n{n}"))
    done = send(culver, culver.address, check=75)
    assert b"100 messages of yours" in done.stderr
    put(culver, "one more", whole(culver, "more"))
    culver.start()
    culver.wait_event("drop-refused")
    culver.wait_event("done", count=100)
    assert len(culver.events("drop-refused", reason="is more than one user may leave")) == 1
    assert entries(culver) == []


def test_bytes_of_a_user_are_bounded(stopped):
    culver = stopped
    done = send(culver, culver.address, letter=b"Subject: x\n\n" + (b"y" * 1000 + b"\n") * 110000, check=75)
    assert b"cannot be left" in done.stderr
    assert entries(culver) == []


def test_neither_socket_nor_drop_is_75_at_once(culver):
    culver.write()
    begun = time.monotonic()
    send(culver, culver.address, check=75)
    assert time.monotonic() - begun < 5  # a second, on a machine that does nothing else
    culver.start()
    culver.kill_all()
    # killed: nobody has opened the door, and what is sent is refused
    send(culver, culver.address, check=75)
    assert entries(culver) == []


@pytest.mark.parametrize("words", [("stop",), ("stop", "--after-kill")])
def test_stop_opens_the_door_that_a_killed_master_left_shut(culver, words):
    culver.start()
    # of a system that runs nothing is opened
    assert culver.command("stop", "--after-kill", check=0).stderr == ""
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700
    culver.kill(culver.process.pid)  # master alone: the others end by themselves
    culver.process.wait()
    culver.process = None
    if culver.place.mode == "root":
        culver.command(*words, entry=caller(culver))  # it is not his
        assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700
    done = culver.command(*words, check=0)
    assert "was killed" in done.stderr, done.stderr
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3733
    send(culver, culver.address)
    # once is enough: from now on it is as stopped
    assert culver.command("stop", "--after-kill", check=0).stderr == ""
    assert culver.command("stop").returncode == 69
    expect_fed(culver)
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700


def test_a_start_after_a_kill_needs_no_stop(culver):
    culver.start()
    culver.kill_all()
    culver.start()
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700
    send(culver, culver.address)
    culver.wait_event("done")
    culver.stop()
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3733


def test_a_second_master_does_not_open_the_door(culver):
    culver.start()
    again = culver.command("run")
    assert again.returncode == 78
    assert stat.S_IMODE(os.stat(culver.drop_path).st_mode) == 0o3700


def test_a_start_that_fails_leaves_the_door_open(stopped):
    culver = stopped
    with socket.create_server(("127.0.0.1", culver.port)):
        assert culver.command("run").returncode == 78
    send(culver, culver.address)
    expect_fed(culver)


def test_users_cannot_look_or_meddle(stopped):
    if stopped.place.mode != "root":
        pytest.skip("there is no second user in this mode")
    culver = stopped
    send(culver, culver.address)
    path = os.path.join(culver.drop_path, f"{caller(culver).pw_uid}.0")
    other = culver.place.users[1]

    def attempt(action):
        try:
            accounts.call_as(other, action)
            return None
        except Exception as problem:  # PermissionError comes through as it is, or as text
            return problem
    for action in (lambda: os.listdir(culver.drop_path), lambda: open(path, "rb").close(), lambda: os.unlink(path),
                   lambda: os.rename(path, path + "x"), lambda: os.truncate(path, 0), lambda: os.chmod(culver.drop_path, 0o777)):
        assert attempt(action) is not None
    expect_fed(culver)


# ---- killed at any point ----

def test_a_killed_sendmail_leaves_nothing_half(stopped):
    culver = stopped
    sendmail = os.path.join(culver.place.folder, "names", "sendmail")
    culver.named("newaliases")
    culver.named("sendmail", "-bi")
    whole_letters = 0
    for n in range(12):
        ours = subprocess.Popen([*peers.as_user(caller(culver)), sendmail, "-i", culver.address], stdin=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, env={**culver.environment(), "CULVER_RUNTIME": culver.runtime})
        ours.stdin.write(b"Subject: k\nX-Tag: k%d\n\n" % n + b"z" * 1000 + b"\n" + b"line\n" * (n * 60000))
        ours.stdin.flush()
        if n % 3 == 0:
            ours.stdin.close()
            assert ours.wait(30) == 0
            whole_letters += 1
        else:
            ours.kill()
            ours.wait(30)
            ours.stdin.close()
    culver.start()
    culver.wait_event("drop-taken", count=whole_letters)
    culver.wait_event("done", count=whole_letters)
    assert len(culver.maildir().letters()) == whole_letters
    assert entries(culver) == []


@pytest.mark.parametrize("victim", ["submit", "queue-manager", "all"])
def test_a_kill_while_letters_are_fed_loses_none(stopped, victim):
    culver = stopped
    tags = [f"t{n}" for n in range(40)]
    for n, tag in enumerate(tags):
        put(culver, f"f{n}", whole(culver, tag))
    culver.start()
    for round in range(3):
        culver.wait_event("drop-taken", count=5 * (round + 1))
        if victim == "all":
            culver.kill_all()
            culver.start()
        else:
            culver.kill(*culver.pids().get(victim, ()))
    culver.wait_event("drop-taken", count=30, deadline=60)
    for _ in range(600):
        if not entries(culver):
            break
        time.sleep(0.1)  # no event says that the directory is empty
    assert entries(culver) == []
    deadline = time.monotonic() + 60
    found = set()
    while found != set(tags) and time.monotonic() < deadline:
        found = {re.search(rb"X-Tag: (\w+)", letter)[1].decode() for letter in culver.maildir().letters()}
        time.sleep(0.1)
    assert found == set(tags)
    if victim == "submit":  # who takes and delivers has lived: nothing came twice
        assert len(culver.events("queued")) == 40
        culver.wait_event("done", count=40)
        assert len(culver.maildir().letters()) == 40


def test_a_letter_whose_file_stays_is_taken_once(stopped):
    culver = stopped
    put(culver, "stays", whole(culver, "stays"))
    fd = os.open(os.path.join(culver.drop_path, "stays"), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    culver.start()
    os.chmod(culver.drop_path, 0o500)  # as if it were killed each time before it removes the file
    os.close(fd)
    for count, victim in ((1, "submit"), (2, "queue-manager"), (3, "submit")):
        culver.wait_event("drop-taken", count=count, deadline=30)
        culver.wait_event("done")
        if count == 3:
            os.chmod(culver.drop_path, 0o700)
        culver.kill(*culver.pids()["submit"], *culver.pids()[victim])
    culver.wait_event("drop-taken", count=4, deadline=30)
    culver.wait_event("taken-already", count=3)
    assert len(culver.events("queued")) == 1
    assert len(culver.maildir().letters()) == 1
    for _ in range(600):
        if not entries(culver):
            break
        time.sleep(0.1)  # no event says that the directory is empty
    assert entries(culver) == []
