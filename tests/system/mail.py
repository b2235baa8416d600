"""Contents to send, Maildirs to look into, and the comparison "byte for byte below the lines put on top"."""

import os
import random

CRLF = b"\r\n"


def headers(tag, sender="sender@client.test", to="someone@local.test"):
    """A few header fields; the tag makes each message findable."""
    return (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {tag}\r\nX-Tag: {tag}\r\n"
            f"Message-ID: <{tag}@client.test>\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n").encode()


def small(tag, size=4096):
    """A message of exactly `size` bytes, 7-bit."""
    start = headers(tag) + CRLF
    return start + filler(size - len(start), tag)


def filler(size, seed):
    """`size` bytes of printable lines that end in CRLF."""
    source = random.Random(str(seed))
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,"
    block = "".join("".join(source.choices(letters, k=76)) + "\r\n" for _ in range(64)).encode()
    data = (block * (size // len(block) + 1))[:size]
    # the cut may have left half a line end
    return data[:-2].rstrip(CRLF).ljust(size - 2, b"x") + CRLF if size >= 2 else b""


def eight_bit(tag):
    """Every byte above 127 and UTF-8; no NUL, no bare CR or LF."""
    every = bytes(b for b in range(1, 256) if b not in (10, 13))
    return (headers(tag) + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße, 鳩, 🕊".encode() + CRLF + every + CRLF)


def dots(tag):
    """Lines of dots only, below the header."""
    return headers(tag) + CRLF + b"".join(b"." * n + CRLF for n in (1, 2, 3, 1, 1, 80, 997, 1, 2))


NO_HEADER_DOTS = b".\r\n..\r\n...\r\n.\r\n"


def below(content, original):
    """What stands on top of `original` in `content`; AssertionError when it does not end so."""
    assert content.endswith(original), difference(content, original)
    return content[:len(content) - len(original)]


def difference(have, wanted):
    """A sentence on where two contents part, counted from the end."""
    n = 0
    while n < min(len(have), len(wanted)) and have[-1 - n] == wanted[-1 - n]:
        n += 1
    return (f"{len(have)} bytes end differently from the {len(wanted)} that were sent: only the last {n} agree; "
            f"before: {have[-n - 60:len(have) - n]!r} instead of {wanted[-n - 60:len(wanted) - n]!r}")


def lf(content):
    """As a Maildir keeps it."""
    return content.replace(CRLF, b"\n")


class Maildir:
    """The letters of one Maildir; read as root or as its owner."""

    def __init__(self, path):
        self.path = str(path)

    def names(self, folder="new"):
        """File names, in no order."""
        try:
            return os.listdir(os.path.join(self.path, folder))
        except FileNotFoundError:
            return []

    def letters(self):
        """Every content in new/ (bytes)."""
        found = []
        for name in self.names():
            with open(os.path.join(self.path, "new", name), "rb") as file:
                found.append(file.read())
        return found

    def by_tag(self, tag):
        """The letters whose X-Tag is that."""
        line = f"\nX-Tag: {tag}\n".encode()
        return [letter for letter in self.letters() if line in letter]

    def one(self, tag):
        """The one letter with that tag; AssertionError if there is none or more."""
        found = self.by_tag(tag)
        assert len(found) == 1, f"{len(found)} letters with X-Tag: {tag} in {self.path}"
        return found[0]

    def clear(self):
        """Every letter goes."""
        for name in self.names():
            os.unlink(os.path.join(self.path, "new", name))


def tag_of(content):
    """The X-Tag of a content, with either line end; None if it has none."""
    at = content.find(b"\nX-Tag: ")
    if at < 0:
        return None
    return content[at + 8:content.index(b"\n", at + 8)].strip().decode()
