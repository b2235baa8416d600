"""A real Dovecot judges who logs in: by its mechanisms, with its answers; without it nobody logs in, and mail is taken as ever."""

import socket
import subprocess
import threading

import pytest

import dovecot
import mail
import peers
import processes
import smtp
from test_auth import ADDRESS_FREE, ADDRESS_SHUT, CLIENTS, LOGIN, PASSWORD, b64, client_of, guess, guess_at_once, log_in, plain

TOKENS = ("OAUTHBEARER", "XOAUTH2")


def token_response(mechanism, login, token):
    """RFC 7628, section 3.1; XOAUTH2 as Google has it."""
    if mechanism == "OAUTHBEARER":
        return b64(f"n,a={login},\1host=mx.test\1port=587\1auth=Bearer {token}\1\1")
    return b64(f"user={login}\1auth=Bearer {token}\1\1")


@pytest.fixture
def judge():
    """A Dovecot that runs."""
    try:
        instance = dovecot.Judge()
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    with instance:
        yield instance


def prepare(culver, address):
    """A submission port whose logins that address judges."""
    culver.submission = peers.free_port()
    culver.general += [f"listen 127.0.0.1:{culver.submission} submission"]
    culver.auth += ["clear yes", f"dovecot {address}"]
    culver.write()
    culver.start()
    return culver


@pytest.fixture(params=["unix", "tcp"])
def judged(request, culver, judge):
    """An instance that asks it."""
    prepare(culver, judge.socket if request.param == "unix" else f"127.0.0.1:{judge.port}")
    culver.wait_event("dovecot-mechanisms")
    return culver


def test_its_mechanisms_are_offered_and_clients_log_in(judged):
    """Clients of the world by every one that they know."""
    with smtp.Client(judged.submission) as client:
        offered = client.ehlo()["AUTH"].split()
    assert set(offered) == {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", *TOKENS}
    for number, (name, run) in enumerate(CLIENTS.items()):
        since = judged.mark()
        run(judged, f"dovecot {number}")
        event = judged.wait_event("authenticated", since=since)
        assert event["login"] == LOGIN and event["mechanism"].lower() == name.split(" ")[1].lower(), name
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5"):
        for password, right in ((PASSWORD, True), ("a pencil", False)):
            done = subprocess.run(
                ["gsasl", "--smtp", "--no-starttls", "-m", mechanism, "-a", LOGIN, "-p", password, "127.0.0.1", str(judged.submission)],
                input=b"", capture_output=True, check=False, timeout=60)
            output = done.stdout + done.stderr
            assert (b"\n235 2.7.0" in output) == right, output
            assert (b"535 5.7.8" in output) != right, output


def test_the_dialogue_goes_through(judged):
    """With an initial response and without, cancelled, empty, and one behind another."""
    with client_of(judged) as client:
        assert client.command("AUTH LOGIN", 334).text == b64("Username:")
        client.command("*", 501)
        client.command("AUTH PLAIN", 334)
        client.command("=", 501)
        client.command("AUTH PLAIN =", 535)
        client.command("AUTH PLAIN " + plain(password="wrong"), 535)
        client.command("AUTH LOGIN", 334)
        client.command(b64(LOGIN), 334)
        assert client.command(b64(PASSWORD), 235).status == "2.7.0"
        smtp.check(client.message(LOGIN, [judged.address], mail.small("judged")), 250)
    assert [e["login"] for e in judged.events("login-failed")] == ["", LOGIN]


@pytest.mark.parametrize("mechanism", TOKENS)
def test_tokens(judged, judge, mechanism):
    """A right one, one of somebody else, one that is over, and one that nobody signed; the client hears why, and then 535."""
    with client_of(judged) as client:
        for token in (judge.token("bob@local.test"), judge.token(LOGIN, -30), judge.token(LOGIN)[:-4] + "AAAA", "x"):
            client.command(f"AUTH {mechanism} " + token_response(mechanism, LOGIN, token), 334)
            assert client.command(b64("\1"), 535).status == "5.7.8"
        client.command(f"AUTH {mechanism}", 334)
        client.command(token_response(mechanism, LOGIN, judge.token(LOGIN)), 235)
        smtp.check(client.message(LOGIN, [judged.address], mail.small("token")), 250)
    assert judged.wait_event("authenticated")["login"] == LOGIN
    assert [e["login"] for e in judged.events("login-failed")] == [LOGIN] * 4


def test_programs_log_in_by_a_token(judged, judge):
    """curl and msmtp, each in its way."""
    letter = b"Subject: x\r\n\r\ntext\r\n"
    curl = ["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{judged.submission}", "--user", LOGIN, "--oauth2-bearer", judge.token(LOGIN),
            "--mail-from", LOGIN, "--mail-rcpt", judged.address, "--upload-file", "-"]
    msmtp = ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={judged.submission}", "--tls=off", f"--user={LOGIN}", f"--from={LOGIN}",
             f"--passwordeval=echo {judge.token(LOGIN)}"]
    for mechanism, words in {"OAUTHBEARER": curl, "XOAUTH2": [*msmtp, "--auth=xoauth2", judged.address]}.items():
        since = judged.mark()
        done = subprocess.run(words, input=letter, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert judged.wait_event("authenticated", since=since)["mechanism"] == mechanism


def test_it_is_told_who_asks(judged, judge):
    """The client's address and ours, and the session."""
    with log_in(judged, source="127.0.7.3"):
        session = judged.wait_event("authenticated")["session"]
    said = judge.log()
    assert "service=smtp" in said and "rip=127.0.7.3" in said and "lip=127.0.0.1" in said and f"session={session}" in said
    assert "secured" not in said


def test_who_guesses_is_slowed_as_ever(culver, judge):
    """Dovecot judges, and it is counted here: for the address, and not against the owner elsewhere."""
    prepare(culver, judge.socket)
    assert guess(culver, "127.0.5.1", password=PASSWORD) == 235
    codes = guess_at_once(culver, ADDRESS_SHUT + 10, "127.0.4.1")
    assert codes.count(535) <= ADDRESS_SHUT and codes.count(454) >= 10, codes
    assert len(culver.events("guesser-slowed", client="127.0.4.1")) >= codes.count(535) - ADDRESS_FREE
    assert guess(culver, "127.0.4.1", password=PASSWORD) == 454
    since = culver.mark()
    assert guess(culver, "127.0.5.9", password=PASSWORD) == 235
    assert not culver.events("guesser-slowed", since=since)


def test_a_dead_dovecot_is_454(culver, judge):
    """And port 25 goes on; a new one is asked at once."""
    prepare(culver, judge.socket)
    culver.wait_event("dovecot-mechanisms")
    log_in(culver).close()
    judge.stop()
    with client_of(culver) as client:
        assert "cannot be checked now" in client.command("AUTH PLAIN " + plain(), 454).text
        client.command(f"MAIL FROM:<{LOGIN}>", 530)
    assert culver.wait_event("dovecot-trouble")["reason"]
    assert culver.wait_event("login-failed")["reason"] == "trouble"
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("mx")), 250)
    judge.start()
    log_in(culver).close()


