"""The callers of the world: each hands a letter to sendmail(1) with its own words, and the letter arrives whole.

Where a caller is a program of Debian it is run; daemons (cron) and frameworks are played: with the very words they use.
"""

import os
import re
import shutil
import subprocess

import pytest

import peers
import smtp

BODY = b"a line\n.\n..two dots\nlast line\n"
LETTER = b"To: %s\nSubject: by a caller\n\n" + BODY


@pytest.fixture
def ready(culver):
    """A system that runs and has sendmail's other names."""
    culver.replaced["origin"] = "local.test"
    culver.start()
    culver.named("newaliases")
    return culver


def sendmail_path(culver):
    """A link by that name, as `make install` makes one."""
    culver.named("sendmail", "-bi", check=0)
    return os.path.join(culver.place.folder, "names", "sendmail")


def arrived(culver):
    """The one letter of the first user: (header, body)."""
    culver.wait_event("done")
    letters = culver.maildir().letters()
    assert len(letters) == 1
    return letters[0].split(b"\n\n", 1)


def played(culver, words, letter):
    """sendmail with these words as an ordinary user."""
    return culver.named("sendmail", *words, input=letter, check=0, entry=culver.place.users[0])


# ---- played: {caller: its words}; USER is the recipient, SENDER an address ----

WITH_RECIPIENT = {
    "debian-cron": ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "USER"],
    "vixie-cron": ["-FCronDaemon", "-odi", "-oem", "-oi", "-or0s", "USER"],
    "at": ["-i", "USER"],
    "php-mailer": ["-oi", "-fSENDER", "-t"],
    "php-mail": ["-t", "-i"],
    "gnu-mailx": ["-oi", "-f", "SENDER", "-t"],
    "bsd-mailx": ["-i", "USER"],
    "busybox-crond": ["-ti"],
    "cronie": ["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "SENDER"],
    "mutt": ["-oem", "-oi", "--", "--", "USER"],
    "mutt-with-sender": ["-oem", "-oi", "-f", "SENDER", "-B8BITMIME", "-N", "failure,delay", "-R", "hdrs", "--", "USER"],
    "git-send-email": ["-i", "-f", "SENDER", "USER"],
    "rmail-of-debian": ["-G", "-oee", "-odq", "-oi", "-pUUCP:far", "-fSENDER", "USER"],
    "sympa": ["-oi", "-odi", "-oem", "-N", "success,delay,failure", "-V", "1234@list", "-f", "SENDER", "USER"],
    "mailman": ["-oi", "-f", "SENDER", "-bm", "USER"],
    "smartd": ["-oi", "-t"],
    "logwatch": ["-t"],
    "drupal": ["-t", "-i", "-f", "SENDER"],
    "ruby-mail": ["-i", "-f", "SENDER", "--", "USER"],
    "nodemailer": ["-i", "-f", "SENDER", "USER"],
    "bugzilla": ["-ODeliveryMode=deferred", "-i", "-t"],
    "uucp-glued": ["-h5", "-L", "tag", "-m", "-n", "-U", "-x", "-Am", "-v", "-bm", "-oi", "USER"],
}
KEEPS_DOTS = {"logwatch"}  # does not say -i: a lone dot would end its letter


@pytest.mark.parametrize("caller", sorted(WITH_RECIPIENT))
def test_each_callers_words(ready, caller):
    culver = ready
    words = [word.replace("SENDER", "sender@client.test").replace("USER", culver.user) for word in WITH_RECIPIENT[caller]]
    letter = LETTER % culver.address.encode()
    expected = b"a line\n" if caller in KEEPS_DOTS else BODY
    played(culver, words, letter.replace(b"\n", b"\r\n") if caller.startswith("php") else letter)
    header, body = arrived(culver)
    assert body == expected
    wants = "sender@client.test" if any("SENDER" in word for word in WITH_RECIPIENT[caller]) else culver.address
    assert f"Return-Path: <{wants}>".encode() in header
    if caller in ("debian-cron", "vixie-cron", "cronie"):
        assert f'From: "CronDaemon" <{wants}>'.encode() in header
    for field in (b"Date: ", b"From: ", b"Message-ID: <"):
        assert len(re.findall(rb"^" + field, header, re.M)) == 1, field


