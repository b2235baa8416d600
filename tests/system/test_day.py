"""A day of a shared host: the package, installed as root in a private root, and all that its users do to it; then each letter is counted.

Ann has a vacation notice, Bob a home that fills up, Eve a .forward that attacks, one that forks without end, and a loop that floods.  The ledger
says of each letter where it must lie in the end, and how often; what lies there must be that and nothing else.
"""

import collections
import contextlib
import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import eventlog
import peers
import processes
from dovecot import Reader
from test_package import ENVIRONMENT, inside, install, package, purge, root, run  # noqa: F401

HOST = "mail.example.test"
MEMBERS = 2000
FLOOD = 300
WAIT_S = 120
BALLAST = "ballast"
BOB_HOME = "4m"

CONFIG = """
route outside.test {
    lmtp /run/outside.sock
}
outbound {
    retry 2s 4s
}
limit {
    pipe-time 3s
    pipe-processes 40
    disk-floor 1M
    reserve 1M
}
"""

VACATION = """#!/bin/sh
# once for each sender, as vacation(1)
test -n "$SENDER" || exit 0
mkdir -p ~/.away && mkdir ~/.away/"$SENDER" 2>/dev/null || exit 0
printf 'Subject: away-%s\\n\\nI am not here.\\n' "$SENDER" | /usr/sbin/sendmail -i -f '<>' -- "$SENDER"
"""

ATTACK = """#!/bin/sh
exec >>/tmp/attack 2>&1
for command in 'cat /home/ann/Maildir/new/*' 'touch /home/ann/Maildir/new/forged' 'ls /var/spool/culver' 'ls /var/lib/culver/drop' \\
    'cp /bin/sh /var/lib/culver/drop/' 'touch /etc/cron.d/eve' 'cat /etc/shadow' 'kill -9 1' 'cat /proc/1/environ' '/usr/sbin/culver stop' \\
    '/usr/sbin/culver queue remove all'
do
    sh -c "$command" && echo "DONE $command"
done
exit 0
"""

BOMB = "#!/bin/sh\nexec perl -e 'fork while 1'\n"


