"""Programs of strangers, unpacked from their Debian packages and never installed; of Postfix smtp-source and smtp-sink here.

Whole mail systems stand in postfix.py, exim.py and opensmtpd.py.  A package is fetched once into a cache folder
($CULVER_TEST_PEERS, else $XDG_CACHE_HOME/culver-test-peers, else /var/tmp/culver-test-peers), unpacked beside it and
renamed into place, so that two runs at a time do not meet.
Libraries that this machine lacks come from their packages in the same way.
"""

import glob
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

LIBRARY_PACKAGES = {
    "libdb-5.3": "libdb5.3", "libnsl": "libnsl2", "libtirpc": "libtirpc3", "libicuuc": "libicu72",
    "libicudata": "libicu72", "libsasl2": "libsasl2-2", "libgssapi_krb5": "libgssapi-krb5-2",
    "libkrb5": "libkrb5-3", "libk5crypto": "libk5crypto3", "libkrb5support": "libkrb5support0",
    "libkeyutils": "libkeyutils1", "libcom_err": "libcom-err2", "libstdc++": "libstdc++6",
    "libgnutls-dane": "libgnutls-dane0", "libgnutls": "libgnutls30", "libidn": "libidn12", "libidn2": "libidn2-0",
    "libpcre2-8": "libpcre2-8-0", "libunbound": "libunbound8", "libpam": "libpam0g",
    "libevent-2.1": "libevent-2.1-7", "libevent_core-2.1": "libevent-core-2.1-7",
    "libldns": "libldns3", "libfstrm": "libfstrm0", "libprotobuf-c": "libprotobuf-c1",
}
START_S = 10


class Unavailable(Exception):
    """The peers cannot be had here (no network, no apt): the reason is the text."""


def cache_folder():
    """Where the unpacked package lies or will lie."""
    if "CULVER_TEST_PEERS" in os.environ:
        return os.environ["CULVER_TEST_PEERS"]
    cache = os.environ.get("XDG_CACHE_HOME", "/var/tmp")
    return os.path.join(cache, f"culver-test-peers{'' if os.geteuid() == 0 else f'-{os.geteuid()}'}")


def _download(package, folder):
    """The .deb of a package in that folder."""
    done = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package],
                          cwd=folder, capture_output=True, text=True, check=False)
    found = glob.glob(os.path.join(folder, f"{package}_*.deb"))
    if not found:
        raise Unavailable(f"apt-get download {package}: {done.stderr.strip() or done.stdout.strip()}")
    return found[0]


def unpack(package, folder, root):
    """What is in the .deb, below that root; without set-id bits, since nobody shall gain anything by it."""
    deb = _download(package, folder)
    subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    for below, _, names in os.walk(root):
        for path in (os.path.join(below, name) for name in names):
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                os.chmod(path, stat.S_IMODE(mode) & 0o777)


def _library_path(root):
    folders = [os.path.join(root, "usr/lib/postfix")]
    folders += glob.glob(os.path.join(root, "usr/lib/*-linux-gnu")) + glob.glob(os.path.join(root, "lib/*-linux-gnu"))
    return ":".join(folders)


def _missing_libraries(root, programs):
    out = subprocess.run(["ldd", *(os.path.join(root, program) for program in programs)], capture_output=True, text=True,
                         check=False, env={**os.environ, "LD_LIBRARY_PATH": _library_path(root)}).stdout
    return {line.split(".so")[0].strip() for line in out.splitlines() if "not found" in line}


def unpacked(name, packages, programs):
    """The folder that holds what is in those packages, and the libraries of `programs` that are not here; made once."""
    final = os.path.join(cache_folder(), name)
    if os.path.exists(os.path.join(final, programs[0])):
        return final
    if not shutil.which("dpkg-deb") or not shutil.which("apt-get"):
        raise Unavailable("no apt-get and dpkg-deb: this is not Debian")
    os.makedirs(cache_folder(), exist_ok=True)
    work = tempfile.mkdtemp(dir=cache_folder())
    try:
        root = os.path.join(work, "root")
        os.mkdir(root)
        for package in packages:
            unpack(package, work, root)
        for package in sorted({LIBRARY_PACKAGES.get(name, name) for name in _missing_libraries(root, programs)}):
            unpack(package, work, root)
        left = _missing_libraries(root, programs)
        if left:
            raise Unavailable(f"{name} needs libraries that no known package has: {', '.join(sorted(left))}")
        os.chmod(root, 0o755)
        try:
            os.rename(root, final)
        except OSError:
            if not os.path.exists(final):  # somebody else was faster is fine
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def program(package, path, *libraries):
    """(a program of a Debian package, the library path it needs), unpacked together with these packages."""
    root = unpacked(package, [package, *libraries], [path])
    return os.path.join(root, path), _library_path(root)


