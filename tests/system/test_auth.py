"""AUTH and submission: the clients of the world log in, everybody else does not, and who guesses waits."""

import base64
import concurrent.futures
import os
import pty
import re
import smtplib
import sqlite3
import subprocess
import urllib.parse

import pytest

import certificates
import culver as helper
import mail
import peers
import processes
import smtp
import wire

PASSWORD = "a pencil, and =2C"
LOGIN = "ann@local.test"
# auth/guessers.h
ADDRESS_FREE = 3
ADDRESS_SHUT = 20
MESSAGE = "X-Tag: {}\r\nFrom: <{}>\r\n\r\ntext\r\n"


def b64(text):
    """As AUTH wants it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(login=LOGIN, password=PASSWORD):
    """The one message of PLAIN."""
    return b64(f"\0{login}\0{password}")


def user(culver, *words, password=None, check=0):
    """culver user WORDS, the password as a line of its standard input."""
    return culver.command("user", *words, input=None if password is None else password + "\n", check=check)


def prepare(culver, *more, clear=True):
    """With a submission port, where the loopback may log in without TLS (if `clear`), and an account."""
    culver.submission = peers.free_port()
    culver.general += [f"listen 127.0.0.1:{culver.submission} submission", *more]
    if clear:
        culver.auth.append("clear yes")
    culver.write()
    user(culver, "add", LOGIN, password=PASSWORD)
    return culver


@pytest.fixture
def submission(culver):
    """An instance that was prepared so, and runs."""
    return prepare(culver).start()


def client_of(culver, **options):
    """A client of the submission port, greeted."""
    client = smtp.Client(culver.submission, **options)
    client.ehlo()
    return client


def log_in(culver, login=LOGIN, password=PASSWORD, expect=235, **options):
    """A client that said AUTH PLAIN."""
    client = client_of(culver, **options)
    client.command("AUTH PLAIN " + plain(login, password), expect)
    return client


# ---- clients of the world ----

def with_swaks(mechanism):
    def run(culver, subject):
        peers.swaks(culver.submission, "--auth", mechanism, "--auth-user", LOGIN, "--auth-password", PASSWORD, "--from", LOGIN,
                    "--to", culver.address, "--header", f"X-Tag: {subject}")
    return run


def with_smtplib(mechanism):
    def run(culver, subject):
        with smtplib.SMTP("127.0.0.1", culver.submission) as client:
            client.user, client.password = LOGIN, PASSWORD
            client.ehlo()
            client.auth(mechanism, {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism])
            client.sendmail(LOGIN, [culver.address], MESSAGE.format(subject, LOGIN))
    return run


def with_msmtp(mechanism):
    def run(culver, subject):
        done = subprocess.run(
            ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={culver.submission}", f"--auth={mechanism}", "--tls=off", f"--user={LOGIN}",
             f"--passwordeval=printf '%s\\n' '{PASSWORD}'", f"--from={LOGIN}", culver.address],
            input=MESSAGE.format(subject, LOGIN).encode(), capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
    return run


CLIENTS = {"swaks PLAIN": with_swaks("PLAIN"), "swaks LOGIN": with_swaks("LOGIN"), "smtplib PLAIN": with_smtplib("PLAIN"),
           "smtplib LOGIN": with_smtplib("LOGIN"), "msmtp scram-sha-256": with_msmtp("scram-sha-256"),
           "msmtp scram-sha-1": with_msmtp("scram-sha-1")}


def test_clients_of_the_world_log_in_and_send(submission):
    """What they send arrives, and its login stands wherever it must."""
    for number, (name, run) in enumerate(CLIENTS.items()):
        since = submission.mark()
        run(submission, f"client {number}")
        event = submission.wait_event("authenticated", since=since)
        assert event["login"] == LOGIN, name
        assert event["mechanism"].lower() == name.split(" ")[1].lower(), name
        accepted = submission.wait_event("accepted", since=since)
        assert accepted["login"] == LOGIN, name
        submission.wait_event("done", id=accepted["id"])
        text = submission.maildir().one(f"client {number}")
        assert b" with ESMTPA id " in text, name


def test_gsasl_trusts_us_by_scram(submission):
    """The client checks our signature too; and it says so when the password is another."""
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN", "LOGIN"):
        for password, right in ((PASSWORD, True), ("a pencil", False)):
            done = subprocess.run(
                ["gsasl", "--smtp", "--no-starttls", "-m", mechanism, "-a", LOGIN, "-p", password, "127.0.0.1", str(submission.submission)],
                input=b"", capture_output=True, check=False, timeout=60)
            output = done.stdout + done.stderr
            assert (b"\n235 2.7.0" in output) == right, output
            assert (b"535 5.7.8" in output) != right, output
            if right and mechanism.startswith("SCRAM"):
                assert b"server trusted" in output, output


# ---- what is offered, and where ----

def test_who_submits_must_log_in(submission):
    """Even from relay-from; the mx port asks nobody."""
    with client_of(submission) as client:
        assert client.command(f"MAIL FROM:<{LOGIN}>", 530).status == "5.7.0"
        client.command(f"RCPT TO:<{submission.address}>", 503)
    with submission.smtp() as client:
        assert "AUTH" not in client.ehlo()
        client.command("AUTH PLAIN " + plain(), 502)
        smtp.check(client.message("a@client.test", [submission.address], mail.small("mx")), 250)


def test_no_password_goes_in_clear(culver):
    """Unless the configuration says so: AUTH is not offered, and refused before the password is asked for."""
    culver.listen = ["auth yes"]
    culver.write()
    user(culver, "add", LOGIN, password=PASSWORD)
    culver.start()
    with culver.smtp() as client:
        assert "AUTH" not in client.ehlo()
        assert client.command("AUTH LOGIN", 538).status == "5.7.11"
        client.command("AUTH PLAIN " + plain(), 538)
        client.command("MAIL FROM:<a@client.test> AUTH=<>", 250)
    assert not culver.events("authenticated")


# ---- under TLS ----

@pytest.fixture
def secure(culver):
    """An instance whose submission ports, one of them with TLS from the first byte on, take passwords under TLS alone."""
    pair = certificates.Pair(culver.folder, "mx", owner=culver.place.runner.pw_uid)
    culver.implicit = peers.free_port()
    tls = helper.block("tls", [f"certificate {pair.certificate}", f"key {pair.key}"])
    listen = helper.block(f"listen 127.0.0.1:{culver.implicit} submission", ["implicit-tls yes"])
    return prepare(culver, tls, listen, clear=False).start()


def secure_client(culver):
    """A client that has said EHLO under STARTTLS."""
    client = certificates.Client(culver.submission)
    client.ehlo()
    client.starttls()
    client.ehlo()
    return client


def smtplib_under_tls(culver, subject, client):
    with client:
        client.login(LOGIN, PASSWORD, initial_response_ok=True)
        client.sendmail(LOGIN, [culver.address], MESSAGE.format(subject, LOGIN))


def swaks_under_tls(culver, subject, port, how):
    peers.swaks(port, how, "--auth", "PLAIN", "--auth-user", LOGIN, "--auth-password", PASSWORD, "--from", LOGIN, "--to", culver.address,
                "--header", f"X-Tag: {subject}")


def smtplib_starttls(culver, subject):
    client = smtplib.SMTP("127.0.0.1", culver.submission)
    client.starttls(context=certificates.client_context())
    smtplib_under_tls(culver, subject, client)


def smtplib_implicit(culver, subject):
    smtplib_under_tls(culver, subject, smtplib.SMTP_SSL("127.0.0.1", culver.implicit, context=certificates.client_context()))


def curl_under_tls(culver, subject, url, *words):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--insecure", url, *words, "--user", f"{LOGIN}:{PASSWORD}", "--mail-from", LOGIN, "--mail-rcpt", culver.address,
         "--upload-file", "-"],
        input=MESSAGE.format(subject, LOGIN).encode(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def s_nail_under_tls(culver, subject):
    """Its password in a URL: what is no letter or digit as %XX."""
    secret = urllib.parse.quote(PASSWORD, safe="")
    done = subprocess.run(
        ["s-nail", "-:/", "-S", "v15-compat", "-S", "ttycharset=us-ascii", "-S", "tls-verify=ignore", "-S", "smtp-auth=login", "-S", f"from={LOGIN}",
         "-S", f"mta=smtps://{urllib.parse.quote(LOGIN, safe='')}:{secret}@127.0.0.1:{culver.implicit}", "-S", "hostname=client.test", "-S", "sendwait",
         "-C", f"X-Tag: {subject}", "-s", "x", culver.address],
        input=b"text\n", capture_output=True, check=False, timeout=60, env={"PATH": os.environ["PATH"], "HOME": culver.folder})
    assert done.returncode == 0, done.stderr


UNDER_TLS = {"curl smtps PLAIN": lambda culver, subject: curl_under_tls(culver, subject, f"smtps://127.0.0.1:{culver.implicit}",
                                                                        "--login-options", "AUTH=PLAIN"),
             "curl STARTTLS LOGIN": lambda culver, subject: curl_under_tls(culver, subject, f"smtp://127.0.0.1:{culver.submission}", "--ssl-reqd",
                                                                           "--login-options", "AUTH=LOGIN"),
             "s-nail smtps": s_nail_under_tls,
             "swaks STARTTLS": lambda culver, subject: swaks_under_tls(culver, subject, culver.submission, "-tls"),
             "swaks implicit": lambda culver, subject: swaks_under_tls(culver, subject, culver.implicit, "-tlsc"),
             "smtplib STARTTLS": smtplib_starttls, "smtplib implicit": smtplib_implicit}


def test_clients_log_in_under_tls(secure):
    """Behind STARTTLS and from the first byte on; Received says both."""
    for number, (name, run) in enumerate(UNDER_TLS.items()):
        since = secure.mark()
        run(secure, f"under {number}")
        assert secure.wait_event("authenticated", since=since)["login"] == LOGIN, name
        accepted = secure.wait_event("accepted", since=since)
        assert accepted["login"] == LOGIN and accepted["tls"].startswith("TLSv1."), name
        secure.wait_event("done", id=accepted["id"])
        text = secure.maildir().one(f"under {number}")
        assert re.search(rb" with ESMTPSA \(TLSv1\.\d\) id ", text), name


def test_auth_begins_with_tls(secure):
    """Not offered before it, nor is mail taken; STARTTLS does not come behind a login."""
    with certificates.Client(secure.submission) as client:
        said = client.ehlo()
        assert "STARTTLS" in said and "AUTH" not in said
        assert client.command("AUTH PLAIN " + plain(), 538).status == "5.7.11"
        client.command(f"MAIL FROM:<{LOGIN}>", 530)
        client.starttls()
        assert client.command("AUTH PLAIN " + plain(), 503).status == "5.5.1"
        assert "AUTH" in client.ehlo()
        client.command("AUTH PLAIN " + plain(), 235)
        client.command("STARTTLS", 503)
        assert "AUTH" not in client.ehlo()
        smtp.check(client.message(LOGIN, [secure.address], mail.small("behind")), 250)


def test_a_login_in_clear_is_not_carried_into_tls(secure):
    """What was known before a handshake counts for nothing: so there is none behind a login."""
    secure.auth.append("clear yes")
    secure.write()
    secure.command("reload", check=0)
    with certificates.Client(secure.submission) as client:
        assert "AUTH" in client.ehlo()
        client.command("AUTH PLAIN " + plain(), 235)
        assert "STARTTLS" not in client.ehlo()
        assert client.command("STARTTLS", 503).status == "5.5.1"
        smtp.check(client.message(LOGIN, [secure.address], mail.small("in clear")), 250)


def test_a_login_relays(culver):
    """From where nobody else may."""
    with smtp.Sink() as sink:
        prepare(culver.relay_to(sink.port), "relay-from none").start()
        with log_in(culver) as client:
            reply = client.message(LOGIN, ["x@remote.test"], mail.small("relayed"))
            smtp.check(reply, 250)
            culver.wait_event("done", id=culver.accepted_id(reply))
        with culver.smtp() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@client.test>", 250)
            client.command("RCPT TO:<x@remote.test>", 550)


# ---- the dialogue ----

def test_the_dialogue_is_read_strictly(submission):
    """RFC 4954, section 4; a client that is corrected can still log in."""
    with client_of(submission) as client:
        assert client.command("AUTH", 501).status == "5.5.4"
        assert client.command("AUTH PLAIN x y", 501).status == "5.5.4"
        assert client.command("AUTH GSSAPI", 504).status == "5.5.4"
        assert client.command("AUTH SCRAM-SHA-256-PLUS", 504).status == "5.5.4"
        assert client.command("AUTH PLAIN !!!", 501).status == "5.5.2"
        assert client.command("AUTH PLAIN =", 501).status == "5.5.2"
        assert client.command("AUTH PLAIN", 334).text == ""
        assert client.command("*", 501).status == "5.7.0"
        client.command("AUTH PLAIN", 334)
        assert client.command("not base64", 501).status == "5.5.2"
        client.command("AUTH PLAIN", 334)
        assert client.command("A" * 12300, 500).status == "5.5.6"
        client.command("AUTH PLAIN", 334)
        assert client.command("A" * 12288, 501).status == "5.5.2"
        assert client.command("AUTH SCRAM-SHA-256 " + b64("p=tls-exporter,,n=x,r=y"), 535).status == "5.7.8"
        assert client.command("AUTH LOGIN", 334).text == b64("Username:")
        assert client.command(b64(LOGIN), 334).text == b64("Password:")
        assert client.command(b64(PASSWORD), 235).status == "2.7.0"
        assert client.command("AUTH PLAIN " + plain(), 503).status == "5.5.1"
        assert "AUTH" not in client.ehlo()
        client.command(f"MAIL FROM:<{LOGIN}> AUTH=<>", 250)
        client.command("AUTH LOGIN", 503)
        client.command("RSET", 250)
        client.command(f"MAIL FROM:<{LOGIN}> AUTH=e+3Dmc2@example.com", 250)
        client.command("RSET", 250)
        client.command(f"MAIL FROM:<{LOGIN}> AUTH=+zz", 501)
    with smtp.Client(submission.submission) as client:
        client.command("HELO client.test", 250)
        client.command("AUTH PLAIN " + plain(), 503)
    # commands of another's making are not taken for those of the one who logs in
    with client_of(submission) as client:
        client.send(f"AUTH PLAIN {plain()}\r\nMAIL FROM:<{LOGIN}>\r\n")
        smtp.check(client.reply(), 554)
        assert client.ended()


def test_wrong_passwords_end_the_session(submission):
    """535, and the fifth is the last; it is told who was tried."""
    with client_of(submission, source="127.0.7.1") as client:
        for number in range(4):
            assert client.command("AUTH PLAIN " + plain(password=f"wrong {number}"), 535).status == "5.7.8"
        client.command("AUTH PLAIN " + plain(login="nobody"), 535)
        smtp.check(client.reply(), 421)
        assert client.ended()
    failed = submission.events("login-failed")
    assert [e["login"] for e in failed] == [LOGIN] * 4 + ["nobody"]
    assert {e["reason"] for e in failed} == {"wrong"} and {e["client"] for e in failed} == {"127.0.7.1"}
    submission.wait_event("disconnected", reason="logins")


# ---- senders ----

def try_senders(culver, login, expected):
    with log_in(culver, login) as client:
        for sender, code in expected.items():
            reply = client.command(f"MAIL FROM:<{sender}>", code)
            assert code != 553 or reply.status == "5.7.1"
            client.command("RSET", 250)


def test_a_login_owns_its_addresses(culver):
    """Its own with any extension, the null sender, and what the table says."""
    table = os.path.join(culver.folder, "senders")
    with open(table, "w", encoding="ascii") as file:
        file.write(f"sales@local.test {LOGIN}, carl\nlist@local.test carl\n@carl.test carl\nann@carl.test {LOGIN}\n")
    os.chmod(table, 0o644)
    prepare(culver, "origin here.test")
    user(culver, "add", "carl", password=PASSWORD)
    culver.start()
    try_senders(culver, LOGIN, {LOGIN: 250, "Ann+x@Local.Test": 250, "": 250, "carl@here.test": 553, "sales@local.test": 553,
                                "ann@other.test": 553, "nn@local.test": 553, "ann@local.test.evil.test": 553})
    try_senders(culver, "carl", {"carl@here.test": 250, "carl@local.test": 553})
    culver.auth.append(f"senders {table}")
    culver.write()
    culver.command("reload", check=0)
    try_senders(culver, LOGIN, {LOGIN: 250, "sales@local.test": 250, "sales+x@local.test": 250, "list@local.test": 553,
                                "ann@carl.test": 250, "bob@carl.test": 553})
    try_senders(culver, "carl", {"carl@here.test": 250, "sales@local.test": 250, "list@local.test": 250, "x@carl.test": 250,
                                 "ann@carl.test": 553})
    culver.command("check", check=0)
    # a table that cannot be read lets nobody through, and refuses nobody for good
    os.unlink(table)
    with log_in(culver, "carl") as client:
        while (reply := client.command("MAIL FROM:<list@local.test>")).code == 250:
            client.command("RSET", 250)  # the table is looked at once a second
        assert reply.code == 451
        client.command("MAIL FROM:<carl@here.test>", 250)


# ---- who guesses ----

def guess(culver, source, login=LOGIN, password="wrong"):
    """The code of one attempt from that address."""
    with client_of(culver, source=source) as client:
        return client.command("AUTH PLAIN " + plain(login, password)).code


def guess_at_once(culver, count, source, **options):
    """The codes of many."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: guess(culver, source, **options), range(count)))


