"""A mail system under measurement: what bench.py needs of each, and how a rival is run.

A rival is its Debian package, unpacked and not installed.  It runs in a mount namespace of its own, in which its files lie over
/usr, /etc/passwd and /etc/group have its users, and /etc/NAME, /var/spool/NAME and the like lead into its folder on the disk
that is measured: so it finds everything where Debian has it, set-id bits too, and nothing of the machine is touched.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import certificates
import peers
import processes

FIRST_UID = 62000  # of the users that exist in the namespace alone
STOP_S = 60
START_S = 20  # until it takes connections


class Routes:
    """Where mail goes: {domain: [port, ...]} of 127.0.0.1, tried in their order; every other domain is local."""

    def __init__(self, ports):
        self.ports = ports

    def items(self):
        """(domain, [port, ...])."""
        return self.ports.items()


class Mta:
    """One mail system: `name`, `port`, `start`, `stop`, `reset`, `pids`, and `new_folder`, where letters appear."""

    name = None
    connecting = 0  # clients that may wait for their banner at a time; 0: any number

    def __init__(self):
        self.port = peers.free_port()
        self.version = "?"

    def start(self):
        """Returns when it takes connections."""
        raise NotImplementedError

    def stop(self):
        """Returns when all of its processes are gone."""
        raise NotImplementedError

    def empty_queue(self):
        """While it is stopped: nothing waits any more."""
        raise NotImplementedError

    def reset(self):
        """Started anew, with an empty queue."""
        self.stop()
        self.empty_queue()
        self.start()

    def pids(self):
        """All of its processes."""
        raise NotImplementedError


def certificate(folder):
    """(certificate, key): RSA, as most hosts have; made once, root's."""
    pair = certificates.Pair(folder, "bench")
    return pair.certificate, pair.key


def unpacked(name, packages):
    """The folder with what is in those packages; made once, beside the other peers of the tests."""
    final = os.path.join(peers.cache_folder(), name)
    if os.path.isdir(final):
        return final
    if not shutil.which("dpkg-deb") or not shutil.which("apt-get"):
        raise peers.Unavailable("no apt-get and dpkg-deb: this is not Debian")
    os.makedirs(peers.cache_folder(), exist_ok=True)
    work = tempfile.mkdtemp(dir=peers.cache_folder())
    try:
        root = os.path.join(work, "root")
        os.mkdir(root, 0o755)
        for package in packages:
            peers.unpack(package, work, root)
        os.rename(root, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


class Rival(Mta):
    """What the rivals have in common."""

    users = ()  # each with a group of its name
    set_id = {}  # program below the root: (owner, group, mode), as Debian installs it

    def __init__(self, disk, routes, mailbox):
        super().__init__()
        self.root = self.packages()
        self.folder = os.path.join(disk, self.name)
        self.routes, self.mailbox = routes, mailbox
        self.process = self.namespace = None
        os.makedirs(self.folder, 0o755)
        self._accounts()
        self._set_ids()
        self.maildir = os.path.join(mailbox.pw_dir, f"Maildir-{self.name}")
        self.new_folder = prepare_maildir(mailbox, self.maildir)
        self.prepare()

    # ---- what each says for itself ----

    @staticmethod
    def packages():
        """The unpacked root."""
        raise NotImplementedError

    def prepare(self):
        """Its folders and its configuration, once."""
        raise NotImplementedError

    def binds(self):
        """[(folder of ours, where it sees it)]."""
        return []

    def daemon(self):
        """The words that run it in the foreground."""
        raise NotImplementedError

    # ---- its machine ----

    def path(self, *names):
        """Below its folder."""
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        """A file of its folder, root's."""
        os.makedirs(os.path.dirname(self.path(name)), 0o755, exist_ok=True)
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def make_folder(self, name, owner="root", group="root", mode=0o755):
        """A folder below its own."""
        os.makedirs(self.path(name), exist_ok=True)
        os.chown(self.path(name), self.uids[owner], self.uids[group])
        os.chmod(self.path(name), mode)

    def _accounts(self):
        self.uids = {"root": 0, **{user: FIRST_UID + n for n, user in enumerate(self.users)}}
        for name, line in (("passwd", "{user}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{user}:x:{uid}:\n")):
            with open(f"/etc/{name}", encoding="utf-8") as file:
                text = file.read()
            self.write(name, text + "".join(line.format(user=user, uid=self.uids[user]) for user in self.users))

    def _set_ids(self):
        """Copies that have the bits, in a folder that root alone can enter."""
        if self.set_id:
            self.make_folder("set-id", mode=0o700)
        for program, (owner, group, mode) in self.set_id.items():
            copy = self.path("set-id", os.path.basename(program))
            shutil.copy(os.path.join(self.root, program), copy)
            os.chown(copy, self.uids[owner], self.uids[group])
            os.chmod(copy, mode)

    def command(self, *words):
        """These words, in its namespace."""
        binds = [(self.path(name), f"/etc/{name}") for name in ("passwd", "group")]
        binds += [(self.path("set-id", os.path.basename(program)), f"/{program}") for program in self.set_id]
        binds += self.binds()
        # an empty folder to mount on, for what the machine does not have: it lies over the parent, nothing is made there
        missing = [target for _, target in binds if not target.startswith("/usr/") and not os.path.exists(target)]
        for target in missing:
            os.makedirs(self.path("points", target[1:]), exist_ok=True)
        over = {os.path.dirname(target): self.path("points", os.path.dirname(target)[1:]) for target in missing}
        over["/usr"] = os.path.join(self.root, "usr")
        lines = [f"mount -t overlay overlay -o lowerdir={upper}:{lower} {lower}" for lower, upper in sorted(over.items())]
        lines += [f"mount --bind {source} {target}" for source, target in binds]
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join([*lines, 'exec "$@"']), "sh", *words]

    def run(self, *words):
        """A command of it, to its end; what it printed."""
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True, timeout=60).stdout

    # ---- life ----

    def start(self):
        with open(self.path("stderr"), "ab") as errors:
            self.process = subprocess.Popen(self.command(*self.daemon()), stdin=subprocess.DEVNULL, stdout=errors,
                                            stderr=errors, start_new_session=True)
        try:
            self.namespace = processes.namespace_of_its_own(self.process)
            peers.wait_for_port(self.port, self.process, START_S)
        except (OSError, RuntimeError, AssertionError) as problem:
            with open(self.path("stderr"), encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"{self.name} does not start: {problem}\n{file.read()[-2000:]}") from problem

    def pids(self):
        return processes.in_namespace(self.namespace)

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_S)
        for watch in [processes.Watch(pid) for pid in self.pids()]:
            signal.pidfd_send_signal(watch.fd, signal.SIGKILL)
            watch.wait(STOP_S)
            watch.close()
        self.process = self.namespace = None


def prepare_maildir(user: pwd.struct_passwd, maildir):
    """A Maildir that is there already, so that new/ can be watched; the path of new/."""
    for part in ("", "new", "cur", "tmp"):
        path = os.path.join(maildir, part)
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chown(path, user.pw_uid, user.pw_gid)
    return os.path.join(maildir, "new")
