"""A file system whose server is stopped: FUSE by hand, with this process as the server that says hello and then nothing.

Nothing is installed for it, and it stops at a line of the test's choice.  It is mounted in a namespace of mounts that this process enters for
good, so that nothing of it is left on the machine however the tests end.
"""

import ctypes
import os
import select
import struct

IN_HEADER = struct.Struct("<IIQQIIII")  # fuse_in_header of linux/fuse.h
OUT_HEADER = struct.Struct("<IiQ")
INIT = 26
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
ANSWER_S = 30

_libc = ctypes.CDLL(None, use_errno=True)
_own_namespace = False


def _call(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def enter_namespace():
    """Before what shall see the mounts is started."""
    global _own_namespace  # of the process, as the namespace is
    if _own_namespace:
        return
    _call(_libc.unshare(CLONE_NEWNS), "unshare")
    _call(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    _own_namespace = True


class Hanging:
    """Mounted at `path`, the user's; `taken`: requests are read and never answered, else they are not even read."""

    def __init__(self, path, entry):
        self.path, self.entry = path, entry
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        options = f"fd={self.fd},rootmode=40000,user_id={entry.pw_uid},group_id={entry.pw_gid},allow_other"
        _call(_libc.mount(b"hanging", path.encode(), b"fuse.hanging", 0, options.encode()), f"mount {path}")
        self._hello()

    def next_request(self):
        """Opcode and number of the next; it is in our hands then, and the kernel waits for us whatever comes."""
        ready, _, _ = select.select([self.fd], [], [], ANSWER_S)
        assert ready, "nobody asked the file system for anything"
        _, opcode, unique, *_ = IN_HEADER.unpack_from(os.read(self.fd, 1 << 18))
        return opcode, unique

    def wait_asked(self):
        """Somebody waits for it."""
        ready, _, _ = select.select([self.fd], [], [], ANSWER_S)
        assert ready, "nobody asked the file system for anything"

    def _answer(self, unique, body):
        os.write(self.fd, OUT_HEADER.pack(OUT_HEADER.size + len(body), 0, unique) + body)

    def _hello(self):
        opcode, unique = self.next_request()
        assert opcode == INIT
        self._answer(unique, struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 12, 9, 1 << 16, 1, 1, 0, 0))

    def close(self):
        """The server ends: all who wait for it get an error."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            _libc.umount2(self.path.encode(), MNT_DETACH)