def test_who_guesses_is_slowed_and_the_owner_is_not(submission):
    """Many at once from one address: answers are held back, then there are none; a reload forgets nothing; others log in."""
    assert guess(submission, "127.0.5.1", password=PASSWORD) == 235
    codes = guess_at_once(submission, ADDRESS_SHUT + 10, "127.0.4.1")
    assert codes.count(535) <= ADDRESS_SHUT and codes.count(454) >= 10, codes
    # the log may come behind the answers
    submission.wait_event("guesser-slowed", client="127.0.4.1", count=codes.count(535) - ADDRESS_FREE)
    slowed = submission.events("guesser-slowed", client="127.0.4.1")
    assert max(int(e["ms"]) for e in slowed) == 8000
    assert guess(submission, "127.0.4.1", password=PASSWORD) == 454
    assert submission.events("login-failed", reason="guesses")
    auth = submission.pid("auth")
    submission.command("reload", check=0)
    assert submission.pid("auth") == auth
    assert guess(submission, "127.0.4.1", password=PASSWORD) == 454
    # the owner, from where she has been; her neighbours' guesses, and even her own address's, are nothing to her
    since = submission.mark()
    assert guess(submission, "127.0.5.9", password=PASSWORD) == 235
    assert not submission.events("guesser-slowed", since=since)
    guess_at_once(submission, ADDRESS_SHUT + 1, "127.0.5.1", login="nobody")
    assert guess(submission, "127.0.5.1", password=PASSWORD) == 235
    # and another, from anywhere
    user(submission, "add", "bob", password=PASSWORD)
    assert guess(submission, "127.0.6.1", login="bob", password=PASSWORD) == 235


