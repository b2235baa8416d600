"""Dovecot, which Debian installs beside us: as a taker of LMTP, and as what reads our Maildirs by IMAP and POP3.

Each instance has a folder of its own and ports of 127.0.0.1; it is started by root, and reads and writes mail as one user.
"""

import base64
import glob
import hmac
import imaplib
import json
import os
import poplib
import shutil
import signal
import subprocess
import tempfile
import time

import accounts
import peers
import processes

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

    def kill(self):
        """Ends what we started, with all that it started, at once."""
        all_of_it = processes.descendants(self.process.pid)
        for pid in [self.process.pid, *all_of_it]:
            os.kill(pid, signal.SIGKILL)
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


class Judge(Dovecot):
    """Its authentication alone, by a Unix socket and by TCP: ann, and whoever has a token that TOKEN_KEY signed."""

    PLAIN_MECHANISMS = "plain login scram-sha-1 scram-sha-256 cram-md5"
    TOKEN_KEY = b"a key of this test alone, of 32 bytes or more"

    def __init__(self, mechanisms=PLAIN_MECHANISMS + " oauthbearer xoauth2 external", users="ann@local.test:{PLAIN}a pencil, and =2C::::::\n"):
        super().__init__()
        self.mechanisms = mechanisms
        self.port = peers.free_port()
        self.socket = os.path.join(self.folder, "auth-client")
        self.users = os.path.join(self.folder, "users")
        with open(self.users, "w", encoding="utf-8") as file:
            file.write(users)
        keys = os.path.join(self.folder, "keys", "default", "HS256")
        os.makedirs(keys)
        with open(os.path.join(keys, "default"), "wb") as file:
            file.write(base64.b64encode(self.TOKEN_KEY))
        self.oauth2 = os.path.join(self.folder, "oauth2.conf.ext")
        with open(self.oauth2, "w", encoding="utf-8") as file:
            file.write(f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={self.folder}/keys/\nusername_attribute = sub\n")

    def token(self, user, seconds=600):
        """A token (JWT, HS256) for that user."""
        now = int(time.time())
        parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": user, "iat": now - 60, "exp": now + seconds}]
        text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
        signature = base64.urlsafe_b64encode(hmac.digest(self.TOKEN_KEY, text, "sha256")).rstrip(b"=")
        return (text + b"." + signature).decode()

    def settings(self):
        return f"""
auth_mechanisms = {self.mechanisms}
auth_debug = yes
auth_verbose = yes
auth_ssl_username_from_cert = yes
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  mechanisms = {self.PLAIN_MECHANISMS}
  args = {self.users}
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {self.oauth2}
}}
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {self.socket} {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
"""

    def listens(self):
        return [self.port]

    def log(self):
        """What it has said."""
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()


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
