"""PAM judges who logs in, by a program of its own: auth-pam.  Its services are the test's, in a namespace of mounts."""

import os
import subprocess

import pytest

import accounts
import hanging
import mail
import peers
import processes
import smtp
from test_auth import ADDRESS_SHUT, LOGIN, PASSWORD, b64, client_of, guess, guess_at_once, log_in, plain

# asks for nothing beside the environment and the password; `out` is no user, `trouble` cannot be told
SCRIPT = """#!/bin/sh
read -r password
echo "$PAM_TYPE $PAM_SERVICE $PAM_USER $PAM_RHOST" >> {folder}/asked
case "$PAM_USER" in slow*) sleep 60 ;; crash*) kill -9 $PPID ;; esac
[ "$password" = "{password}" ]
"""
ACCOUNT = """#!/bin/sh
[ "$PAM_USER" != barred@local.test ]
"""


def script(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


@pytest.fixture
def services(culver):
    """A folder that is /etc/pam.d for what the test starts."""
    if not accounts.is_root():
        pytest.skip("mounts need root")
    hanging.enter_namespace()
    folder = os.path.join(culver.folder, "pam.d")
    os.mkdir(folder, 0o755)
    os.chmod(folder, 0o755)
    subprocess.run(["mount", "--bind", folder, "/etc/pam.d"], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", "/etc/pam.d"], check=True)


def prepare(culver):
    """A submission port whose logins that service judges."""
    culver.submission = peers.free_port()
    culver.general += [f"listen 127.0.0.1:{culver.submission} submission"]
    culver.auth += ["clear yes", "pam culver-test"]
    return culver.start()


@pytest.fixture
def judged(culver, services):
    """By a script (pam_exec: whatever status it ends by but 0 is trouble, so what says no is pam_deny)."""
    asked = os.path.join(culver.folder, "pam")
    os.mkdir(asked)
    os.chmod(asked, 0o777)
    judge = script(os.path.join(asked, "judge"), SCRIPT.format(folder=asked, password=PASSWORD))
    account = script(os.path.join(asked, "account"), ACCOUNT)
    script(os.path.join(services, "culver-test"),
           f"auth [success=done default=ignore] pam_exec.so quiet expose_authtok {judge}\nauth required pam_deny.so\n"
           f"account [success=done default=ignore] pam_exec.so quiet {account}\naccount required pam_deny.so\n")
    culver.asked = os.path.join(asked, "asked")
    return prepare(culver)


def test_passwords_are_judged_by_pam(judged):
    """PLAIN and LOGIN, nothing else; the module is told who asks."""
    with client_of(judged, source="127.0.7.3") as client:
        assert client.ehlo()["AUTH"].split() == ["PLAIN", "LOGIN"]
        client.command("AUTH SCRAM-SHA-256", 504)
        assert client.command("AUTH PLAIN " + plain(password="wrong"), 535).status == "5.7.8"
        client.command("AUTH PLAIN " + plain(login="barred@local.test"), 535)
        client.command("AUTH LOGIN " + b64(LOGIN), 334)
        client.command(b64(PASSWORD), 235)
        smtp.check(client.message(LOGIN, [judged.address], mail.small("judged")), 250)
    log_in(judged).close()
    with open(judged.asked, encoding="utf-8") as file:
        assert f"auth culver-test {LOGIN} 127.0.7.3\n" in file.readlines()
    assert [(e["login"], e["reason"]) for e in judged.events("login-failed")] == [(LOGIN, "wrong"), ("barred@local.test", "wrong")]


def test_a_module_that_dies_or_hangs_holds_nobody_up(judged):
    """454 for its own client; everybody else logs in meanwhile."""
    with client_of(judged) as slow, client_of(judged) as client:
        slow.send(f"AUTH PLAIN {plain(login='slow@local.test')}\r\n")
        client.command("AUTH PLAIN " + plain(login="crash@local.test"), 454)
        client.command("AUTH PLAIN " + plain(), 235)
        smtp.check(slow.reply(), 454)
    assert {e["reason"] for e in judged.events("login-failed")} == {"trouble"}
    assert judged.wait_event("pam-trouble")["reason"]
    judged.wait_event("question-died")


def test_auth_pam_is_killed_and_comes_back(judged):
    """What is asked meanwhile waits for it."""
    since = judged.mark()
    judged.kill(judged.pid("auth-pam"))
    judged.wait_event("started", since=since, program="auth-pam")
    log_in(judged).close()
    judged.command("reload", check=0)
    log_in(judged).close()


def test_who_guesses_is_slowed_as_ever(judged):
    """And the owner is not."""
    assert guess(judged, "127.0.5.1", password=PASSWORD) == 235
    codes = guess_at_once(judged, ADDRESS_SHUT + 10, "127.0.4.1")
    assert codes.count(535) <= ADDRESS_SHUT and codes.count(454) >= 10, codes
    assert guess(judged, "127.0.4.1", password=PASSWORD) == 454
    assert guess(judged, "127.0.5.9", password=PASSWORD) == 235


def test_a_service_that_is_not_there(culver, services):
    """Nobody logs in; mail from other hosts is taken."""
    del services
    prepare(culver)
    with client_of(culver) as client:
        assert client.command("AUTH PLAIN " + plain()).code in (454, 535)
        client.command(f"MAIL FROM:<{LOGIN}>", 530)
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("mx")), 250)


def test_users_of_the_host_log_in_with_their_passwords(culver, services):
    """pam_unix and a shadow file."""
    if culver.place.mode != "root":
        pytest.skip("an ordinary user has no shadow file")
    user = culver.place.users[0].pw_name
    secret = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True).stdout.strip()
    shadow = os.path.join(culver.folder, "shadow")
    with open("/etc/shadow", encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(user + ":")]
    with open(shadow, "w", encoding="utf-8") as file:
        os.chmod(shadow, 0o600)
        file.write("".join(lines) + f"{user}:{secret}:20000:0:99999:7:::\n")
    script(os.path.join(services, "culver-test"), "auth required pam_unix.so\naccount required pam_unix.so\n")
    subprocess.run(["mount", "--bind", shadow, "/etc/shadow"], check=True)
    try:
        prepare(culver)
        with client_of(culver) as client:
            client.command("AUTH PLAIN " + plain(user, "wrong"), 535)
            client.command("AUTH PLAIN " + plain("nobody-of-this-host", PASSWORD), 535)
            client.command("AUTH PLAIN " + plain(user, PASSWORD), 235)
    finally:
        subprocess.run(["umount", "--lazy", "/etc/shadow"], check=True)


def test_it_is_there_only_where_it_is_wanted(culver):
    """And what auth can reach, nobody else can."""
    culver.start()
    assert not culver.events("started", program="auth-pam")
    assert "auth-pam" not in culver.command("status", check=0).stdout
    assert all(processes.name(pid) != "auth-pam" for pid in processes.descendants(culver.process.pid))
