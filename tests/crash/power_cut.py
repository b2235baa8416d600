#!/usr/bin/python3
"""Nothing accepted is lost when the power fails: images of a disk under load, each started from as after a reset.

    power_cut.py [--images 50] [--systems ext4,xfs,btrfs] [--seed N]

Run by `make crash` and `make crash-short` (--images 5); needs root, since it makes loop devices.  Spool and mailbox lie on a file
system of their own.  While 20 sessions bring mail, its image is copied at many moments: every process of Culver stands still (SIGSTOP)
only while it is copied, nothing is frozen, synced or unmounted, and a copy counts only if nothing was written to the device
meanwhile.  What the file system had not written yet is therefore missing in the copy, as after a power cut.

Then each copy is mounted in place of the original (its journal is replayed, or its log), with another boot's name in SPOOL/running, and
Culver is started on it with a next hop that takes everything.  Every message whose 250 was read before the copy began must then be
in the mailbox or at the next hop, byte for byte; nothing that arrives may differ from what was sent.

That the test can fail is shown twice: a file that is written before each copy and not synced must be missing in at least one
of them, and with fsync taken away from Culver (strace's injection) messages must be lost.
"""

import argparse
import ctypes
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import accounts  # noqa: E402
import culver as helper  # noqa: E402
import mail  # noqa: E402
import processes  # noqa: E402
import smtp  # noqa: E402

SYSTEMS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}
IMAGE_BYTES = 384 << 20  # mkfs.xfs asks for 300 MB
IMAGES_A_ROUND = 10  # at most; there are two rounds at least
EARLY = "5s"
SESSIONS = 20
BETWEEN = (1, 60)  # messages accepted between two copies
COPIES_MAX = 100  # attempts, until nothing is written meanwhile
STAND_STILL_S = 20
READY_S = 60
DRAIN_S = 120
UNSYNCED_IMAGES = 2  # with fsync taken away
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
UNSYNCED = "written-and-not-synced"


def run(*words):
    """A command that must succeed; what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}: {done.stderr}{done.stdout}"
    return done.stdout


def have_mounts_of_our_own():
    """So that nobody else's namespace keeps a copy of them: a file system ends with its last mount."""
    clone_newns = 0x20000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newns) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")


class Disk:
    """An image of a file system, mounted; copies of it can be mounted in its place."""

    def __init__(self, system, folder):
        self.system, self.folder = system, folder
        self.image = os.path.join(folder, "image")
        self.at = os.path.join(folder, "disk")
        self.loop = None
        os.mkdir(self.at)

    def make(self):
        """A new, empty one."""
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        run(*SYSTEMS[self.system], self.image)
        self.mount(self.image)
        os.chmod(self.at, 0o755)

    def mount(self, image):
        """As after a reset: the file system finds its journal as it was."""
        if self.system == "btrfs":
            # copies have the same name as the original
            run("btrfs", "device", "scan", "--forget")
        self.loop = run("losetup", "--find", "--show", image).strip()
        run("mount", "-t", self.system, self.loop, self.at)

    def unmount(self):
        """Nothing may be open there."""
        if os.path.ismount(self.at):
            run("umount", self.at)
        if self.loop:
            run("losetup", "--detach", self.loop)
            self.loop = None

    def _writes(self):
        """(writes done, writes under way) of the device."""
        device = os.path.join("/sys/block", os.path.basename(self.loop))
        with open(os.path.join(device, "stat"), encoding="ascii") as file:
            done = int(file.read().split()[4])
        with open(os.path.join(device, "inflight"), encoding="ascii") as file:
            return done, int(file.read().split()[1])

    def copy(self, to):
        """The image as it is at one moment; writers must stand still, the kernel may need some attempts to."""
        for _ in range(COPIES_MAX):
            before = self._writes()
            run("cp", "--sparse=always", self.image, to)
            if before == self._writes() and before[1] == 0:
                return
        raise AssertionError(f"the device is written to without end although its writers stand still: {self._writes()}")


