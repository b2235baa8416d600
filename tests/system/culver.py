"""The one helper that starts a Culver, used by every test twice.

Two places, made once a run:
    user   a temporary ordinary user runs the build tree (a copy that he can reach), all under his uid;
    root   root runs what `make install DESTDIR=` made, with the real uids of `make install-users`, chroots and rooms;
           with CULVER_INSTALLED what a package has installed (`make package-test`, installed.sh).
Each test makes instances (class Culver) there, with ports, folders and a log of their own.  Everything runs with
--strict: a system call outside a list kills.  Nothing is found by its name: processes by their master's pid.

Environment: CULVER_BUILD (default build), CULVER_MODES ("user root"), CULVER_KEEP_USERS (do not remove culver-*),
CULVER_INSTALLED (the command `culver` of a system that is installed, users and all).
"""

import ctypes
import glob
import os
import pwd
import grp
import re
import shutil
import signal
import subprocess
import tempfile

import accounts
import eventlog
import mail
import peers
import processes
import smtp

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(CHECKOUT, os.environ.get("CULVER_BUILD", "build"))
PROGRAMS = ["master", "smtpd", "queue-manager", "delivery", "local", "runner", "bounce", "lookup", "resolver", "signer", "auth", "auth-pam", "verify", "log", "culver"]
SERVICES = ["log", "lookup", "resolver", "signer", "auth", "verify", "queue-manager", "smtpd", "submit", "delivery", "local", "runner", "bounce"]
HOSTNAME = "mx.culver.test"
DOMAIN = "local.test"

START_S = 30
STOP_S = 30
EVENT_S = 30


def sanitized():
    """Whether the programs are built with the sanitizers (their memory says nothing then)."""
    with open(os.path.join(BUILD, "smtpd", "smtpd"), "rb") as file:
        return b"__asan_init" in file.read()


class Unusable(Exception):
    """This mode cannot be had here; the text says why."""


class Place:
    """Where instances run: programs, users, a folder of its own that everybody can reach."""

    mode = None

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix=f"culver-{self.mode}-{os.getpid()}-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.users = []  # passwd entries; the first is the one that always has a mailbox
        self.command = None
        self.tree = self.folder  # the programs lie below
        self.instances = 0
        self.runner = None  # passwd entry of the user that runs it

    def home(self, entry):
        """His home."""
        return entry.pw_dir

    def uid_of(self, program):
        """Under whom that program runs."""
        raise NotImplementedError

    def account_of(self, program):
        """A passwd entry to connect as."""
        return pwd.getpwuid(self.uid_of(program))

    def prepare(self):
        """Programs and users; where it fails, close() removes what is there."""
        raise NotImplementedError

    def close(self):
        """Everything that was made goes; users are removed by accounts.remove_all()."""
        shutil.rmtree(self.folder, ignore_errors=True)


class UserPlace(Place):
    """The build tree, as an ordinary user."""

    mode = "user"

    def prepare(self):
        tree = os.path.join(self.folder, "tree")
        for program in PROGRAMS:
            os.makedirs(os.path.join(tree, program), mode=0o755)
            shutil.copy(os.path.join(BUILD, program, program), os.path.join(tree, program, program))
        self.command = os.path.join(tree, "culver", "culver")
        if accounts.is_root():
            self.runner = accounts.make("u", os.path.join(self.folder, "home"))
        else:
            self.runner = pwd.getpwuid(os.geteuid())
        self.users = [self.runner]

    def uid_of(self, program):
        return self.runner.pw_uid


