"""Letters that appear in a Maildir: when, how many, and which."""

import ctypes
import os
import re
import select
import struct
import threading
import time

ARRIVED = 0x100 | 0x80  # IN_CREATE, IN_MOVED_TO
_libc = ctypes.CDLL(None, use_errno=True)


class LetterCounter:
    """Counts what appears in a folder from now on; read by a thread, since the kernel queues only so many events."""

    def __init__(self, folder):
        self.folder, self.count, self.last = folder, 0, time.monotonic()
        self.changed = threading.Condition()
        self.fd = _libc.inotify_init1(os.O_CLOEXEC)
        if _libc.inotify_add_watch(self.fd, folder.encode(), ARRIVED) < 0:
            raise OSError(ctypes.get_errno(), folder)
        self.stop_reader, self.stop_writer = os.pipe()
        self.thread = threading.Thread(target=self._read, daemon=True)  # a bench that is ended does not wait for letters
        self.thread.start()

    def _read(self):
        while True:
            if self.stop_reader in select.select([self.fd, self.stop_reader], [], [])[0]:
                return
            data, at, count = os.read(self.fd, 1 << 16), 0, 0
            while at < len(data):
                at += 16 + struct.unpack_from("iIII", data, at)[3]
                count += 1
            with self.changed:
                self.count, self.last = self.count + count, time.monotonic()
                self.changed.notify()

    def wait(self, wanted, seconds):
        """When the last of `wanted` letters came (monotonic), or the last of those that came in that time."""
        with self.changed:
            self.changed.wait_for(lambda: self.count >= wanted, seconds)
            last = self.last
        os.write(self.stop_writer, b".")
        self.thread.join()
        for fd in (self.fd, self.stop_reader, self.stop_writer):
            os.close(fd)
        return last

    def take_letters(self, tag):
        """The numbers (X-Bench) of the letters with that tag; all letters are removed."""
        numbers = []
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            with open(path, "rb") as file:
                found = re.search(rb"(?mi)^X-Bench: (\S+) (\d+) ", file.read(8192))
            if found and found[1].decode() == tag:
                numbers.append(int(found[2]))
            os.unlink(path)
        return numbers