def test_one_who_waits_delays_nobody(submission):
    """Exchanges that stand still, half-way and in number: everybody else logs in."""
    idle = [client_of(submission, source="127.0.8.1") for _ in range(60)]
    for client in idle:
        client.command("AUTH SCRAM-SHA-256 " + b64("n,,n=someone,r=abc"), 334)
    with log_in(submission) as client:
        smtp.check(client.message(LOGIN, [submission.address], mail.small("through")), 250)
    for client in idle:
        client.close()


# ---- when something is gone ----

def test_auth_is_killed_and_comes_back(submission):
    """An exchange that was under way is 454; the next one waits for the new process; mail from other hosts never notices."""
    client = client_of(submission)
    client.command("AUTH LOGIN", 334)
    since = submission.mark()
    submission.kill(submission.pid("auth"))
    with submission.smtp() as other:
        other.ehlo()
        smtp.check(other.message("a@client.test", [submission.address], mail.small("meanwhile")), 250)
    assert client.command(b64(LOGIN), 454).status == "4.7.0"
    client.command("AUTH PLAIN " + plain(), 235)
    client.close()
    submission.wait_event("serving", program="auth", since=since)


def test_without_accounts_it_is_temporary(culver):
    """No database, one that is none, one that is half changed: 454, and the mx port goes on."""
    prepare(culver).start()
    database = os.path.join(culver.accounts_path, "accounts.db")
    owner = os.stat(database)
    with open(database, "rb") as file:
        content = file.read()
    states = {"gone": None, "no database": b"x" * 5000, "empty": b""}
    for name, state in states.items():
        os.unlink(database)
        if state is not None:
            with open(database, "wb") as file:
                file.write(state)
            os.chmod(database, 0o644)
        since = culver.mark()
        with client_of(culver) as client:
            assert client.command("AUTH PLAIN " + plain(), 454).status == "4.7.0", name
        culver.wait_event("accounts-trouble", since=since)
        if state is None:
            open(database, "wb").close()
    with open(database, "wb") as file:
        file.write(content)
    os.chmod(database, 0o640)
    os.chown(database, owner.st_uid, owner.st_gid)
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("goes on")), 250)
    log_in(culver).close()
    # a writer at work is waited for; one that died half-way is not read past
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with client_of(culver) as client:
        client.send(f"AUTH PLAIN {plain()}\r\n")
        writer.execute("ROLLBACK")
        smtp.check(client.reply(), 235)
    writer.close()
    hot_journal(database, owner)
    with client_of(culver) as client:
        client.command("AUTH PLAIN " + plain(), 454)
    # whoever may write repairs it
    user(culver, "add", "someone", password="x")
    log_in(culver).close()


