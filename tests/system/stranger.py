"""A whole mail system of somebody else, run privately: what Postfix, Exim and OpenSMTPD have in common.

Each insists on root, on users of fixed names and on paths that are compiled in.  So it runs in a mount namespace of its own,
in which /etc is one of its own that has those users, and the paths lead into its folder; nothing of the machine is touched,
and the namespace ends with its last process.  Everything it takes goes on to one port of 127.0.0.1, `next_hop`.
"""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import peers
import processes

STOP_S = 20
DRAIN_S = 30
SAID_MAX = 20000
ETC = ["passwd", "group", "nsswitch.conf", "hosts", "resolv.conf", "services", "protocols", "host.conf", "localtime", "ld.so.cache"]
FIRST_UID = 61000  # of the users that exist in the namespace alone


class Stranger:
    """One instance.  `replies`: {local part: what RCPT is answered}, a code, an enhanced status and a text each.
    `pair`: certificate and key (paths) for STARTTLS; None: it has none."""

    name = None
    users = ()  # that it looks for by name, each with a group of that name
    queues = ()  # folders of its own below which a message is a file

    def __init__(self, next_hop, replies=None, pair=None):
        if os.geteuid() != 0:
            raise peers.Unavailable(f"{self.name} is started by root")
        if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
            raise peers.Unavailable(f"{self.name} needs a mount namespace, and there is none to be had here")
        self.root = self.unpacked()
        self.next_hop, self.replies, self.pair = next_hop, dict(replies or {}), pair
        self.port = peers.free_port()
        self.folder = tempfile.mkdtemp(prefix=f"culver-{self.name}-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.process = self.namespace = None
        self._own_etc()
        self.prepare()

    # ---- what each says for itself ----

    @staticmethod
    def unpacked():
        """The folder with its programs; peers.Unavailable when they cannot be had."""
        raise NotImplementedError

    def prepare(self):
        """Its folders, once."""
        raise NotImplementedError

    def configure(self):
        """Its configuration, before each start: `replies` may have changed."""
        raise NotImplementedError

    def mounts(self):
        """[(folder of ours or None for an empty one, where it sees it)], in their order."""
        return []

    def daemon(self):
        """The words that run it in the foreground."""
        raise NotImplementedError

    def environment(self):
        """What it runs with."""
        return peers.environment(self.root)

    # ---- its machine ----

    def path(self, *names):
        """Below its folder."""
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        """A file of its folder, root's."""
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.path(name), 0o644)

    def make_folder(self, name, uid=0, gid=0, mode=0o755):
        """A folder below its own."""
        os.makedirs(self.path(name))
        os.chown(self.path(name), uid, gid)
        os.chmod(self.path(name), mode)

    def _own_etc(self):
        """A copy of what libraries read there, with its users.  Files mounted over those of the machine would not last: useradd
        renames a new one into their place, and the kernel takes the mount away with the old one."""
        self.make_folder("etc")
        for name in ETC:
            if os.path.exists(f"/etc/{name}"):
                shutil.copyfile(f"/etc/{name}", self.path("etc", name))
        taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
        free = (number for number in range(FIRST_UID, FIRST_UID + 1000) if number not in taken)
        self.uids = {user: next(free) for user in self.users}
        for name, line in (("passwd", "{}:x:{}:{}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{}:x:{}:\n")):
            with open(self.path("etc", name), "a", encoding="utf-8") as file:
                file.writelines(line.format(user, uid, uid) for user, uid in self.uids.items())

    def command(self, *words):
        """These words, in its namespace."""
        lines = []
        for source, target in [(self.path("etc"), "/etc"), *self.mounts()]:
            if source is None:
                lines.append(f"mount -t tmpfs none {target}")
            else:
                lines += [f"mkdir -p {target}", f"mount --bind {source} {target}"]
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join([*lines, 'exec "$@"']), "sh", *words]

    def run(self, *words):
        """A command of it, to its end; what it printed, as bytes."""
        return subprocess.run(self.command(*words), env=self.environment(), check=True, capture_output=True, timeout=60).stdout

    # ---- life ----

    def start(self):
        """Returns when it takes connections."""
        assert not self.process, f"{self.name} runs already"
        self.configure()
        with open(self.path("stderr"), "ab") as errors:
            self.process = subprocess.Popen(self.command(*self.daemon()), env=self.environment(), stdin=subprocess.DEVNULL,
                                            stdout=errors, stderr=errors, start_new_session=True)
        try:
            self.namespace = processes.namespace_of_its_own(self.process)
            peers.wait_for_port(self.port, self.process)
        except (OSError, RuntimeError, AssertionError) as problem:
            raise RuntimeError(f"{self.name} does not start: {problem}\n{self.said()}") from problem
        return self

    def pids(self):
        """Its processes, also those whose parent is gone: all of its namespace."""
        return processes.in_namespace(self.namespace)

    def stop(self):
        """Ends the daemon, then what it leaves behind."""
        if not self.process:
            return
        self.resume()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:  # how it ends is not what is tested
            self.process.kill()
            self.process.wait()
        while left := self.pids():
            self._signal(left, signal.SIGKILL)
        self.process = self.namespace = None

    def suspend(self):
        """It stands still: connections are made, by the kernel, and nobody says a word."""
        # again until none runs: one may have been forked meanwhile
        while running := [pid for pid in self.pids() if not processes.is_stopped(pid)]:
            self._signal(running, signal.SIGSTOP)

    def resume(self):
        """It goes on."""
        self._signal(self.pids(), signal.SIGCONT)

    @staticmethod
    def _signal(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # ended by itself
                pass

    def wait_drained(self, deadline=DRAIN_S):
        """Returns when its queue is empty: it has brought every message further, and brings none twice."""
        self._wait(lambda: not any(names for queue in self.queues for _, _, names in os.walk(self.path(queue))),
                   "its queue is not empty", deadline)

    def wait_log(self, text, count=1, deadline=DRAIN_S):
        """Returns when its log has that many lines with this text."""
        self._wait(lambda: self.said().count(text) >= count, f"no {count} lines with {text!r}", deadline)

    def _wait(self, condition, otherwise, deadline):
        until = time.monotonic() + deadline
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{self.name}: {otherwise} after {deadline} s\n{self.said()}")
            time.sleep(0.02)  # none of the three has an event for it

    def said(self):
        """Its log, for whoever reads a failure."""
        found = []
        for name in ("stderr", "log/mail.log", "log/mainlog", "log/rejectlog", "log/paniclog"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), encoding="utf-8", errors="replace") as file:
                    found.append(f"{name}:\n{file.read()[-SAID_MAX:]}")
        return "\n".join(found)

    def close(self):
        """Nothing of it stays."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()