def test_symfony_and_laravel_speak_smtp_over_a_pipe(ready):
    culver = ready
    ours = subprocess.Popen(
        [*peers.as_user(culver.place.users[0]), sendmail_path(culver), "-bs", "-i"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**culver.environment(), "CULVER_RUNTIME": culver.runtime})

    def answer():
        while True:
            line = ours.stdout.readline()
            if line[3:4] != b"-":
                return line

    try:
        assert answer().startswith(b"220 ")
        for line, code in (("EHLO [127.0.0.1]", b"250"), ("MAIL FROM:<app@client.test>", b"250"),
                           (f"RCPT TO:<{culver.address}>", b"250"), ("DATA", b"354"),
                           ("Subject: s\r\n\r\nhi\r\n..\r\n.", b"250"), ("QUIT", b"221")):
            ours.stdin.write(line.encode() + b"\r\n")
            ours.stdin.flush()
            assert answer().startswith(code), line
    finally:
        ours.stdin.close()
        assert ours.wait(20) == 0
        ours.stdout.close()
    assert arrived(culver)[1] == b"hi\n.\n"


def test_rmail_takes_the_sender_from_the_mailbox_lines(ready):
    culver = ready
    culver.named("rmail", culver.user, check=0, entry=culver.place.users[0],
                 input=b"From uucp Tue Nov 24 08:00:00 2026 remote from near.test\n"
                       b">From ann Tue Nov 24 08:00:00 2026 remote from far\nSubject: x\n\n" + BODY)
    header, body = arrived(culver)
    assert b"Return-Path: <far!ann@near.test>" in header
    assert b"remote from" not in header and body == BODY


def test_envelope_parameters_reach_the_next_hop(culver):
    with smtp.Sink(extensions=("SIZE", "8BITMIME", "DSN", "PIPELINING", "ENHANCEDSTATUSCODES")) as sink:
        culver.relay_to(sink.port).start()
        played(culver, ["-B8BITMIME", "-Nfailure", "-Rhdrs", "-VAn id", "-f", "me@client.test", "x@remote.test"],
               "Subject: \u00e9\n\n\u00e9\n".encode())
        culver.wait_event("done")
        assert len(sink.messages) == 1
        said = " ".join(text for _, text in sink.commands)
        assert "BODY=8BITMIME RET=HDRS ENVID=An+20id" in said and "NOTIFY=FAILURE" in said, said


def test_too_large_is_refused_before_it_is_sent(culver):
    culver.limit.append("message-size 100K")
    culver.start()
    done = culver.named("sendmail", "-v", "-i", culver.user, check=65, entry=culver.place.users[0],
                        input=b"Subject: x\n\n" + b"x" * 70 + b"\n" * 200000)
    assert b"552" in done.stderr and b">>> DATA" not in done.stderr


def test_verifying_sends_nothing(ready):
    culver = ready
    done = culver.named("sendmail", "-bv", culver.address, "no-such-user-here@local.test", check=67,
                        entry=culver.place.users[0])
    assert f"{culver.address}... deliverable\n".encode() in done.stdout
    assert re.search(rb"^no-such-user-here@local.test\.\.\. 550 ", done.stdout, re.M)
    culver.named("sendmail", "-bv", culver.address, check=0, entry=culver.place.users[0])
    assert not culver.events("queued")


def test_one_message_or_one_domain_is_tried_again(culver):
    culver.outbound.append("retry 1h 1h")
    culver.relay_to(peers.free_port()).start()
    ids = {}
    for name in ("one", "two"):
        played(culver, [f"x@{name}.test"], LETTER % b"x")
        ids[name] = culver.wait_event("deferred", to=f"x@{name}.test")["id"]
    since = culver.mark()
    culver.named("sendmail", f"-qI{ids['one']}", check=0)
    culver.wait_event("deferred", since=since, id=ids["one"])
    culver.named("sendmail", "-qRtwo.test", check=0)
    culver.wait_event("deferred", since=since, id=ids["two"])
    assert len(culver.events("deferred", id=ids["one"])) == 2


# ---- real programs ----

def run_as_user(culver, words, letter, env=None):
    entry = culver.place.users[0]
    environment = {**culver.environment(), "CULVER_RUNTIME": culver.runtime, "HOME": entry.pw_dir,
                   "LOGNAME": entry.pw_name, "USER": entry.pw_name, **(env or {})}
    done = subprocess.run(peers.as_user(entry) + words, input=letter, env=environment, check=False, capture_output=True,
                          timeout=60, cwd="/")
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def debian_program(package, path, *libraries):
    """(path of a program unpacked from Debian's packages, the library path for it); skips where they cannot be had."""
    try:
        return peers.program(package, path, *libraries)
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
        raise