def hot_journal(database, owner):
    """Leaves what a writer leaves that is killed in the middle of its change."""
    child = os.fork()
    if child == 0:
        writer = sqlite3.connect(database, isolation_level=None)
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("PRAGMA cache_spill = 1")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("CREATE TABLE many (x)")
        for _ in range(200):
            writer.execute("INSERT INTO many VALUES (randomblob(2000))")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    os.chown(database + "-journal", owner.st_uid, owner.st_gid)
    assert os.path.getsize(database + "-journal") > 0


# ---- secrets ----

def test_passwords_stay_nowhere(submission):
    """Neither in the log, the trace store, the spool or the database, nor in the memory of who had it."""
    for _ in range(3):
        with log_in(submission) as client:
            session = [pid for pid in submission.pids()["smtpd"] if pid != submission.pid("smtpd")]
            assert len(session) == 1
            for pid in (session[0], submission.pid("auth"), submission.pid("smtpd")):
                assert not processes.in_memory(pid, PASSWORD.encode()), processes.name(pid)
                assert not processes.in_memory(pid, plain().encode()), processes.name(pid)
            assert processes.in_memory(session[0], LOGIN.encode()), "nothing would be found"
            smtp.check(client.message(LOGIN, [submission.address], mail.small("secret")), 250)
    for folder, _, names in os.walk(submission.folder):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            assert PASSWORD.encode() not in content and plain().encode() not in content, path


