"""LMTP to a real Dovecot, by TCP and by its Unix socket, which is made anew while we run; a reply for each recipient."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

import accounts
import mail
import peers
import smtp
from culver import block

DOVECOT = "/usr/sbin/dovecot"
LMTP = "/usr/lib/dovecot/lmtp"


class Dovecot:
    """Its lmtp alone, in a folder of its own; started and stopped here."""

    def __init__(self, entry):
        self.folder = tempfile.mkdtemp(prefix="culver-dovecot-")
        os.chmod(self.folder, 0o755)
        self.port = peers.free_port()
        self.socket = os.path.join(self.folder, "lmtp")
        self.config = os.path.join(self.folder, "dovecot.conf")
        self.process = None
        for name in ("mail", "run"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "mail"), entry.pw_uid, entry.pw_gid)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"""
protocols = lmtp
base_dir = {self.folder}/run
log_path = {self.folder}/log
ssl = no
mail_location = maildir:{self.folder}/mail/%n
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = username_format=%n {self.folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {self.folder}/users
  override_fields = uid={entry.pw_uid} gid={entry.pw_gid} home={self.folder}/mail/%n
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
""")
        with open(os.path.join(self.folder, "users"), "w", encoding="utf-8") as file:
            file.write("ann:::::::\nbob:::::::\n")

    def start(self):
        """Returns when it takes connections."""
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", self.config], stderr=subprocess.PIPE)
        peers.wait_for_port(self.port, self.process)

    def stop(self):
        """Ends what we started."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process.stderr.close()
            self.process = None

    def letters(self, name):
        """What lies in that mailbox."""
        found = []
        for path in sorted(glob.glob(f"{self.folder}/mail/{name}/new/*")):
            with open(path, "rb") as file:
                found.append(file.read())
        return found

    def close(self):
        """Nothing of it stays."""
        self.stop()
        shutil.rmtree(self.folder)


@pytest.fixture
def dovecot(place):
    """A Dovecot that takes LMTP."""
    if not os.path.exists(LMTP) or not os.path.exists(DOVECOT):
        pytest.skip("no dovecot-lmtpd")
    if not accounts.is_root():
        pytest.skip("Dovecot is started by root")
    server = Dovecot(place.users[0])
    try:
        server.start()
        yield server
    finally:
        server.close()


def submit(instance, recipients, content):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(instance.address, recipients, content)
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_each_recipient_has_its_own_reply_by_lmtp(culver, dovecot, way):
    hop = f"127.0.0.1:{dovecot.port}" if way == "tcp" else dovecot.socket
    culver.general.append(block("route box.test", [f"lmtp {hop}"]))
    culver.start()
    content = mail.dots("lmtp")
    ident = submit(culver, ["ann@box.test", "nobody@box.test", "bob@box.test"], content)
    culver.wait_event("delivered", id=ident, to="ann@box.test")
    culver.wait_event("delivered", id=ident, to="bob@box.test")
    assert culver.wait_event("failed", id=ident, to="nobody@box.test")["status"] == "5.1.1"
    culver.wait_event("done", id=ident)
    for name in ("ann", "bob"):
        letter, = dovecot.letters(name)
        assert mail.lf(letter).endswith(mail.lf(content)), name


def test_a_socket_that_is_made_anew_is_found(culver, dovecot):
    """Its server ends, mail waits; it comes back with another inode of the same name."""
    culver.general.append(block("route box.test", [f"lmtp {dovecot.socket}"]))
    culver.outbound.append("retry 1s 1s")
    culver.start()
    culver.wait_event("done", id=submit(culver, ["ann@box.test"], mail.small("before")))
    dovecot.stop()
    ident = submit(culver, ["ann@box.test"], mail.small("waits"))
    culver.wait_event("deferred", id=ident)
    dovecot.start()
    culver.wait_event("done", id=ident)
    assert [mail.tag_of(letter) for letter in dovecot.letters("ann")].count("waits") == 1
