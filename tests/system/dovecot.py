"""Dovecot, which Debian installs beside us: as a taker of LMTP, and as what reads our Maildirs by IMAP and POP3.

Each instance has a folder of its own and ports of 127.0.0.1; it is started by root, and reads and writes mail as one user.
"""

import glob
import imaplib
import os
import poplib
import shutil
import signal
import subprocess
import tempfile

import accounts
import peers

PROGRAM = "/usr/sbin/dovecot"
PROTOCOLS = "/usr/lib/dovecot"
PASSWORD = "secret"
START_S = 10
STOP_S = 20


class Dovecot:
    """What all have in common; the configuration of each comes from settings()."""

    protocols = ()

    def __init__(self):
        for path in (PROGRAM, *(os.path.join(PROTOCOLS, name) for name in self.protocols)):
            if not os.path.exists(path):
                raise peers.Unavailable(f"no {path}")
        if not accounts.is_root():
            raise peers.Unavailable("Dovecot is started by root")
        self.folder = tempfile.mkdtemp(prefix="culver-dovecot-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.config = os.path.join(self.folder, "dovecot.conf")
        self.process = None
        os.mkdir(os.path.join(self.folder, "run"), 0o755)

    def settings(self):
        """Who its users are, where their mail is, where it listens."""
        raise NotImplementedError

    def listens(self):
        """The ports that answer once it has started."""
        raise NotImplementedError

    def start(self):
        """Returns when it takes connections."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"protocols = {' '.join(self.protocols)}\nbase_dir = {self.folder}/run\nlog_path = {self.folder}/log\n"
                       "ssl = no\nfirst_valid_uid = 1\n" + self.settings())
        self.process = subprocess.Popen([PROGRAM, "-F", "-c", self.config], stderr=subprocess.PIPE)
        for port in self.listens():
            peers.wait_for_port(port, self.process)
        return self

    def stop(self):
        """Ends what we started."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_S)
            self.process.stderr.close()
            self.process = None

    def close(self):
        """Nothing of it stays."""
        self.stop()
        shutil.rmtree(self.folder)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()


class Taker(Dovecot):
    """LMTP by TCP and by a Unix socket, for the users ann and bob; with STARTTLS where there is a `pair` (certificate, key)."""

    protocols = ("lmtp",)

    def __init__(self, entry, pair=None):
        super().__init__()
        self.entry, self.pair = entry, pair
        self.port = peers.free_port()
        self.socket = os.path.join(self.folder, "lmtp")
        os.mkdir(os.path.join(self.folder, "mail"), 0o755)
        os.chown(os.path.join(self.folder, "mail"), entry.pw_uid, entry.pw_gid)
        with open(os.path.join(self.folder, "users"), "w", encoding="utf-8") as file:
            file.write("ann:::::::\nbob:::::::\n")

    def settings(self):
        tls = f"ssl = yes\nssl_cert = <{self.pair[0]}\nssl_key = <{self.pair[1]}" if self.pair else ""
        return f"""
mail_location = maildir:{self.folder}/mail/%n
{tls}
passdb {{
  driver = passwd-file
  args = username_format=%n {self.folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {self.folder}/users
  override_fields = uid={self.entry.pw_uid} gid={self.entry.pw_gid} home={self.folder}/mail/%n
}}
service lmtp {{
  unix_listener {self.socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
"""

    def listens(self):
        return [self.port]

    def letters(self, name):
        """What lies in that mailbox."""
        found = []
        for path in sorted(glob.glob(f"{self.folder}/mail/{name}/new/*")):
            with open(path, "rb") as file:
                found.append(file.read())
        return found


class Reader(Dovecot):
    """IMAP and POP3 over one Maildir, as its owner; it keeps its own files (indexes, control) elsewhere."""

    protocols = ("imap", "pop3")

    def __init__(self, entry, maildir):
        super().__init__()
        self.entry, self.maildir = entry, maildir
        self.ports = {name: peers.free_port() for name in self.protocols}
        os.mkdir(os.path.join(self.folder, "home"), 0o700)
        os.chown(os.path.join(self.folder, "home"), entry.pw_uid, entry.pw_gid)

    def settings(self):
        services = "".join(f"""
service {name}-login {{
  inet_listener {name} {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener {name}s {{
    port = 0
  }}
}}
""" for name, port in self.ports.items())
        return f"""
disable_plaintext_auth = no
mail_location = maildir:{self.maildir}:INDEX={self.folder}/home/index:CONTROL={self.folder}/home/control
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={self.entry.pw_uid} gid={self.entry.pw_gid} home={self.folder}/home
}}
""" + services

    def listens(self):
        return self.ports.values()

    def imap(self):
        """A connection that is logged in; to be used by `with`."""
        connection = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=START_S)
        connection.login(self.entry.pw_name, PASSWORD)
        return connection

    def pop3(self):
        """A connection that is logged in."""
        connection = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=START_S)
        connection.user(self.entry.pw_name)
        connection.pass_(PASSWORD)
        return connection
