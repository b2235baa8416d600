"""The next hop wants to know who sends: mail goes by the login of its route or its sender, or waits; secrets stay where they are."""

import base64
import os

import pytest

import certificates
import culver as helper
import dovecot
import mail
import peers
import processes
import smtp
from smarthost import PASSWORD, Endpoint, LoginSink, Postfix, add_login, write_secret
from test_auth import LOGIN, prepare, user

REMOTE = "x@remote.test"


def submit(instance, sender, tag="by login", recipient=REMOTE):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(sender, [recipient], mail.small(tag))
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


def use(culver, port, *lines):
    """All mail goes to that port, by the login `relay` or as `lines` say."""
    culver.relay_to(port)
    culver.outbound += lines or ["login relay"]
    return culver


# ---- with real servers ----

@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"])
def test_culver_logs_in_at_culver(make_culver, mechanism):
    """The submission port of one is the smarthost of the other."""
    server, client = prepare(make_culver()), make_culver()
    user(server, "password", LOGIN, password=PASSWORD)
    add_login(client, "relay", LOGIN, f"mechanisms {mechanism.lower()}", "clear yes")
    with smtp.Sink() as sink:
        server.relay_to(sink.port).start()
        use(client, server.submission).start()
        ident = submit(client, LOGIN)
        client.wait_event("done", id=ident)
        server.wait_event("done")
        assert client.events("logged-in", login="relay")[0]["mechanism"] == mechanism
        assert [m.sender for m in sink.messages] == [LOGIN]


def test_the_strongest_mechanism_is_used_and_needs_no_tls(make_culver):
    """SCRAM tells nobody the password, so it may be said where all can hear it."""
    server, client = prepare(make_culver()), make_culver()
    user(server, "password", LOGIN, password=PASSWORD)
    add_login(client, "relay", LOGIN)
    with smtp.Sink() as sink:
        server.relay_to(sink.port).start()
        use(client, server.submission).start()
        client.wait_event("done", id=submit(client, LOGIN))
        server.wait_event("done")
        assert client.events("logged-in")[0]["mechanism"] == "SCRAM-SHA-256"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
def test_a_login_is_bound_to_its_tls(make_culver, mechanism):
    """Where our own submission port offers that, which needs no certificate that is looked at."""
    server, client = make_culver(), make_culver()
    pair = certificates.Pair(server.folder, "mx", owner=server.place.runner.pw_uid)
    prepare(server, helper.block("tls", [f"certificate {pair.certificate}", f"key {pair.key}"]), clear=False)
    user(server, "password", LOGIN, password=PASSWORD)
    add_login(client, "relay", LOGIN, *([] if "256" in mechanism else [f"mechanisms {mechanism.lower()} plain"]))
    with smtp.Sink() as sink:
        server.relay_to(sink.port).start()
        use(client, server.submission, "login relay", "tls required").start()
        client.wait_event("done", id=submit(client, LOGIN))
        server.wait_event("done")
        assert client.events("logged-in")[0]["mechanism"] == mechanism
        assert [m.sender for m in sink.messages] == [LOGIN]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"])
def test_postfix_and_dovecot_let_us_in(culver, request, mechanism):
    """A Postfix that takes only mail of those whom its Dovecot knows; tokens are those that Dovecot validates."""
    is_token = mechanism in ("OAUTHBEARER", "XOAUTH2")
    try:
        judge = dovecot.Judge(users=f"{LOGIN}:{{PLAIN}}{PASSWORD}::::::\n")
        with judge, smtp.Sink() as sink, Postfix(sink.port, judge) as server:
            request.node.strangers = [server]
            add_login(culver, "relay", LOGIN, f"mechanisms {mechanism.lower()}", "clear yes", kind="token" if is_token else "password",
                      secret=judge.token(LOGIN) if is_token else PASSWORD)
            use(culver, server.port).start()
            told = culver.wait_event("delivered", id=submit(culver, LOGIN))
            assert culver.events("logged-in")[0]["mechanism"] == mechanism and told["code"] == "250"
    except peers.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("kind", ["password", "token"])