def test_passwords_stay_in_no_buffer_of_tls(secure):
    """The same under TLS, whose library has buffers of its own."""
    with secure_client(secure) as client:
        client.command("AUTH PLAIN " + plain(), 235)
        session = [pid for pid in secure.pids()["smtpd"] if pid != secure.pid("smtpd")]
        assert len(session) == 1
        # the end of it is enough: what was sent since lies over its beginning
        assert not processes.in_memory(session[0], PASSWORD.encode()) and not processes.in_memory(session[0], plain().encode()[-16:])
        assert processes.in_memory(session[0], LOGIN.encode()), "nothing would be found"


# ---- culver user ----

def test_culver_user(submission):
    """Each verb, each refusal; what is changed counts with the next login, whether a session is there or not."""
    assert user(submission, "list").stdout == LOGIN + "\n"
    assert "already" in user(submission, "add", LOGIN.upper(), password="x", check=1).stderr
    log_in(submission).close()
    user(submission, "password", LOGIN, password="another one")
    log_in(submission, expect=535).close()
    log_in(submission, password="another one").close()
    user(submission, "add", "Zoë", password="ß")
    assert user(submission, "list").stdout == f"{LOGIN}\nzoë\n"
    assert re.fullmatch(r'\{"login":"ann@local.test","changed":\d+\}\n\{"login":"zoë","changed":\d+\}\n', user(submission, "list", "--json").stdout)
    user(submission, "remove", LOGIN)
    log_in(submission, password="another one", expect=535).close()
    assert "no account" in user(submission, "remove", LOGIN, check=1).stderr
    assert "no account" in user(submission, "password", LOGIN, password="x", check=1).stderr
    for words, status in ((("add",), 64), (("add", "a", "b"), 64), (("frob", "a"), 64), ((), 64), (("list", "a"), 64)):
        user(submission, *words, check=status)
    for name, password in (("x\x07", "y"), ("", "y"), ("x", ""), ("x", "\x01"), ("y" * 300, "y"), ("x", "y" * 3000)):
        user(submission, "add", name, password=password, check=1)
    assert user(submission, "list").stdout == "zoë\n"
    database = os.path.join(submission.accounts_path, "accounts.db")
    assert os.stat(database).st_mode & 0o777 == 0o640
    if submission.place.mode == "root":
        assert os.stat(database).st_uid == 0 and os.stat(submission.accounts_path).st_uid == 0
        assert os.stat(database).st_gid == submission.place.account_of("auth").pw_gid