def postfix_root():
    """The folder that holds usr/sbin/smtp-source and the rest."""
    return unpacked("postfix", ["postfix"], ["usr/sbin/smtp-source", "usr/lib/postfix/sbin/smtpd"])


def environment(root=None):
    """The environment in which the unpacked programs find their libraries."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAIL_")}
    env["LD_LIBRARY_PATH"] = _library_path(root or postfix_root())
    env.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return env


def free_port():
    """A TCP port of 127.0.0.1 that nobody uses right now, and that this process has not given out yet."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


_given = set()


def as_user(entry):
    """The words before a command that make it run as that user (none when we are an ordinary user)."""
    if os.geteuid() != 0 or entry is None:
        return []
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def smtp_source(port, *options, deadline=120):
    """Runs smtp-source against 127.0.0.1:port; CalledProcessError when it is not content."""
    root = postfix_root()
    command = [os.path.join(root, "usr/sbin/smtp-source"), "-4", *map(str, options), f"inet:127.0.0.1:{port}"]
    return subprocess.run(command, env=environment(root), check=True, capture_output=True, text=True,
                          timeout=deadline)


def swaks(port, *options, deadline=60, check=True):
    """Runs swaks against 127.0.0.1:port."""
    command = ["swaks", "--server", "127.0.0.1", "--port", str(port), *map(str, options)]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=deadline)


class SmtpSink:
    """The real smtp-sink on a port of its own; with `dump`, every message becomes a file in that folder."""

    def __init__(self, entry=None, port=None, dump=None, options=()):
        self.port = port or free_port()
        self.dump = dump
        self.entry = entry
        self.options = list(map(str, options))
        self.process = None

    def start(self):
        """Returns when it takes connections."""
        root = postfix_root()
        words = [os.path.join(root, "usr/sbin/smtp-sink"), "-4", *self.options]
        if self.dump:
            words += ["-d", f"{self.dump}/message."]
        words += [f"inet:127.0.0.1:{self.port}", "1024"]
        self.process = subprocess.Popen([*as_user(self.entry), *words], env=environment(root),
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for_port(self.port, self.process)
        return self

    def messages(self):
        """The dumped messages, each as (sender, recipients, content with LF)."""
        result = []
        for name in sorted(os.listdir(self.dump)):
            with open(os.path.join(self.dump, name), "rb") as file:
                result.append(parse_dump(file.read()))
        return result

    def stop(self):
        """Ends the process we started."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
            self.process.stderr.close()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def parse_dump(data):
    """smtp-sink's dump: X- lines, a Received: line of its own, then the content as it came (CRLF became LF)."""
    sender, recipients = None, []
    lines = data.split(b"\n")
    at = 0
    while lines[at].startswith(b"X-"):
        key, _, value = lines[at].partition(b": ")
        if key == b"X-Mail-Args":
            sender = value.split(b">")[0].lstrip(b"<").decode()
        elif key == b"X-Rcpt-Args":
            recipients.append(value.split(b">")[0].lstrip(b"<").decode())
        at += 1
    if lines[at].startswith(b"Received:"):
        at += 1
        while lines[at].startswith((b"\t", b" ")):
            at += 1
    content = b"\n".join(lines[at:])
    return sender, recipients, content[:-1] if content.endswith(b"\n") else content  # smtp-sink adds an empty line


def wait_for_port(port, process, deadline=START_S):
    """Returns when somebody listens at 127.0.0.1:port: the kernel refuses until then."""
    until = time.monotonic() + deadline
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args}: ended with {process.returncode}: "
                                   f"{process.stderr.read().decode() if process.stderr else ''}") from None
            if time.monotonic() > until:
                raise
            # no event says "somebody listens"; the end of the process, which we can await, says "never"
            if process.stderr:
                select.select([process.stderr], [], [], 0.01)