def test_postfix_and_dovecot_do_not_let_us_in(culver, request, kind):
    try:
        judge = dovecot.Judge()
        with judge, smtp.Sink() as sink, Postfix(sink.port, judge) as server:
            request.node.strangers = [server]
            secret = judge.token(LOGIN, seconds=-10) if kind == "token" else "wrong"
            add_login(culver, "relay", LOGIN, "clear yes", kind=kind, secret=secret)
            use(culver, server.port).start()
            told = culver.wait_event("deferred", id=submit(culver, LOGIN))
            assert told["code"] == "535" and "does not let the login relay in" in told["reply"]
            assert not culver.events("failed") and not sink.messages
    except peers.Unavailable as reason:
        pytest.skip(str(reason))


# ---- what is said to whom ----

def test_a_password_is_not_said_without_tls(culver):
    add_login(culver, "relay", "alice")
    with LoginSink({"alice": PASSWORD}) as sink:
        use(culver, sink.port).start()
        ident = submit(culver, culver.address)
        assert "there is no TLS" in culver.wait_event("deferred", id=ident)["reply"]
        assert not sink.attempts and not sink.messages


@pytest.mark.parametrize("kind", ["password", "token"])
def test_under_tls_it_is_said_after_the_handshake(culver, kind):
    """And what was offered before it counts for nothing."""
    authority = certificates.Authority(culver.folder)
    pair = authority.issue("host", ["localhost"])
    mechanisms = ("PLAIN",) if kind == "password" else ("XOAUTH2",)
    add_login(culver, "relay", "alice", kind=kind)
    with LoginSink({"alice": PASSWORD}, mechanisms=mechanisms, tls=certificates.server_context(pair)) as sink:
        culver.outbound += [helper.block("tls verified", [f"ca {authority.certificate}", "names localhost"]).rstrip()]
        use(culver, sink.port, "login relay").start()
        told = culver.wait_event("delivered", id=submit(culver, culver.address))
        assert told["tls"].endswith(" pkix")
        verbs = [text.split(" ")[0] for _, text in sink.commands]
        assert verbs[:5] == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL"]
        assert sink.senders() == {"alice": {culver.address}}


def test_a_host_whose_certificate_is_another_s_learns_nothing(culver):
    authority = certificates.Authority(culver.folder)
    pair = authority.issue("other", ["other.test"])
    add_login(culver, "relay", "alice")
    with LoginSink({"alice": PASSWORD}, tls=certificates.server_context(pair)) as sink:
        culver.outbound += [helper.block("tls verified", [f"ca {authority.certificate}", "names localhost"]).rstrip()]
        use(culver, sink.port, "login relay").start()
        culver.wait_event("deferred", id=submit(culver, culver.address))
        assert not sink.attempts and not sink.messages


def test_a_token_is_read_again_when_its_file_changes(culver):
    """master looks once a minute, and delivery makes way for one that has the new one."""
    path = add_login(culver, "relay", "alice@example.org", "clear yes", kind="token", secret="t" * 1500)
    with LoginSink({"alice@example.org": "n" * 1500}, mechanisms=("XOAUTH2",)) as sink:
        use(culver, sink.port).start()
        ident = submit(culver, culver.address)
        assert culver.wait_event("login-failed")["reason"].endswith("535 you are nobody")
        culver.wait_event("deferred", id=ident)
        write_secret(culver, os.path.basename(path), "n" * 1500)
        culver.wait_event("logins-renewed", 100)
        culver.wait_event("done", 60, id=ident)
        assert sink.attempts[0][2] == "t" * 1500 and sink.attempts[-1][2] == "n" * 1500
        assert sink.senders() == {"alice@example.org": {culver.address}}
        assert any(command.endswith(" AUTH=<>") for _, command in sink.commands if command.startswith("MAIL "))


# ---- tokens that are fetched ----

