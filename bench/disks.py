"""File systems of the bench's own: an image in a file, at a loop device, mounted, and all of it gone afterwards.

The root of a machine may be any file system; fsync costs are compared on one that is known.
"""

import os
import subprocess
import time

MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
BUSY_S = 10
BUSY_TICK_S = 0.2
SIZE = 6 << 30  # of the image, which is sparse


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


class Disk:
    """One mounted image; `path` is where."""

    def __init__(self, kind, folder):
        self.kind, self.image, self.path = kind, os.path.join(folder, f"{kind}.img"), os.path.join(folder, kind)
        self.device = self.mounted = None
        os.makedirs(self.path)
        try:
            with open(self.image, "wb") as file:
                file.truncate(SIZE)
            _run(*MAKE[kind], self.image)
            self.device = _run("losetup", "--find", "--show", self.image)
            _run("mount", self.device, self.path)
            self.mounted = True
            os.chmod(self.path, 0o755)
        except (RuntimeError, OSError):
            self.close()
            raise

    def _unmount(self):
        """The last processes may still be ending, with files open: waited for, and in the end unmounted when they are gone."""
        end = time.monotonic() + BUSY_S
        while time.monotonic() < end:
            try:
                _run("umount", self.path)
                return
            except RuntimeError:
                time.sleep(BUSY_TICK_S)  # nothing tells when a mount is free
        _run("umount", "--lazy", self.path)

    def close(self):
        """Unmounted, detached, removed."""
        if self.mounted:
            self._unmount()
        if self.device:
            _run("losetup", "--detach", self.device)
        self.mounted = self.device = None
        if os.path.exists(self.image):
            os.unlink(self.image)


class Folder:
    """For an ordinary user: whatever the place lies on."""

    kind = "as it is"

    def __init__(self, folder):
        self.path = os.path.join(folder, "disk")
        os.makedirs(self.path)
        os.chmod(self.path, 0o755)

    def close(self):
        """Nothing to do: the folder goes with the place."""