class Load:
    """Sessions that bring numbered messages, without an end, one after another; half to a mailbox, half to the next hop."""

    def __init__(self, instance, round_number):
        self.instance, self.round_number = instance, round_number
        self.lock = threading.Condition()
        self.accepted = set()
        self.begun = 0
        self.ending = False
        self.wrong = None
        self.threads = [threading.Thread(target=self._session, daemon=True) for _ in range(SESSIONS)]
        for thread in self.threads:
            thread.start()

    def wait(self, count):
        """Until that many have their 250; those that have."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.wrong or len(self.accepted) >= count, READY_S), "no message is accepted any more"
            assert not self.wrong, self.wrong
            return set(self.accepted)

    def end(self):
        """The sessions end with their next word."""
        self.ending = True

    def join(self):
        """After the server is gone."""
        for thread in self.threads:
            thread.join(READY_S)
            assert not thread.is_alive(), "a session does not end"

    def _next(self):
        with self.lock:
            self.begun += 1
            return self.begun

    def _session(self):
        try:
            with self.instance.smtp(timeout=READY_S) as client:
                client.ehlo()
                while not self.ending:
                    number = self._next()
                    tag = f"r{self.round_number}-{number}"
                    to = self.instance.address if number % 2 else "x@remote.test"
                    smtp.check(client.message(self.instance.address, [to], content(tag)), 250)
                    with self.lock:
                        self.accepted.add(tag)
                        self.lock.notify_all()
        except (OSError, smtp.Closed, smtp.Unexpected) as trouble:
            with self.lock:
                if not self.ending:
                    self.wrong = repr(trouble)
                    self.lock.notify_all()


def content(tag):
    """1 to 40 KB, the same for the same tag."""
    return mail.small(tag, random.Random(tag).choice([1200, 4000, 12000, 40000]))


class StandStill:
    """Every process of the instance is stopped, and goes on afterwards."""

    def __init__(self, instance):
        self.instance = instance
        self.pids = []

    def __enter__(self):
        until = time.monotonic() + STAND_STILL_S
        while True:
            found = [pid for pid in [self.instance.process.pid, *processes.descendants(self.instance.process.pid)]
                     if processes.alive(pid)]
            new = [pid for pid in found if pid not in self.pids]
            for pid in new:
                os.kill(pid, signal.SIGSTOP)
            self.pids += new
            if not new and all(not processes.alive(pid) or processes.is_stopped(pid) for pid in self.pids):
                return self
            # one that is in the middle of an fsync stops behind it: the kernel has no event for that
            assert time.monotonic() < until, "processes do not stop"
            os.sched_yield()

    def __exit__(self, *_):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


class Numbers:
    """What was seen, for the closing line."""

    def __init__(self):
        self.images = self.promised = self.unpromised = self.damaged = self.vanished = self.lost = 0


class Round:
    """One file system that is made, loaded, copied, and started from again."""

    def __init__(self, place, system, number, dice, sync=True):
        self.place, self.number, self.dice, self.sync = place, number, dice, sync
        self.folder = tempfile.mkdtemp(prefix=f"culver-cut-{os.getpid()}-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.disk = Disk(system, self.folder)

    def close(self):
        """Mounts and files go."""
        self.disk.unmount()
        shutil.rmtree(self.folder)

    def _instance(self, sink):
        """Spool and mailbox are on the disk."""
        instance = helper.Culver(self.place)
        instance.spool = os.path.join(self.disk.at, "spool")
        instance.outbound.append("retry 200ms 1s")
        instance.limit += ["sessions-per-client 100"]
        instance.relay_to(sink.port)
        # every other round a 250 means: in the spool, or durable in the mailbox already
        instance.replaced["early-delivery"] = EARLY if self.number % 2 else "off"
        at = instance.maildir().path
        os.makedirs(at, exist_ok=True)
        inside = os.path.join(self.disk.at, "mailbox")
        os.makedirs(inside, exist_ok=True)
        user = self.place.users[0]
        for path in (at, inside):
            os.chown(path, user.pw_uid, user.pw_gid)
        run("mount", "--bind", inside, at)
        instance.cleanups.append(lambda: run("umount", at))
        return instance

    def copies(self, count):
        """Images of moments under load: [(path, tags whose 250 was there before)]."""
        made = []
        self.disk.make()
        with smtp.Sink(answer=lambda verb, *_: b"451 4.3.0 not now\r\n" if verb == "RCPT" else None) as later:
            instance = self._instance(later)
            try:
                instance.start(before=() if self.sync else ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
                                                            "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:syscall=getpid:retval=0"))
                # the folders of a spool are older than any power cut
                run("sync", "--file-system", self.disk.at)
                load = Load(instance, self.number)
                seen = 0
                for _ in range(count):
                    promised = load.wait(seen + self.dice.randint(*BETWEEN))
                    seen = len(promised)
                    path = os.path.join(self.folder, f"copy-{len(made)}")
                    with StandStill(instance):
                        with open(os.path.join(self.disk.at, UNSYNCED), "w", encoding="ascii") as file:
                            file.write(path)
                        self.disk.copy(path)
                    made.append((path, promised))
                load.end()
                instance.kill_all()
                load.join()
            finally:
                instance.kill_all()
                instance.close()
        self.disk.unmount()
        return made

    def restart(self, path, promised, numbers):
        """One copy, as after a reset; complaints."""
        self.disk.mount(path)
        numbers.images += 1
        numbers.promised += len(promised)
        try:
            with open(os.path.join(self.disk.at, UNSYNCED), encoding="ascii") as file:
                numbers.vanished += file.read() != path
        except FileNotFoundError:
            numbers.vanished += 1
        with smtp.Sink() as sink:
            instance = self._instance(sink)
            try:
                self._another_boot(instance.spool)
                instance.start()
                instance.wait_event("replayed", READY_S)
                drain(instance)
                instance.stop()
                arrived = [m.content for m in sink.messages] + [letter.replace(b"\n", mail.CRLF) for letter in instance.maildir().letters()]
                damaged = glob.glob(os.path.join(instance.spool, "damaged", "*"))
            except BaseException:
                print(f"---- {self.disk.system}: end of the log\n{instance.log.tail()}\n{instance.stderr()[-2000:]}", file=sys.stderr)
                raise
            finally:
                instance.close()
        self.disk.unmount()
        os.unlink(path)
        numbers.damaged += len(damaged)
        return self._compare(arrived, promised, numbers)

    def _another_boot(self, spool):
        path = os.path.join(spool, "running")
        with open(path, encoding="ascii") as file:
            words = file.read().split()
        with open(path, "w", encoding="ascii") as file:
            file.write(" ".join([OTHER_BOOT, *words[1:]]) + "\n")

    def _compare(self, arrived, promised, numbers):
        complaints, tags = [], set()
        for letter in arrived:
            found = re.search(rb"^X-Tag: ([\w-]+)\r$", letter, re.M)
            if not found or not letter.endswith(content(found[1].decode())):
                complaints.append(f"a letter is not what was sent: {letter[:300]!r}")
                continue
            tags.add(found[1].decode())
        lost = promised - tags
        numbers.lost += len(lost)
        numbers.unpromised += len(tags - promised)
        if lost:
            complaints.append(f"{len(lost)} of {len(promised)} accepted messages are lost: {sorted(lost)[:5]}")
        return complaints


def drain(instance):
    """Until the queue is empty."""
    until = time.monotonic() + DRAIN_S
    while True:
        since = instance.mark()
        rows = [json.loads(line) for line in instance.command("status", "--json", check=0).stdout.splitlines()]
        queue = next(row for row in rows if row.get("kind") == "queue")
        if queue["messages"] == 0:
            return
        assert time.monotonic() < until, f"the queue does not empty: {queue}"
        instance.command("queue", "retry", "all")
        try:
            instance.log.wait("done", 1, since=since)
        except helper.eventlog.NoEvent:
            pass


def play(place, system, number, count, numbers, dice, sync=True):
    """A round; complaints."""
    complaints = []
    one = Round(place, system, number, dice, sync)
    try:
        for path, promised in one.copies(count):
            complaints += one.restart(path, promised, numbers)
    finally:
        one.close()
    return complaints


def check(place, system, images, dice):
    """All rounds on one file system; whether it held, with a line that says what was seen."""
    numbers, complaints = Numbers(), []
    left, number = images, 0
    while left > 0:
        count = min(left, IMAGES_A_ROUND, (images + 1) // 2)
        complaints += play(place, system, number, count, numbers, dice)
        left -= count
        number += 1
    without = Numbers()
    play(place, system, number, UNSYNCED_IMAGES, without, dice, sync=False)
    if not numbers.vanished:
        complaints.append("no unsynced file vanished: these copies show nothing")
    if not without.lost:
        complaints.append("without fsync nothing was lost: these copies show nothing")
    print(f"  {system}: {numbers.images} images, {numbers.promised} messages accepted before them, {numbers.lost} lost; {numbers.unpromised} "
          f"more arrived that had no 250 yet; {numbers.damaged} set aside as damaged; an unsynced file was missing in {numbers.vanished} images; "
          f"without fsync {without.lost} of {without.promised} messages were lost")
    for complaint in complaints:
        print(f"  WRONG: {complaint}")
    return not complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=50, help="of each file system")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if not accounts.is_root():
        print("power cut: skipped, it needs root for its loop devices")
        return 0
    if not os.path.exists("/dev/loop-control"):
        print("power cut: skipped, there are no loop devices here")
        return 0
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    have_mounts_of_our_own()
    helper.become_subreaper()
    helper.end_on_signals()
    good = True
    try:
        place = helper.place("root")
        print(f"power cut: {options.images} images of each file system, seed {seed}", flush=True)
        for system in options.systems.split(","):
            if not shutil.which(SYSTEMS[system][0]):
                print(f"  {system}: skipped, there is no {SYSTEMS[system][0]}")
                continue
            good = check(place, system, options.images, random.Random(seed)) and good
    finally:
        helper.close_all()
    print("power cut: nothing accepted was lost" if good else "power cut: FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