def refreshing(culver, endpoint, authority):
    """The login `relay` gets its tokens from that endpoint."""
    secret = write_secret(culver, "client-secret", "client & secret")
    add_login(culver, "relay", "alice@example.org", "clear yes", f"endpoint {endpoint.url}", "client our-id", f"client-secret {secret}",
              "scope https://mail.example.org/", kind="refresh", secret="refresh/token+1")
    culver.general += [f"https-ca {authority.certificate}"]


def test_a_token_is_fetched_once_and_kept(culver):
    """However many connections want it; the secrets by which it is fetched are in fetch alone."""
    authority = certificates.Authority(culver.folder)
    pair = authority.issue("endpoint", ["localhost"])
    with Endpoint(pair, lambda form: (200, {"access_token": "a-token-for-you", "expires_in": 3600, "token_type": "Bearer"})) as endpoint, \
            LoginSink({"alice@example.org": "a-token-for-you"}, mechanisms=("XOAUTH2",)) as sink:
        refreshing(culver, endpoint, authority)
        culver.limit.append("messages-per-connection 1")
        use(culver, sink.port).start()
        for ident in [submit(culver, culver.address, f"m{n}") for n in range(6)]:
            culver.wait_event("done", id=ident)
        assert len(sink.logins) > 1 and sink.senders() == {"alice@example.org": {culver.address}}
        assert endpoint.forms == [("/token", {
            "grant_type": "refresh_token", "refresh_token": "refresh/token+1", "client_id": "our-id",
            "client_secret": "client & secret", "scope": "https://mail.example.org/"})]
        assert culver.wait_event("token-fetched")["expires_s"] == "3600"
        for program, pids in culver.pids().items():
            for pid in pids:
                held = processes.in_memory(pid, b"refresh/token+1") or processes.in_memory(pid, b"client & secret")
                assert held == (program == "fetch"), program
                assert program in ("fetch", "delivery") or not processes.in_memory(pid, b"a-token-for-you"), program
    for folder, _, names in os.walk(culver.folder):
        for name in names:
            path = os.path.join(folder, name)
            if name.startswith(("secret-", "client-secret")) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            assert b"refresh/token" not in content and b"a-token-for-you" not in content, path


def test_a_token_that_is_over_is_fetched_anew_by_the_new_refresh_token(culver):
    """It is not given any more when half of its time is over, where that is short."""
    authority = certificates.Authority(culver.folder)
    tokens = []

    def answer(_form):
        tokens.append(f"token-{len(tokens)}")
        return 200, {"access_token": tokens[-1], "expires_in": 2, "refresh_token": f"refresh-{len(tokens)}"}

    class Any(dict):
        def get(self, _user):
            return tokens[-1]

    with Endpoint(authority.issue("endpoint", ["localhost"]), answer) as endpoint, LoginSink(Any(), mechanisms=("OAUTHBEARER", "XOAUTH2")) as sink:
        sink.extensions = tuple("AUTH XOAUTH2" if word.startswith("AUTH") else word for word in sink.extensions)
        refreshing(culver, endpoint, authority)
        culver.limit.append("messages-per-connection 1")
        use(culver, sink.port).start()
        culver.wait_event("done", id=submit(culver, culver.address))
        while len(tokens) < 2:
            culver.wait_event("done", id=submit(culver, culver.address))
        assert [form["refresh_token"] for _, form in endpoint.forms[:2]] == ["refresh/token+1", "refresh-1"]


@pytest.mark.parametrize("said", [(400, {"error": "invalid_grant", "error_description": "no"}), (200, b"no JSON"), (200, {"access_token": 5}),
                                  (200, {"access_token": "a\nb"}), (200, {"access_token": "x" * 9000}), (500, b""), (200, b"[" * 70000)])