class Outside:
    """The rest of the world, by LMTP over a Unix socket; .letters are (recipient, content)."""

    def __init__(self, path):
        self.letters = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        """No more is taken."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(WAIT_S)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rwb") as file:
            def say(text):
                file.write(text.encode() + b"\r\n")
                file.flush()
            say("220 outside")
            recipients = []
            for line in file:
                verb = line[:4].upper()
                if verb == b"LHLO":
                    say("250 outside")
                elif verb == b"MAIL":
                    recipients = []
                    say("250 ok")
                elif verb == b"RCPT":
                    recipients.append(re.search(rb"<(.*?)>", line)[1].decode())
                    say("250 ok")
                elif verb == b"DATA":
                    say("354 go on")
                    content = b"".join(iter(file.readline, b".\r\n"))
                    for recipient in recipients:
                        self.letters.append((recipient, content))
                        say("250 taken")
                elif verb == b"QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 ok")


class Host:
    """What runs in the private root, and the ledger of what was sent to it."""

    def __init__(self, root):  # noqa: F811
        self.root = root
        self.expected = collections.Counter()  # (place, subject) -> letters
        self.sent = 0
        self.outside = Outside(os.path.join(root, "run/outside.sock"))
        self.log_path = os.path.join(root, "tmp/log")
        self.process = self.first = self.events = None

    def start(self):
        """By the command lines of the unit; Bob's home is a small disk of its own."""
        with open(os.path.join(self.root, "usr/lib/systemd/system/culver.service"), encoding="ascii") as file:
            unit = dict(line.split("=", 1) for line in file.read().splitlines() if line.startswith("Exec"))
        run(self.root, unit["ExecStartPre"])
        script = f"mount -t tmpfs -o size={BOB_HOME},mode=700,uid=$(id -u bob),gid=$(id -g bob) bob /home/bob; exec {unit['ExecStart']}"
        with open(self.log_path, "wb") as output:
            self.process = subprocess.Popen(inside(self.root, "sh", "-c", script), stdout=output, stderr=output, env=ENVIRONMENT)
        self.events = eventlog.EventLog(self.log_path)
        self.events.wait("ready", WAIT_S)
        self.first = processes.descendants(self.process.pid)[0]

    def close(self):
        """In its own order where that is still possible."""
        if self.first and self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGTERM)
        status = None
        if self.process:
            try:
                status = self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.events.close()
            self.process = None
        return status

    def path(self, path):
        """As the programs of the host see it, Bob's disk included."""
        return f"/proc/{self.first}/root{path}"

    def put(self, user, name, text, mode=0o644):
        """A file of his."""
        path = self.path(f"/home/{user}/{name}")
        home = os.stat(self.path(f"/home/{user}"))
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, home.st_uid, home.st_gid)

    def words(self, sender, words, subject, size=300):
        """Shell words that send one letter by the words of a caller."""
        text = f"From: {sender}\\nSubject: {subject}\\n\\n{'x' * 60}\\n" + f"{'y' * 70}\\n" * (size // 71)
        who = "" if sender == "root" else f"setpriv --reuid={sender} --regid={sender} --init-groups "
        return f"printf {shlex.quote(text)} | {who}{words}"

    def send(self, sender, to, subject, places, size=300):
        """A letter by sendmail(1), that must come to the places (one letter each) in the end."""
        run(self.root, self.words(sender, f"/usr/sbin/sendmail -i {to}", subject, size))
        self.note(subject, places)

    def cron(self, user, subject, places):
        """As Debian's cron."""
        run(self.root, self.words("root", f"/usr/sbin/sendmail -FCronDaemon -i -B8BITMIME -oem {user}", subject))
        self.note(subject, places)

    def note(self, subject, places, letters=1):
        """In the ledger; `letters`: that were handed in."""
        self.sent += letters
        for place in places:
            self.expected[place, subject] += 1

    def waiting(self):
        """Ids that are not done, of all that the log knows."""
        return {e["id"] for e in self.events.find("queued")} - {e["id"] for e in self.events.find("done")}

    def quiet(self, but=0):
        """All but so many letters are done."""
        self.events.wait("queued", WAIT_S, count=self.sent)
        while len(self.waiting()) > but:
            self.events.wait("done", WAIT_S, count=len(self.events.find("done")) + 1, alive=self._gone)

    def _gone(self):
        return None if self.process.poll() is None else f"culver ended with {self.process.returncode}"

    def deferred(self, why, but):
        """One of those that wait has been deferred with that reason; all others are done."""
        self.quiet(but)
        while not any(why in e["reply"] for e in self.events.find("deferred") if e["id"] in self.waiting()):
            self.events.wait("deferred", WAIT_S, count=len(self.events.find("deferred")) + 1, alive=self._gone)

    def found(self):
        """(place, subject) -> letters, of all mailboxes and of what went out."""
        result = collections.Counter()
        for place, folder in (("ann", "/home/ann/Maildir"), ("bob", "/home/bob/Maildir"), ("eve", "/home/eve/Maildir"),
                              ("root", "/var/lib/culver/root")):
            for path in glob.glob(self.path(f"{folder}/new/*")) + glob.glob(self.path(f"{folder}/cur/*")):
                with open(path, "rb") as file:
                    result[place, subject_of(file.read())] += 1
        for recipient, content in self.outside.letters:
            result[recipient, subject_of(content)] += 1
        return result


def subject_of(content):
    """Of a letter."""
    return re.search(rb"^Subject: (.*?)\r?$", content, re.MULTILINE)[1].decode()


@pytest.fixture
def host(root):  # noqa: F811
    """The package is installed, three users are there, nothing runs yet."""
    install(root, "Local only")
    made = None
    try:
        run(root, "for user in ann bob eve; do useradd -m $user; done")
        members = [f"eve+{n}@{HOST}" for n in range(MEMBERS - 10)] + [f"m{n}@outside.test" for n in range(9)] + [f"gone@{HOST}"]
        with open(os.path.join(root, "etc/members"), "w", encoding="ascii") as file:
            file.write("".join(f"{member}\n" for member in members))
        with open(os.path.join(root, "etc/aliases"), "a", encoding="ascii") as file:
            file.write("list: :include:/etc/members\nowner-list: ann\n")
        with open(os.path.join(root, "etc/culver/culver.conf"), "a", encoding="ascii") as file:
            file.write(CONFIG)
        made = Host(root)
        made.start()
        yield made
    finally:
        if made:
            made.close()
            made.outside.close()
        run(root, "for user in ann bob eve; do userdel -r $user 2>/dev/null; done; rm -f /tmp/attack /etc/members /etc/aliases")
        purge(root)


def morning(host):
    """Cron's letters, forwards to each other and outside, a vacation notice once for each sender."""
    for n in range(5):
        host.cron("ann", f"cron-{n}", ["ann"])
    host.quiet()
    host.put("ann", "vacation", VACATION, 0o755)
    host.put("ann", ".forward", '\\ann, "|/home/ann/vacation"\n')
    host.put("bob", ".forward", "\\bob, ann, bob@outside.test\n")
    for n in range(10):
        host.send("eve", "bob", f"forward-{n}", ["bob", "ann", "bob@outside.test"])
    host.note(f"away-eve@{HOST}", ["eve"])
    host.quiet()
    os.remove(host.path("/home/bob/.forward"))


def mailing_list(host):
    """2,000 members, nine of them elsewhere and one gone: his failure is the owner's."""
    host.send("bob", "list", "list", [f"m{n}@outside.test" for n in range(9)])
    host.expected["eve", "list"] += MEMBERS - 10
    host.expected["ann", "Your message could not be delivered"] += 1
    host.quiet()


def full_home(host):
    """Bob's disk is full: his letters wait, and nobody else's."""
    ballast = host.path(f"/home/bob/{BALLAST}")
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    for n in range(5):
        host.send("ann", "bob", f"full-{n}", ["bob"], size=20000)
    host.send("bob", f"eve@{HOST}", "beside", ["eve"])
    host.deferred("No space left", but=5)
    os.remove(ballast)
    host.quiet()


def attack(host):
    """What a malicious .forward tries, the kernel and the programs refuse; the letter comes when it is mended."""
    host.put("eve", "attack", ATTACK, 0o755)
    host.put("eve", ".forward", '"|/home/eve/attack", /home/ann/forged, /etc/cron.d/eve\n')
    host.send("ann", "eve", "attack", [])
    host.deferred("", but=1)
    for name in ("ann/forged", "ann/Maildir/new/forged"):
        assert not os.path.exists(host.path(f"/home/{name}"))
    assert not os.path.exists(host.path("/etc/cron.d/eve"))
    with open(host.path("/tmp/attack"), encoding="ascii", errors="replace") as file:
        said = file.read()
    print(said)
    assert "DONE" not in said and said.count("denied") + said.count("not permitted") >= 6, said
    os.remove(host.path("/home/eve/.forward"))
    # each of the two lines that are gone leaves the letter in the mailbox
    host.expected["eve", "attack"] += 2
    host.quiet()


def bomb(host):
    """A fork bomb is ended in time, and delays nobody."""
    host.put("eve", "bomb", BOMB, 0o755)
    host.put("eve", ".forward", '"|/home/eve/bomb"\n')
    host.send("ann", "eve", "bomb", ["eve"])
    for n in range(3):
        host.cron("bob", f"calm-{n}", ["bob"])
    host.deferred("not done in time", but=1)
    os.remove(host.path("/home/eve/.forward"))
    host.quiet()


def flood(host):
    """Eve floods Bob, by as many letters as she can; what cron says to him comes in between."""
    script = "for n in $(seq %d); do %s; done" % (FLOOD, host.words("eve", "/usr/sbin/sendmail -i bob", "flood"))
    flooding = subprocess.Popen(inside(host.root, "sh", "-c", script), env=ENVIRONMENT)
    try:
        for n in range(3):
            host.cron("bob", f"amid-{n}", ["bob"])
    finally:
        assert flooding.wait(WAIT_S) == 0
    host.expected["bob", "flood"] += FLOOD
    host.sent += FLOOD
    host.quiet()


def read_by_dovecot(host):
    """What IMAP and POP3 show of each mailbox, after Culver was stopped."""
    for user in ("ann", "bob", "eve"):
        maildir = os.path.join(host.root, f"home/{user}/Maildir")
        with open(os.path.join(host.root, "etc/passwd"), encoding="ascii") as file:
            fields = next(line.split(":") for line in file if line.startswith(f"{user}:"))
        try:
            with Reader(Entry(user, int(fields[2]), int(fields[3])), maildir) as server:
                with server.imap() as imap:
                    count = int(imap.select("INBOX")[1][0])
                    _, answers = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
                    shown = collections.Counter(subject_of(answer[1]) for answer in answers if isinstance(answer, tuple))
                pop = server.pop3()
                assert pop.stat()[0] == count
                pop.quit()
        except peers.Unavailable as reason:
            pytest.skip(str(reason))
        assert shown == collections.Counter({subject: n for (place, subject), n in host.expected.items() if place == user})


Entry = collections.namedtuple("Entry", "pw_name pw_uid pw_gid")


def test_a_day(host):
    for hours in (morning, mailing_list, full_home, attack, bomb, flood):
        hours(host)
    assert not host.waiting()
    assert run(host.root, "culver queue --json") == ""
    found = host.found()
    wrong = {key: (found[key], host.expected[key]) for key in found.keys() | host.expected.keys() if found[key] != host.expected[key]}
    assert not wrong, f"(have, wanted): {wrong}"
    print(f"{sum(found.values())} letters of {host.sent} that were sent, {len(found)} kinds: all are where they must be")
    assert not glob.glob(host.path("/var/spool/culver/queue/*/*"))
    # Bob's disk goes with the host
    shutil.copytree(host.path("/home/bob/Maildir"), os.path.join(host.root, "home/bob/Maildir"))
    run(host.root, "chown -R bob: /home/bob")
    assert host.close() == 0
    read_by_dovecot(host)
