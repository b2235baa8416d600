"""Writes files of the spool as the queue-manager does (spool(5)), for queues that are too big to be sent.

    CULVER_BUILD=build python3 tests/system/spool.py SPOOL COUNT [DOMAINS]

fills an existing spool, of a system that is stopped, with COUNT deferred messages for d0.test to d99.test (or DOMAINS of them), due in a day, owned by the
owner of SPOOL/queue.
"""

import ctypes
import os
import re
import sys
import time

import wire

HEADER_SIZE = 40
_PLAIN = re.compile(rb'[\x21\x23-\x5b\x5d-\x7e]+\Z')


def word(text):
    """One word of a journal line (common/text/escape.h)."""
    raw = text.encode() if isinstance(text, str) else text
    if _PLAIN.match(raw):
        return raw
    return b'"' + b"".join(
        b"\\" + bytes([c]) if c in b'"\\' else bytes([c]) if 0x20 <= c <= 0x7e else b"\\x%02x" % c for c in raw) + b'"'


def line(ident, text):
    """A journal line with its check word."""
    wire.checksum(b"")  # loads the library
    value = wire._xxhash.XXH3_64bits_withSeed(text, len(text), ctypes.c_uint64(ident)) & 0xffffffff
    return b"%08X %s\n" % (value, text)


def stamp(seconds):
    """RFC 3339, microseconds, UTC."""
    whole = int(seconds)
    return (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1e6):06d}Z").encode()


def message(ident, sender, recipients, content, arrived):
    """The whole file of an accepted message."""
    lines = [line(ident, b"from network 127.0.0.1 client.test ESMTP %s 7bit" % word(sender)),
             line(ident, b"top " + word("Received: from client.test by mx.culver.test id %013X" % ident))]
    lines += [line(ident, b"to %d %s" % (n, word(r))) for n, r in enumerate(recipients, 1)]
    lines.append(line(ident, b"queued %s %016X %d" % (stamp(arrived), wire.checksum(content), len(recipients))))
    header = b"culver-message 1 %0*d\n" % (HEADER_SIZE - 18, len(content))
    assert len(header) == HEADER_SIZE
    return header + content + b"".join(lines)


def deferred(ident, number, at, after, attempt=1):
    """A line that says: tried, later again."""
    return line(ident, b"deferred %d %s %s %d 127.0.0.1:25 0 4.4.1 %s" % (
        number, stamp(at), stamp(after), attempt, word("connection refused")))


def fill(folder, count, owner, domains=100, wait_s=86400, tried=True):
    """`count` messages, deferred or never tried, into SPOOL/queue (made where missing), owned by (uid, gid); their ids in order."""
    for n in range(256):
        path = os.path.join(folder, "queue", f"{n:02X}")
        if not os.path.isdir(path):
            os.makedirs(path, mode=0o700)
            os.chown(path, *owner)
    os.chown(os.path.join(folder, "queue"), *owner)
    content = b"Subject: many\r\n\r\nshort\r\n"
    now = time.time()
    first = int((now - 3600) * 1e6)
    ids = []
    for n in range(count):
        ident = first + n * 100
        name = f"{ident:013X}"
        data = message(ident, f"sender{n % 1000}@s{n % 50}.test", [f"user{n}@d{n % domains}.test"], content, now - 3600)
        if tried:
            data += deferred(ident, 1, now - 1800, now + wait_s)
        path = os.path.join(folder, "queue", name[-2:], name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        os.fchown(fd, *owner)
        os.close(fd)
        ids.append(name)
    return ids


def main():
    """Called as a program."""
    folder, count = sys.argv[1], int(sys.argv[2])
    owner = os.stat(os.path.join(folder, "queue"))
    fill(folder, count, (owner.st_uid, owner.st_gid), int(sys.argv[3]) if len(sys.argv) > 3 else 100)


if __name__ == "__main__":
    main()