def test_without_a_token_mail_waits(culver, said):
    authority = certificates.Authority(culver.folder)
    with Endpoint(authority.issue("endpoint", ["localhost"]), lambda form: said) as endpoint, \
            LoginSink({}, mechanisms=("XOAUTH2",)) as sink:
        refreshing(culver, endpoint, authority)
        use(culver, sink.port).start()
        ident = submit(culver, culver.address)
        reply = culver.wait_event("deferred", id=ident)["reply"]
        assert reply.startswith("no token for the login relay: ")
        assert said[0] != 400 or reply.endswith("the endpoint says invalid_grant")
        assert not sink.attempts and not culver.events("failed")
        assert len(endpoint.forms) == 1


def test_an_endpoint_that_is_another_gets_no_secret(culver):
    authority = certificates.Authority(culver.folder)
    with Endpoint(authority.issue("endpoint", ["other.test"]), lambda form: (200, {"access_token": "x"})) as endpoint, \
            LoginSink({}, mechanisms=("XOAUTH2",)) as sink:
        refreshing(culver, endpoint, authority)
        use(culver, sink.port).start()
        culver.wait_event("deferred", id=submit(culver, culver.address))
        assert not endpoint.forms and not sink.attempts


# ---- refusals ----

def test_a_wrong_password_is_a_delay_that_not_every_message_tries(culver):
    """Nothing comes back, the host is left alone, and all goes once the password is right."""
    path = add_login(culver, "relay", "alice", "clear yes", secret="wrong")
    with LoginSink({"alice": PASSWORD}) as sink:
        use(culver, sink.port, "login relay", "retry 1s 1s").start()
        idents = [submit(culver, culver.address, f"m{n}") for n in range(20)]
        first = culver.wait_event("deferred", id=idents[0])
        assert first["code"] == "535" and "does not let the login relay in: 535 you are nobody" in first["reply"]
        culver.wait_event("site-dead")
        for ident in idents:
            culver.wait_event("deferred", id=ident)
        assert len(sink.attempts) < len(idents), "every message was tried at the door"
        assert not culver.events("failed") and not culver.events("notified")
        write_secret(culver, os.path.basename(path))
        culver.command("reload", check=0)
        for ident in idents:
            culver.wait_event("done", 60, id=ident)
        assert len(sink.messages) == 20 and sink.attempts[0][2] == "wrong"


def test_trouble_of_the_host_is_a_delay(culver):
    add_login(culver, "relay", "alice", "clear yes", secret="wrong")
    with LoginSink({"alice": PASSWORD}, refusal=b"454 4.7.0 the passwords are away\r\n") as sink:
        use(culver, sink.port).start()
        deferred = culver.wait_event("deferred", id=submit(culver, culver.address))
        assert deferred["code"] == "454" and "the passwords are away" in deferred["reply"]
        assert not culver.events("failed")
        sink.accounts["alice"] = "wrong"
        culver.wait_event("delivered")


class Hostile(LoginSink):
    """`act(connection, file)` goes on after AUTH."""

    def __init__(self, act):
        super().__init__({}, mechanisms=("SCRAM-SHA-256", "PLAIN"))
        self.act = act

    def auth(self, connection, file, argument, number):
        self.attempts.append((number, argument, ""))
        self.act(connection, file, argument)


def wrong_signature(connection, file, argument):
    """It knows all but the password."""
    nonce = base64.b64decode(argument.split()[1]).rsplit(b"r=", 1)[1]
    connection.sendall(b"334 " + base64.b64encode(b"r=" + nonce + b"x,s=QSXCR+Q6sek8bf92,i=4096") + b"\r\n")
    file.readline()
    connection.sendall(b"334 " + base64.b64encode(b"v=" + base64.b64encode(bytes(32))) + b"\r\n")
    assert file.readline() == b"*\r\n"
    connection.sendall(b"501 5.7.0 ended\r\n")


def let_in_at_once(connection, _file, _argument):
    connection.sendall(b"235 2.7.0 come in\r\n")


def cheap_iterations(connection, file, argument):
    """What would make guessing cheap."""
    nonce = base64.b64decode(argument.split()[1]).rsplit(b"r=", 1)[1]
    connection.sendall(b"334 " + base64.b64encode(b"r=" + nonce + b"x,s=QSXCR+Q6sek8bf92,i=1") + b"\r\n")
    assert file.readline() == b"*\r\n"
    connection.sendall(b"501 5.7.0 ended\r\n")


