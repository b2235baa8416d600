"""The delivery agents of the world, run as the user: procmail (set-uid), maildrop (set-gid), Dovecot's LDA, and an LMTP server as the ending."""

import mailbox
import os

import pytest

import culver as helper
import mail
from test_lmtp import dovecot  # noqa: F401 (a fixture)
from test_local import deliver, home, put, read, result, send

PROCMAIL = "/usr/bin/procmail"
MAILDROP = "/usr/bin/maildrop"
LDA = "/usr/lib/dovecot/dovecot-lda"


def needs(path):
    """Skips where the program is not installed."""
    if not os.path.exists(path):
        pytest.skip(f"no {path}")


def test_procmail_from_forward(culver):
    needs(PROCMAIL)
    box, other = result(culver, "pm.box"), result(culver, "pm.other")
    result(culver, "pm.log")
    put(culver, ".forward", f"\"|IFS=' ' && exec {PROCMAIL} -f- -a \\\"$EXTENSION\\\" || exit 75 #{culver.user}\"\n")
    put(culver, ".procmailrc", f"LOGFILE=$HOME/pm.log\nDEFAULT={box}\n:0:\n* ^X-Tag: other\n{other}\n:0\n* ^X-Tag: full\n{{ EXITCODE=73 HOST }}\n",
        mode=0o600)
    culver.start()
    deliver(culver, [culver.address], "plain")
    deliver(culver, [f"{culver.user}+e@local.test"], "other")
    assert len(mailbox.mbox(box)) == 1 and len(mailbox.mbox(other)) == 1
    # one From line, one Return-Path: what we write is what procmail expects
    assert read(box).count("\nFrom ") == 0 and read(box).startswith("From a@client.test ")
    assert culver.wait_event("failed", id=send(culver, [culver.address], "full"))["status"] == "5.2.0"


def test_maildrop_from_forward(culver):
    needs(MAILDROP)
    box = result(culver, "md.box")
    put(culver, ".forward", f'"|{MAILDROP}"\n')
    put(culver, ".mailfilter", 'if (/^X-Tag: later/)\n{\n    EXITCODE=75\n    exit\n}\nto "$HOME/md.box"\n', mode=0o600)
    culver.outbound.append("retry 1h")
    culver.start()
    deliver(culver, [culver.address], "plain")
    assert len(mailbox.mbox(box)) == 1
    assert culver.wait_event("deferred", id=send(culver, [culver.address], "later"))["status"] == "4.3.0"


def test_dovecots_lda_as_the_ending(culver):
    needs(LDA)
    folder = os.path.join(home(culver), "lda")
    os.mkdir(folder)
    entry = culver.place.users[0]
    if os.geteuid() == 0:
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    config = put(culver, "lda.conf", f"mail_location = maildir:{folder}/Maildir\nlog_path = {folder}/log\nssl = no\n"
                 f"base_dir = {folder}/run\nfirst_valid_uid = 1\npostmaster_address = postmaster@local.test\n")
    culver.deliver = f"pipe {LDA} -c {config} -f {{sender}} -a {{original}} -m {{ext}}"
    culver.cleanups.append(lambda: __import__("shutil").rmtree(folder))
    culver.start()
    deliver(culver, [f"{culver.user}+INBOX@local.test"], "lda")
    letter = mail.Maildir(os.path.join(folder, "Maildir")).one("lda")
    assert b"Return-Path: <a@client.test>" in letter and not letter.startswith(b"From ")


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_lmtp_as_the_ending(culver, dovecot, way):  # noqa: F811
    """`deliver lmtp`: of a user past his .forward, of a virtual user at once."""
    hop = f"127.0.0.1:{dovecot.port}" if way == "tcp" else dovecot.socket
    with open(os.path.join(dovecot.folder, "users"), "a", encoding="utf-8") as file:
        file.write(f"{culver.user}:::::::\n")
    users = os.path.join(culver.folder, "users")
    with open(users, "w", encoding="ascii") as file:
        file.write("bob@v.test\n")
    culver.deliver = f"lmtp {hop}"
    culver.general.append(helper.block("domain v.test", [f"users {users}", f"deliver lmtp {hop}"]))
    culver.start()
    deliver(culver, [culver.address, "bob@v.test"], "lmtp")
    for name in (culver.user, "bob"):
        assert len(dovecot.letters(name)) == 1, name
    put(culver, ".forward", "/dev/null\n")
    deliver(culver, [culver.address], "away")
    assert len(dovecot.letters(culver.user)) == 1