def test_php_mail(ready):
    culver = ready
    php, libraries = debian_program("php8.2-cli", "usr/bin/php8.2")
    sendmail = sendmail_path(culver)
    code = f"exit(mail('{culver.address}', 'by php', \"from php\\n.\\nend\", 'From: app@client.test') ? 0 : 1);"
    run_as_user(culver, [php, "-n", "-d", f"sendmail_path={sendmail} -t -i", "-r", code], b"",
                {"LD_LIBRARY_PATH": libraries})
    header, body = arrived(culver)
    assert b"\nSubject: by php\n" in header and b"\nFrom: app@client.test" in header
    assert body == b"from php\n.\nend\n"


def test_bsd_mailx(ready):
    culver = ready
    mailx, libraries = debian_program("bsd-mailx", "usr/bin/bsd-mailx", "liblockfile1")
    run_as_user(culver, [mailx, "-n", "-s", "by mailx", culver.address], b"set sendmail\nfrom mailx\n",
                {"LD_LIBRARY_PATH": libraries, "MAILRC": mail_rc(culver, f"set sendmail={sendmail_path(culver)}\n")})
    assert b"from mailx\n" in arrived(culver)[1]


def mail_rc(culver, text):
    path = os.path.join(culver.folder, "mailrc")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


def test_gnu_mailutils(ready):
    culver = ready
    program, libraries = debian_program("mailutils", "usr/bin/mail.mailutils", "libmailutils9", "libgsasl18", "libntlm0",
                                        "libgssglue1", "guile-3.0-libs", "mailutils-common", "libpython3.11",
                                        "libmariadb3", "libpq5", "libfribidi0")
    run_as_user(culver, [program, "--no-config", "--set", f"mailer.url=sendmail:{sendmail_path(culver)}", "-E",
                         f"set sendmail=sendmail:{sendmail_path(culver)}", "-s", "by mailutils", culver.address],
                b"from mailutils\n", {"LD_LIBRARY_PATH": libraries})
    assert b"from mailutils\n" in arrived(culver)[1]


def test_git_send_email(ready):
    culver = ready
    helper = "/usr/lib/git-core/git-send-email"
    if not shutil.which("git") or not os.path.exists(helper):
        pytest.skip("git send-email is not installed")
    patch = os.path.join(culver.folder, "0001-a.patch")
    with open(patch, "w", encoding="ascii") as file:
        file.write(f"From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@client.test>\nSubject: [PATCH] a\n\n.\nend\n")
    os.chmod(patch, 0o644)
    run_as_user(culver, ["git", "send-email", "--quiet", "--confirm=never", "--from", "a@client.test", "--to", culver.address,
                         "--smtp-server", sendmail_path(culver), patch], b"",
                {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_DIR": "/nonexistent"})
    header, body = arrived(culver)
    assert b"Subject: [PATCH] a" in header and body == b".\nend\n"


@pytest.mark.parametrize("name", ["s-nail", "mutt", "msmtp"])
def test_mail_clients(ready, name):
    culver = ready
    sendmail = sendmail_path(culver)
    words = {
        "s-nail": ["s-nail", "-:/", "-Ssendwait", f"-Smta={sendmail}", "-s", "by s-nail", culver.address],
        "mutt": ["mutt", "-n", "-F", "/dev/null", "-e", f"set sendmail='{sendmail} -oem -oi --'", "-e", "unset record",
                 "-s", "by mutt", culver.address],
        "msmtp": ["msmtp", "--host=127.0.0.1", f"--port={culver.port}", "--auth=off", "--tls=off",
                  f"--from={culver.address}", culver.address],
    }[name]
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    run_as_user(culver, words, (b"Subject: x\n\n" if name == "msmtp" else b"") + f"from {name}\n".encode())
    assert f"from {name}\n".encode() in arrived(culver)[1]


@pytest.mark.parametrize("stopped", [False, True])
def test_from_a_container_and_of_a_uid_without_a_name(ready, stopped):
    """Network and process namespaces of its own, a uid that no user database knows: the kernel says who it is all the same."""
    culver = ready
    if culver.place.mode != "root" or not shutil.which("unshare"):
        pytest.skip("needs root and unshare")
    if stopped:
        culver.stop()
    words = ["unshare", "-n", "-p", "-f", "-i", "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
             sendmail_path(culver), "-i", culver.address]
    done = subprocess.run(words, input=LETTER % culver.address.encode(), capture_output=True, check=False, timeout=60,
                          env={**culver.environment(), "CULVER_RUNTIME": culver.runtime}, cwd="/")
    assert done.returncode == 0, done.stderr
    if stopped:
        culver.start()
    header, body = arrived(culver)
    assert b"(uid 54321)" in header and b"Return-Path: <uid54321@local.test>" in header and body == BODY