def test_it_dies_between_two_steps(culver, judge):
    """The second step is 454."""
    prepare(culver, judge.socket)
    culver.wait_event("dovecot-mechanisms")
    with client_of(culver) as client:
        client.command("AUTH LOGIN", 334)
        client.command(b64(LOGIN), 334)
        # a Dovecot that stops serves who is connected to its end
        judge.kill()
        client.command(b64(PASSWORD), 454)
    judge.start()
    log_in(culver).close()


class Impostor(threading.Thread):
    """Says .script to everybody who connects, and closes; not what Dovecot would say."""

    def __init__(self):
        super().__init__(daemon=True)
        self.script = ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(self.script.encode())
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                except OSError:
                    pass  # it left before the end

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()


HELLO = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tSCRAM-SHA-256\tprivate\nMECH\tANONYMOUS\tanonymous\nMECH\tEXTERNAL\nDONE\n"
WRONG = ["garbage\n", "VERSION\t2\t0\nDONE\n", "DONE\n", HELLO + f"OK\t2\tuser={LOGIN}\n", HELLO + "OK\t1\n", HELLO + f"OK\t\tuser={LOGIN}\n",
         HELLO + f"OK\t1\tuser={LOGIN}\nOK\t1\tuser=x\n", HELLO + "CONT\t1\t!!!\n", HELLO + "CONT\t1\t" + "A" * 4000 + "\n", HELLO + "FAIL\t1\ttemp\n",
         HELLO + f"OK\t1\tuser={'x' * 300}\n", HELLO + f"OK\t1\tuser={LOGIN}\0\n", "x" * 20000, "", HELLO, HELLO + f"OK\t1\tuser={LOGIN}"]


def test_the_helper_is_confined_too(culver, judge):
    """It and auth: no files, no network but the one address, and the room where there is one."""
    prepare(culver, f"127.0.0.1:{judge.port}")
    culver.wait_event("dovecot-mechanisms")
    auth = culver.pid("auth")
    helpers = processes.children(auth)
    assert len(helpers) == 1
    for pid in (auth, *helpers):
        status = processes.confinement(pid)
        assert status["seccomp"] == 2 and status["no_new_privs"] == 1, status
    culver.command("sandbox", check=0)
    # without it nobody logs in; it comes back with auth
    culver.kill(helpers[0])
    with client_of(culver) as client:
        client.command("AUTH PLAIN " + plain(), 454)
    since = culver.mark()
    culver.kill(auth)
    culver.wait_event("dovecot-mechanisms", since=since)
    log_in(culver).close()


def test_what_speaks_otherwise_lets_nobody_in(culver):
    """Nonsense, another version, an answer to another request, one too many, too long a line: 454, and auth lives."""
    with Impostor() as impostor:
        impostor.script = HELLO
        prepare(culver, f"127.0.0.1:{impostor.port}")
        # neither what is for its own programs, nor for everybody; EXTERNAL without a certificate would be
        assert culver.wait_event("dovecot-mechanisms")["mechanisms"] == "PLAIN EXTERNAL"
        with client_of(culver) as client:
            for script in WRONG:
                impostor.script = script
                client.command("AUTH PLAIN " + plain(), 454)
            impostor.script = HELLO + f"OK\t1\tuser={LOGIN}\tnologin\n"
            client.command("AUTH PLAIN " + plain(), 535)
            impostor.script = HELLO + f"WHAT\t1\nOK\t1\tuser={LOGIN.upper()}\n"
            client.command("AUTH PLAIN " + plain("somebody"), 235)
        assert culver.wait_event("authenticated")["login"] == LOGIN
    assert not culver.events("check-died")
