"""Letters to sendmail(1) that are not to be taken, and a sendmail that dies: a clear status, nothing taken, nothing moved (calm.py)."""

import os
import random
import subprocess

import pytest

import calm as calm_module
import mail
import peers
from calm import Calm

EX_DATAERR, EX_NOUSER, EX_USAGE = 65, 67, 64
MEGABYTE = 1 << 20
LETTERS = {
    "a NUL in the header": (b"Subject: a\0b\n\nx\n", EX_DATAERR),
    "a NUL in the text": (b"Subject: x\n\na\0b\n", EX_DATAERR),
    "a CR alone": (b"Subject: x\n\none\rtwo\n", EX_DATAERR),
    # what is read first ends within the name of a field, within its text, and between two
    **{f"a header without end, {n}": (b"X" * n + b": x\n" + b"X-More: and more\n" * 100000, EX_DATAERR) for n in range(5, 13)},
    "a header line without end": (b"Subject: " + b"y" * (5 * MEGABYTE) + b"\n\nx\n", EX_DATAERR),
    "a line without end": (b"Subject: x\n\n" + b"y" * (9 * MEGABYTE), EX_DATAERR),
    "too much": (b"Subject: x\n\n" + b"seventy bytes of text in this line, more or less, which is repeated\n" * 40000, EX_DATAERR),
    "a circle": (b"Received: by here\n" * 200 + b"Subject: x\n\nx\n", EX_DATAERR),
}


def send(instance, *words, letter):
    """sendmail as a user; what it ended with."""
    done = instance.named("sendmail", *words, input=letter, entry=instance.place.users[0])
    assert done.returncode >= 0, f"ended by signal {-done.returncode}"
    return done


@pytest.mark.parametrize("what", LETTERS)
def test_a_letter_that_is_not_to_be_taken(culver, what):
    culver.limit.append("message-size 2M" if what == "too much" else "message-size 20M")
    culver.start()
    letter, status = LETTERS[what]
    send(culver, "-i", culver.address, letter=letter)  # the first one warms up
    calm = Calm(culver)
    done = send(culver, "-i", culver.address, letter=letter)
    assert done.returncode == status and done.stderr, done
    culver.expect_empty_spool()
    assert not culver.events("queued")
    calm.check()


def test_headers_of_random_bytes(culver):
    """-t reads a stranger's header: recipients are found or not, and nobody dies of it."""
    culver.start()
    calm = Calm(culver)
    source = random.Random(6)
    pieces = [b"To: ", b"Cc: ", b"Bcc:", b"Resent-To: ", b"<", b">", b'"', b"(", b")", b",", b";", b":", b"@", b"\\", b"\n", b"\n ", b"\n\t", b"a",
              b"nobody-here@local.test", b"group:", b"=?utf-8?q?", b"\xff", b"\xc3\xa4", b"\r"]
    for _ in range(60):
        letter = b"To:" + b"".join(source.choice(pieces) for _ in range(source.randint(1, 300))) + b"\n\nx\n"
        done = send(culver, "-t", "-i", letter=letter)
        assert done.returncode in (EX_USAGE, EX_DATAERR, EX_NOUSER), (letter, done)
    culver.expect_empty_spool()
    calm.check()


def test_sendmail_that_dies_in_the_middle(culver):
    """Half a letter is no letter, however far it came."""
    culver.start()
    culver.named("sendmail", "-bi")
    calm = Calm(culver)
    for size in (10, 100000, 3 * MEGABYTE):
        ours = subprocess.Popen(
            [*peers.as_user(culver.place.users[0]), os.path.join(culver.place.folder, "names", "sendmail"), "-i", culver.address],
            stdin=subprocess.PIPE, env={**culver.environment(), "CULVER_RUNTIME": culver.runtime})
        ours.stdin.write(mail.lf(mail.small("half", 300)) + b"x\n" * (size // 2))
        ours.stdin.flush()
        if size > MEGABYTE:  # what a pipe cannot hold has been read
            assert calm_module.sessions(culver)
        ours.kill()
        ours.wait()
        ours.stdin.close()
        culver.expect_empty_spool()
    assert not culver.events("queued")
    calm.check()