class RootPlace(Place):
    """What is installed, as root."""

    mode = "root"
    made_users = None
    without_users = None

    def prepare(self):
        self.command = os.environ.get("CULVER_INSTALLED")
        if self.command:
            self.tree = os.path.join(os.path.dirname(os.path.dirname(self.command)), "libexec/culver")
        else:
            self._install()
        self.runner = pwd.getpwuid(0)
        self.users = [accounts.make(label, os.path.join(self.folder, f"home-{label}")) for label in ("a", "b")]

    def _install(self):
        stage = os.path.join(self.folder, "stage")
        make = ["make", "-s", "-C", CHECKOUT, f"BUILD={BUILD}", "PREFIX=/usr/local", *(["SANITIZE=1"] if sanitized() else [])]
        self._run([*make, f"DESTDIR={stage}", "install"])
        before = self._culver_accounts()
        self.command = os.path.join(stage, "usr/local/sbin/culver")
        # what happens as root without the users can be seen now, or never
        if not before:
            self.without_users = self._run_without_users()
        self._run([*make, "install-users"])
        RootPlace.made_users = self._culver_accounts() - before

    @staticmethod
    def _run(words):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")

    def _run_without_users(self):
        config = os.path.join(self.folder, "no-users.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("hostname mx.culver.test\n" + "".join(
                f"{word} {self.folder}/no-users-{word}\n" for word in ("spool", "runtime", "trace", "drop", "root-mail")))
        return subprocess.run([self.command, "run", "-c", config], capture_output=True, text=True, check=False,
                              timeout=START_S, stdin=subprocess.DEVNULL)

    @staticmethod
    def _culver_accounts():
        return ({("user", p.pw_name) for p in pwd.getpwall() if p.pw_name.startswith("culver-")}
                | {("group", g.gr_name) for g in grp.getgrall() if g.gr_name.startswith("culver")})

    def uid_of(self, program):
        names = {"queue-manager": "culver-queue", "local": "root", "runner": "root", "auth-pam": "root", "master": "root"}
        return pwd.getpwnam(names.get(program, f"culver-{program}")).pw_uid

    def close(self):
        super().close()
        if os.environ.get("CULVER_KEEP_USERS"):
            return
        for kind, name in sorted(self.made_users or (), key=lambda made: made[0], reverse=True):
            subprocess.run(["userdel" if kind == "user" else "groupdel", name], check=False, capture_output=True)


PLACES = {"user": UserPlace, "root": RootPlace}
_open = {}


def place(mode):
    """The one place of that mode in this run; Unusable with the reason, the same each time."""
    if mode not in _open:
        remove_stale()
        _open[mode] = Unusable("root mode needs root") if mode == "root" and not accounts.is_root() else PLACES[mode]()
        if isinstance(_open[mode], Place):
            try:
                _open[mode].prepare()
            except Exception as problem:
                _open[mode].close()
                _open[mode] = problem
                raise
    if isinstance(_open[mode], Exception):
        raise _open[mode]
    return _open[mode]


def close_all():
    """Folders and users go; called last, also after failures and signals."""
    for made in _open.values():
        if isinstance(made, Place):
            made.close()
    _open.clear()
    accounts.remove_all()


def remove_stale():
    """Folders and users of runs that were killed: their names tell whose they were."""
    for path in glob.glob("/tmp/culver-*-*-*"):
        found = re.fullmatch(r"/tmp/culver-(?:user|root)-(\d+)-\w+", path)
        if found and not processes.alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)
    accounts.remove_stale()


def end_on_signals():
    """SIGTERM ends us as an exception does, so that everything is cleaned up."""
    def end(number, _frame):
        raise KeyboardInterrupt(f"signal {number}")
    signal.signal(signal.SIGTERM, end)


def modes():
    """Those that are wanted."""
    return os.environ.get("CULVER_MODES", "user root").split()


