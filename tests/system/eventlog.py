"""The log of a running system as events, and the tests' only way to wait: for one of them.

Used by culver.py.  A line is `TIME PROGRAM[PID] NAME key=value ...` (values as common/text/escape.h spells
them).  Waiting blocks on inotify until the file grows or the deadline has passed; nothing sleeps.
"""

import ctypes
import datetime
import os
import re
import select
import time

IN_MODIFY, IN_CREATE, IN_MOVED_TO = 0x2, 0x100, 0x80
TAIL_LINES = 60

_libc = ctypes.CDLL(None, use_errno=True)
_HEAD = re.compile(r"^(\S+) ([a-z-]+)\[(\d+)\] (\S+)(?: (.*))?$")
_FIELD = re.compile(r'([a-z0-9_-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?: |$)')
_ESCAPE = re.compile(r'\\(x[0-9a-f]{2}|["\\])')


class NoEvent(AssertionError):
    """The awaited event did not come in time."""


def unescape(word):
    """The text behind one word of a log line."""
    if not word.startswith('"'):
        return word
    return _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else m[1], word[1:-1])


class Event:
    """One line: .time (seconds), .program, .pid, .name, and its fields by []."""

    def __init__(self, line, match):
        self.line = line
        self.program, self.pid, self.name = match[2], int(match[3]), match[4]
        self.stamp = match[1]
        self.fields = {m[1]: unescape(m[2]) for m in _FIELD.finditer(match[5] or "")}

    @property
    def time(self):
        """Seconds since the epoch."""
        text = self.stamp.replace("Z", "+00:00")
        return datetime.datetime.fromisoformat(text).timestamp()

    def __getitem__(self, key):
        return self.fields[key]

    def get(self, key, default=None):
        """A field that may be absent."""
        return self.fields.get(key, default)

    def matches(self, fields):
        """Every wanted field is there: equal as text, matched by a pattern, in a set, or true for a function."""
        for key, wanted in fields.items():
            have = self.program if key == "program_" else self.fields.get(key)
            if have is None:
                return False
            if isinstance(wanted, re.Pattern):
                good = wanted.search(have)
            elif isinstance(wanted, (set, frozenset)):
                good = have in wanted
            elif callable(wanted):
                good = wanted(have)
            else:
                good = have == str(wanted)
            if not good:
                return False
        return True

    def __repr__(self):
        return self.line


class EventLog:
    """Follows one log file from its first byte; keeps every event."""

    def __init__(self, path):
        self.path = str(path)
        self.events = []
        self.by_name = {}
        self._file = None
        self._rest = b""
        self._inotify = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        folder = os.path.dirname(self.path).encode()
        if self._inotify < 0 or _libc.inotify_add_watch(self._inotify, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify on the folder of the log")

    def close(self):
        """No more waiting."""
        os.close(self._inotify)
        if self._file:
            self._file.close()

    def read(self):
        """Takes in what has been written by now."""
        if self._file is None:
            if not os.path.exists(self.path):
                return
            self._file = open(self.path, "rb")
        data = self._rest + self._file.read()
        *lines, self._rest = data.split(b"\n")
        for raw in lines:
            line = raw.decode("utf-8", "backslashreplace")
            match = _HEAD.match(line)
            if match:
                event = Event(line, match)
                event.at = len(self.events)
                self.events.append(event)
                self.by_name.setdefault(event.name, []).append(event)

    def mark(self):
        """A place in the log: `since=` it means only what comes later."""
        self.read()
        return len(self.events)

    def find(self, name, since=0, **fields):
        """The events of that name which are there already."""
        self.read()
        return self._matching(name, since, fields)

    def _matching(self, name, since, fields):
        return [e for e in self.by_name.get(name, ()) if e.at >= since and e.matches(fields)]

    def wait(self, name, deadline, since=0, count=1, alive=None, **fields):
        """Waits at most `deadline` seconds for the count-th event of that name and fields, and returns it.

        `alive`, when given, says in a sentence why no event can come any more (or None).
        """
        until = time.monotonic() + deadline
        seen, position = 0, 0
        while True:
            self.read()
            candidates = self.by_name.get(name, ())
            while position < len(candidates):
                event = candidates[position]
                position += 1
                if event.at >= since and event.matches(fields):
                    seen += 1
                    if seen == count:
                        return event
            left = until - time.monotonic()
            gone = alive() if alive else None
            if left <= 0 or gone:
                wanted = " ".join([name] + [f"{k}={v}" for k, v in fields.items()])
                near = "\n".join(e.line for e in candidates[-5:])
                why = gone or f"not within {deadline} s"
                raise NoEvent(f"{why}: event {seen + 1} of {count}: {wanted}\nof that name at last:\n{near}")
            # a second at most, so that a dead system is noticed as soon as `alive` can know it
            if select.select([self._inotify], [], [], min(left, 1.0) if alive else left)[0]:
                try:
                    os.read(self._inotify, 65536)
                except BlockingIOError:
                    pass

    def wait_text(self, pattern, deadline, count=1):
        """Waits until the file holds so many matches, whatever its format; returns all of it."""
        until = time.monotonic() + deadline
        while True:
            text = ""
            if os.path.exists(self.path):
                with open(self.path, encoding="utf-8", errors="backslashreplace") as file:
                    text = file.read()
            if len(re.findall(pattern, text, re.MULTILINE)) >= count:
                return text
            left = until - time.monotonic()
            if left <= 0:
                raise NoEvent(f"not within {deadline} s: {count} of {pattern}, in:\n{text}")
            if select.select([self._inotify], [], [], left)[0]:
                os.read(self._inotify, 65536)

    def tail(self, lines=TAIL_LINES):
        """The end of the log as text, for whoever reads a failure."""
        try:
            with open(self.path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - lines * 400))
                return "\n".join(file.read().decode("utf-8", "backslashreplace").splitlines()[-lines:])
        except OSError as problem:
            return f"(no log: {problem})"