def endless(connection, file, _argument):
    while True:
        connection.sendall(b"334 \r\n")
        if not file.readline():
            raise ConnectionAbortedError


def rubbish(connection, _file, _argument):
    connection.sendall(b"334 \x00\xff not base64 at all\r\n")


def long_line(connection, _file, _argument):
    connection.sendall(b"334 " + b"A" * 70000 + b"\r\n")


def long_reply(connection, _file, _argument):
    connection.sendall(b"535-" + b"x" * 400 + b"\r\n" + b"535-more\r\n" * 200 + b"535 end\r\n")


@pytest.mark.parametrize("act", [wrong_signature, let_in_at_once, cheap_iterations, endless, rubbish, long_line, long_reply])
def test_a_hostile_host_gets_neither_mail_nor_a_weaker_login(culver, act):
    add_login(culver, "relay", "alice", "clear yes")
    with Hostile(act) as sink:
        use(culver, sink.port).start()
        ident = submit(culver, culver.address)
        culver.wait_event("deferred", id=ident)
        assert not sink.messages and not culver.events("failed")
        assert all(argument.startswith("SCRAM-SHA-256 ") for _, argument, _ in sink.attempts)
        assert not culver.events("ended")


# ---- per route, per sender ----

def test_a_route_has_its_own_login_and_not_that_of_outbound(culver):
    add_login(culver, "relay", "alice", "clear yes")
    add_login(culver, "partner", "bob", "clear yes")
    with LoginSink({"alice": PASSWORD}) as house, LoginSink({"bob": PASSWORD}) as other, LoginSink({}) as open_one:
        culver.general += [
            helper.block("route partner.test", [f"smtp 127.0.0.1:{other.port}", "login partner"]).rstrip(),
            helper.block("route open.test", [f"smtp 127.0.0.1:{open_one.port}"]).rstrip()]
        use(culver, house.port).start()
        for to in (REMOTE, "x@partner.test", "x@open.test"):
            culver.wait_event("done", id=submit(culver, culver.address, recipient=to))
        assert house.senders() == {"alice": {culver.address}}
        assert other.senders() == {"bob": {culver.address}}
        assert open_one.senders() == {None: {culver.address}} and not open_one.attempts


def test_mail_goes_by_the_login_of_its_sender(culver):
    """At one and the same host, over connections that are kept, and never by another's."""
    table = os.path.join(culver.folder, "senders")
    with open(table, "w", encoding="ascii") as file:
        file.write("ann@local.test ann\n@other.test bob\nnobody@local.test none\nlost@local.test gone\n")
    os.chmod(table, 0o644)
    for name in ("ann", "bob", "relay"):
        add_login(culver, name, f"{name}@host", "clear yes", secret=f"of {name}")
    with LoginSink({f"{name}@host": f"of {name}" for name in ("ann", "bob", "relay")}) as sink:
        use(culver, sink.port, "login relay", f"sender-logins {table}").start()
        senders = ["ann@local.test", "ann+tag@local.test", "c@other.test", "d@other.test", "nobody@local.test", "e@local.test", ""]
        idents = [submit(culver, sender, f"{n} of {sender}") for n in range(5) for sender in senders]
        lost = submit(culver, "lost@local.test")
        for ident in idents:
            culver.wait_event("done", id=ident)
        assert sink.senders() == {
            "ann@host": {"ann@local.test", "ann+tag@local.test"}, "bob@host": {"c@other.test", "d@other.test"},
            None: {"nobody@local.test"}, "relay@host": {"e@local.test", ""}}
        assert len(sink.messages) == 35
        assert "login of its sender" in culver.wait_event("deferred", id=lost)["reply"]
        assert culver.wait_event("login-unknown")["login"] == "gone"
        assert sink.connections < 35, "no connection was kept"