def test_the_terminal_does_not_show_the_password(submission):
    """Asked for twice; two that differ are none."""
    for second, status in ((PASSWORD, 0), ("typed wrong", 1)):
        command = [submission.place.command, "user", "password", LOGIN, "-c", submission.config_path]
        if submission.place.mode == "user":
            command = peers.as_user(submission.place.runner) + command
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, submission.environment())
        shown = b""
        for asked, answer in enumerate((PASSWORD, second), 1):
            while shown.count(b": ") < asked:
                shown += os.read(terminal, 1000)
            os.write(terminal, answer.encode() + b"\n")
        try:
            while chunk := os.read(terminal, 1000):
                shown += chunk
        except OSError:
            pass  # its end
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status, shown
        assert PASSWORD.encode() not in shown and b"typed" not in shown
        os.close(terminal)
        log_in(submission).close()


# ---- the inner socket ----

def test_out_of_turn_on_the_socket_of_auth(submission):
    """CONTINUE and CANCEL before START, START twice: the end of that connection, and of nothing else."""
    start = {"mechanism": 4, "has_response": 0, "response": "", "client": "192.0.2.1", "session": "S1", "server": "", "tls": "", "certificate": "",
             "exporter": "", "unique": "", "end_point": ""}
    for first in ("AUTH_CONTINUE", "AUTH_CANCEL"):
        with wire.Peer(submission.connect("auth", "smtpd"), wire.AUTH_ANSWERS) as peer:
            peer.send(first, request=1)
            assert peer.ended(), first
    with wire.Peer(submission.connect("auth", "smtpd"), wire.AUTH_ANSWERS) as peer:
        peer.send("AUTH_START", request=1, **start)
        assert peer.receive()[0] == "AUTH_CHALLENGE"
        peer.send("AUTH_START", request=2, **start)
        assert peer.ended()
    with wire.Peer(submission.connect("auth", "smtpd"), wire.AUTH_ANSWERS) as peer:
        for _ in range(3):
            peer.send("AUTH_START", request=1, **start)
            assert peer.receive()[0] == "AUTH_CHALLENGE"
            peer.send("AUTH_CANCEL", request=2)
        peer.send("AUTH_START", request=3, **{**start, "mechanism": 3, "has_response": 1, "response": f"\0{LOGIN}\0{PASSWORD}"})
        name, values, _ = peer.receive()
        assert name == "AUTH_SUCCESS" and values["login"] == LOGIN.encode()
    for wrong in ({"mechanism": 0}, {"mechanism": 12}, {"certificate": "a\0b"}, {"exporter": "x" * 65}, {"client": ""}, {"client": "a\0b"}, {"session": "x" * 40}, {"response": "x"},
                  {"response": "x" * 9217, "has_response": 1}):
        with wire.Peer(submission.connect("auth", "smtpd"), wire.AUTH_ANSWERS) as peer:
            peer.send("AUTH_START", request=1, **{**start, **wrong})
            assert peer.ended(), wrong
    log_in(submission).close()