def become_subreaper():
    """Processes whose master was killed become our children: so that they can be found and ended."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


class Culver:
    """One instance: its folders, its configuration, its log, its processes."""

    def __init__(self, place):
        self.place = place
        place.instances += 1
        self.folder = os.path.join(place.folder, f"i{place.instances}")
        os.mkdir(self.folder, 0o755)
        self.spool = os.path.join(self.folder, "spool")
        self.runtime = os.path.join(self.folder, "run")
        self.trace = os.path.join(self.folder, "trace")
        self.drop_path = os.path.join(self.folder, "drop")
        self.root_mail_path = os.path.join(self.folder, "root-mail")
        self.accounts_path = os.path.join(self.folder, "accounts")
        self.verified_path = os.path.join(self.folder, "verified")
        self.logs = os.path.join(self.folder, "logs")
        self.log_path = os.path.join(self.logs, "culver.log")
        self.config_path = os.path.join(self.folder, "culver.conf")
        self.aliases_path = os.path.join(self.folder, "aliases")
        self.port = peers.free_port()
        self.process = None
        self.cleanups = []
        self.maildir_name = f"Maildir{place.instances}"
        # general: lines of the top level; domain, outbound, listen, limit, auth, verify: lines of that block
        self.general, self.domain, self.outbound, self.listen, self.limit, self.auth, self.verify = [], [], [], [], [], [], []
        self.replaced = {}  # directive -> value, for the lines that stand there anyhow
        self.deliver = None  # another ending than the Maildir of this instance
        self.smarthosts = []
        self.aliases = ""
        os.mkdir(self.logs, 0o755)
        if place.mode == "root":
            os.chown(self.logs, place.uid_of("log"), -1)
        elif accounts.is_root():
            for path in (self.folder, self.logs):
                os.chown(path, place.runner.pw_uid, place.runner.pw_gid)
        self.log = eventlog.EventLog(self.log_path)

    # ---- configuration ----

    @property
    def user(self):
        """Login name of the one who always has a mailbox."""
        return self.place.users[0].pw_name

    @property
    def address(self):
        """His address."""
        return f"{self.user}@{DOMAIN}"

    def config_text(self):
        """culver.conf as it will be written."""
        lines = {
            "hostname": HOSTNAME, "spool": self.spool, "runtime": self.runtime, "trace": self.trace, "drop": self.drop_path,
            "root-mail": self.root_mail_path, "log": f"{self.log_path} {{\n    format text\n}}",
            # a 250 means that the message is in the spool; test_early.py is about when it is not
            "early-delivery": "off",
        }
        lines.update(self.replaced)
        text = "".join(f"{name} {value}\n" for name, value in lines.items() if value is not None)
        # small folders, small disks: a test that wants other floors says so
        limit = {"reserve": "1M", "disk-floor": "1M", "inode-floor": "10"}
        limit.update(line.split(None, 1) for line in self.limit)
        text += block("limit", [f"{k} {v}" for k, v in limit.items()])
        text += block(f"listen 127.0.0.1:{self.port} mx", self.listen) if self.listen else \
            f"listen 127.0.0.1:{self.port} mx\n"
        text += block("auth", [f"accounts {self.accounts_path}"] + self.auth)
        text += block("verify", [f"cache {self.verified_path}"] + self.verify)
        domain = [f"aliases {self.aliases_path}", f"deliver {self.deliver or f'maildir ~/{self.maildir_name}'}"]
        text += block(f"domain {DOMAIN}", domain + self.domain)
        if self.smarthosts or self.outbound:
            retry = [] if any(line.startswith("retry") for line in self.outbound) else ["retry 1s 2s"]
            hosts = [f"smarthost {' '.join(self.smarthosts)}"] if self.smarthosts else []
            text += block("outbound", hosts + retry + self.outbound)
        return text + "".join(line + "\n" for line in self.general)

    def relay_to(self, *ports):
        """Mail for other domains goes to these ports of 127.0.0.1, in their order."""
        self.smarthosts = [f"127.0.0.1:{port}" for port in ports]
        return self

    def write(self, text=None):
        """Writes the configuration (and the aliases) without telling anybody."""
        for path, content in ((self.aliases_path, self.aliases), (self.config_path, text or self.config_text())):
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
            os.chmod(path, 0o644)

    # ---- life ----

    def start(self, before=(), wait=True):
        """`culver run --strict`; returns when every program serves.  `before`: words before the command (strace ...)."""
        self.write()
        since = self.log.mark()
        words = [*before, self.place.command, "run", "-c", self.config_path, "--strict"]
        if self.place.mode == "user":
            words = peers.as_user(self.place.runner) + words
        with open(os.path.join(self.logs, "stderr"), "ab") as errors:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                            cwd="/", env=self.environment())
        if wait:
            self.wait_event("ready", START_S, since=since)
        return self

    def environment(self):
        """What the commands of this instance run with."""
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TZ") or k.endswith("SAN_OPTIONS")}
        env.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        env["HOME"] = self.place.home(self.place.users[0]) if self.place.mode == "user" else "/root"
        return env

    def stop(self, deadline=STOP_S):
        """Ends it in its own order and waits for the end of master; returns its exit status."""
        status = None
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            status = self.process.wait(deadline)
            self.process = None
        return status

    def kill_all(self):
        """kill -9 for master and everything below it, at once; returns when all are gone."""
        if not self.process:
            return
        pids = [self.process.pid, *processes.descendants(self.process.pid)]
        self.kill(*pids)
        self.process.wait()
        self.process = None

    def orphans(self):
        """Processes of this place whose master is gone: they are our children then (become_subreaper)."""
        mine = set(processes.descendants(self.process.pid)) | {self.process.pid} if self.process else set()
        return [pid for pid in processes.descendants(os.getpid())
                if pid not in mine and cmdline(pid)[:1] and cmdline(pid)[0].startswith(self.place.tree)]

    def kill(self, *pids, deadline=STOP_S):
        """kill -9, and wait until they are gone (reaped or zombie)."""
        watches = []
        for pid in pids:
            try:
                watches.append(processes.Watch(pid))
            except ProcessLookupError:
                pass
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for watch in watches:
            assert watch.wait(deadline), f"{watch.pid} does not die of SIGKILL"
            watch.close()

    def close(self):
        """Stops what runs, undoes what was registered in `cleanups`; never fails half-way."""
        problem = None
        try:
            self.stop()
        except (subprocess.TimeoutExpired, OSError) as wrong:
            problem = wrong
            self.kill_all()
        self._end_background()
        self.kill(*self.orphans())
        for undo in reversed(self.cleanups):
            try:
                undo()
            except Exception as wrong:  # the other cleanups shall run too
                problem = problem or wrong
        self.log.close()
        if problem:
            raise problem

    def _end_background(self):
        """A master that `culver start` made: found by RUNTIME/master.pid, ended like any other."""
        try:
            with open(os.path.join(self.runtime, "master.pid"), encoding="ascii") as file:
                pid = int(file.read().strip())
            watch = processes.Watch(pid)
        except (OSError, ValueError):
            return
        if self.config_path in cmdline(pid):
            os.kill(pid, signal.SIGTERM)
            if not watch.wait(STOP_S):
                self.kill(pid, *processes.descendants(pid))
        watch.close()

    # ---- seeing ----

    def wait_event(self, name, deadline=EVENT_S, **fields):
        """Waits for an event of the log (eventlog.EventLog.wait); says so at once when master has ended."""
        def gone():
            if self.process is not None and self.process.poll() is not None:
                return f"master ended with {self.process.returncode}: {self.stderr()[-2000:]}"
            return None
        return self.log.wait(name, deadline, alive=gone, **fields)

    def mark(self):
        """For since=."""
        return self.log.mark()

    def events(self, name, **fields):
        """Those that are there already."""
        return self.log.find(name, **fields)

    def stderr(self):
        """What the programs wrote there: reports of the sanitizers, fatal sentences."""
        try:
            with open(os.path.join(self.logs, "stderr"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def mains(self):
        """{program: pid} of the present generation, from RUNTIME/state."""
        found = {"master": self.process.pid}
        with open(os.path.join(self.runtime, "state"), encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if words[:1] == ["program"] and words[3] in ("starting", "serving"):
                    found[words[1]] = int(words[2])
        return found

    def pids(self):
        """{program: [pids]}: first the one that master started, then those it forked, then those whose parent is gone."""
        mains = self.mains()
        result = {program: [pid] for program, pid in mains.items()}
        for program, pid in mains.items():
            if program != "master":
                result[program] += processes.descendants(pid)
        known = {pid for group in result.values() for pid in group}
        for pid in processes.descendants(self.process.pid):
            if pid not in known:
                result.setdefault(processes.name(pid), []).append(pid)
        return result

    def pid(self, program):
        """The pid of the process of that program which master started."""
        mains = self.mains()
        assert program in mains, f"{program} does not run: {mains}"
        return mains[program]

    def command(self, *words, check=None, entry=None, text=True, input=None, deadline=60):
        """Runs `culver WORDS -c FILE` as the one who runs it (or as `entry`)."""
        words = [self.place.command, *map(str, words), "-c", self.config_path]
        if entry is not None or self.place.mode == "user":
            words = peers.as_user(entry or self.place.runner) + words
        done = subprocess.run(words, capture_output=True, text=text, check=False, timeout=deadline, cwd="/",
                              env=self.environment(), input=input)
        if check is not None:
            assert done.returncode == check, f"{words}: {done.returncode}, not {check}\n{done.stdout}{done.stderr}"
        return done

    def named(self, name, *words, entry=None, input=None, check=None, env=None):
        """Runs the command under another of its names (sendmail, mailq ...), as the one who runs the system (or as `entry`)."""
        folder = os.path.join(self.place.folder, "names")
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            os.makedirs(folder, mode=0o755, exist_ok=True)
            os.symlink(self.place.command, path)
        words = [path, *map(str, words)]
        if entry is not None or self.place.mode == "user":
            words = peers.as_user(entry or self.place.runner) + words
        done = subprocess.run(words, capture_output=True, check=False, timeout=60, cwd="/", input=input,
                              env={**self.environment(), "CULVER_RUNTIME": self.runtime, **(env or {})})
        if check is not None:
            assert done.returncode == check, f"{words}: {done.returncode}, not {check}\n{done.stdout}{done.stderr}"
        return done

    def smtp(self, **options):
        """A client that has read the banner."""
        return smtp.Client(self.port, **options)

    def maildir(self, at=0):
        """The mailbox of a user of the place."""
        return mail.Maildir(os.path.join(self.place.home(self.place.users[at]), self.maildir_name))

    def root_mail(self):
        """The mailbox of root and postmaster."""
        return mail.Maildir(self.root_mail_path)

    def queue_files(self):
        """Paths of every message's file in the spool."""
        found = []
        for folder, _, names in os.walk(os.path.join(self.spool, "queue")):
            found += [os.path.join(folder, name) for name in names]
        return found

    def expect_empty_spool(self, rounds=20):
        """No message's file is left: at once, or after some round trips, since what is refused is removed behind the reply."""
        for _ in range(rounds):
            if not self.queue_files():
                return
            self.command("status", check=0)
        assert self.queue_files() == []

    def socket_path(self, name):
        """RUNTIME/name."""
        return os.path.join(self.runtime, name)

    def connect(self, name, program):
        """A connection to an inner socket, as the uid of that program."""
        return accounts.connect_as(self.place.account_of(program), self.socket_path(name), groups=self._groups(program))

    def connect_many(self, count, name, program):
        """Several, all of one process."""
        return accounts.connect_many_as(count, self.place.account_of(program), self.socket_path(name),
                                        groups=self._groups(program))

    def _groups(self, program):
        if self.place.mode != "root":
            return ()
        user = self.place.account_of(program).pw_name
        return tuple(g.gr_gid for g in grp.getgrall() if user in g.gr_mem or g.gr_name == "culver")

    def accepted_id(self, reply):
        """The id in a 250 after the data."""
        match = re.search(r"\b([0-9A-F]{13,})\b", reply.text)
        assert match, f"no id in {reply}"
        return match[1]


def cmdline(pid):
    """The words it was started with."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def block(head, lines):
    """`head {`, lines, `}`."""
    return f"{head} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"