def test_one_login_that_is_refused_does_not_hold_up_another(culver):
    """They are two sites at one host."""
    table = os.path.join(culver.folder, "senders")
    with open(table, "w", encoding="ascii") as file:
        file.write("ann@local.test ann\n")
    os.chmod(table, 0o644)
    add_login(culver, "ann", "ann", "clear yes", secret="wrong")
    add_login(culver, "relay", "relay", "clear yes")
    with LoginSink({"relay": PASSWORD, "ann": PASSWORD}) as sink:
        use(culver, sink.port, "login relay", f"sender-logins {table}", "retry 1h").start()
        stuck = [submit(culver, "ann@local.test", f"m{n}") for n in range(8)][-1]
        assert culver.wait_event("site-dead")["site"].endswith(" (ann)")
        culver.wait_event("done", id=submit(culver, "bob@local.test"))
        culver.wait_event("deferred", id=stuck)
        assert sink.senders() == {"relay": {"bob@local.test"}}
        # shown as one, by what is worst of it
        sites = culver.command("queue", "sites", check=0).stdout
        assert "1 site, 8 recipients" in sites and "the site is in trouble" in sites and "the login ann" in sites


# ---- secrets ----

def test_secrets_stay_in_the_agent_that_uses_them(culver):
    """Neither in a file of ours, nor in the memory of another program, or of an agent of another login."""
    add_login(culver, "relay", "alice", "clear yes", secret="s3cret-of-the-relay")
    add_login(culver, "partner", "bob", "clear yes", secret="s3cret-of-the-partner")
    said = {"relay": base64.b64encode(b"\0alice\0s3cret-of-the-relay"), "partner": base64.b64encode(b"\0bob\0s3cret-of-the-partner")}
    with LoginSink({"alice": "s3cret-of-the-relay"}) as house, LoginSink({"bob": "s3cret-of-the-partner"}) as other:
        culver.general.append(
            helper.block("route partner.test", [f"smtp 127.0.0.1:{other.port}", "login partner"]).rstrip())
        use(culver, house.port).start()
        for to in (REMOTE, "x@partner.test"):
            culver.wait_event("done", id=submit(culver, culver.address, recipient=to))
        parent = culver.pid("delivery")
        agents = [pid for pid in culver.pids()["delivery"] if pid != parent and processes.alive(pid)]
        holders = {"s3cret-of-the-relay": 0, "s3cret-of-the-partner": 0}
        for pid in agents:
            held = [secret for secret in holders if processes.in_memory(pid, secret.encode())]
            assert len(held) <= 1, "an agent has what is another's"
            for secret in held:
                holders[secret] += 1
            assert not any(processes.in_memory(pid, line[-24:]) for line in said.values()), "what was sent is still there"
        assert list(holders.values()) == [1, 1], "nothing would be found"
        for program, pids in culver.pids().items():
            for pid in pids:
                if pid not in agents:
                    assert not any(processes.in_memory(pid, secret.encode()) for secret in holders), program
    for folder, _, names in os.walk(culver.folder):
        for name in names:
            path = os.path.join(folder, name)
            if name.startswith("secret-") or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            assert b"s3cret" not in content and not any(line in content for line in said.values()), path


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(culver, mode):
    """By `culver check`, and by master before anything has started with it."""
    path = add_login(culver, "relay", "alice")
    os.chmod(path, mode)
    use(culver, 25)
    culver.write()
    assert f"{path}: others than its owner may read or change it" in culver.command("check", check=1).stderr
    culver.start(wait=False)
    assert culver.process.wait(60) == 78
    culver.process = None
    assert "others than its owner" in culver.stderr()


def test_check_says_what_is_wrong_with_a_login(culver):
    path = add_login(culver, "relay", "alice", secret="")
    use(culver, 25, "login relay", "sender-logins /nonexistent/table")
    culver.write()
    said = culver.command("check", check=1).stderr
    assert f"{path}: expected a password or a token as its first line" in said
    assert "/nonexistent/table: cannot read" in said
    os.unlink(path)
    assert f"{path}: No such file" in culver.command("check", check=1).stderr
