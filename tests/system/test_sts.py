"""MTA-STS (RFC 8461): policies are fetched over HTTPS by `fetch`, kept, and what they demand is demanded of the hosts of the domain.

The domain's records come from a name server of the test's own (dns.py), its policy from a web server of the test's own (web.py), both under
the test's own authority.
"""

import os
import re
import signal
import time

import pytest

import certificates
import dns
import mail
import peers
import smtp
import web
import wire
from culver import DOMAIN as OWN, block

DOMAIN = "sts.example"
HOST = f"mta-sts.{DOMAIN}"
MX = f"mx.{DOMAIN}"
ID = "20160831085700Z"
EVENT_S = 120


def policy(mode="enforce", mx=(MX,), max_age=86400):
    """Its text."""
    return "".join(f"{line}\r\n" for line in ["version: STSv1", f"mode: {mode}", *[f"mx: {name}" for name in mx], f"max_age: {max_age}"])


class Site:
    """A domain with its record, policy and MX; all of it ends with the test."""

    def __init__(self, culver):
        self.culver = culver
        self.authority = certificates.Authority(culver.folder)
        try:
            self.web = web.Server({HOST: self.authority.issue("web", [HOST])})
        except web.Unavailable as reason:
            pytest.skip(str(reason))
        self.sink = None
        self.server = None
        self.zones = []

    def hop(self, names=(MX,), **options):
        """The MX, with a certificate of those names; none: without TLS."""
        tls = certificates.server_context(self.authority.issue("mx", list(names))) if names else None
        self.sink = smtp.Sink(tls=tls, **options).start()
        return self

    def page(self, what):
        """What the web server says; text: a policy."""
        self.web.pages[HOST] = web.answer(what) if isinstance(what, str) else what
        return self

    def names(self, record=f"v=STSv1; id={ID};", more="", sign=False):
        """What the DNS says; without `record` there is none."""
        lines = ["@ MX 10 mx", "mx A 127.0.0.1", f"mta-sts A {self.web.address}", more]
        if record:
            lines.append(f'_mta-sts 5 TXT "{record}"')
        old = self.server
        try:
            self.server = dns.Server({DOMAIN: dns.zone(DOMAIN, "\n".join(lines), ttl=5)})
        except peers.Unavailable as reason:
            pytest.skip(str(reason))
        anchor = self.server.sign(DOMAIN) if sign else "none"
        if old:
            old.close()
            self.server.port = old.port
        else:
            self.culver.general += [f"resolver 127.0.0.1@{self.server.port}", f"trust-anchor {anchor}", "hosts no",
                                    f"https-ca {self.authority.certificate}"]
        self.server.start()
        return self

    def start(self, tls=None, *words):
        """Mail for the domain goes to its MX."""
        lines = [f"smtp mx:{DOMAIN}:{self.sink.port}"]
        lines.append("\n".join([f"tls {tls or 'dane sts opportunistic'} {{", f"ca {self.authority.certificate}", *words, "}"]))
        self.culver.general.append(block(f"route {DOMAIN}", lines))
        self.culver.outbound += ["retry 1h"]
        self.culver.start()
        return self

    def close(self):
        """The end."""
        self.web.close()
        if self.server:
            self.server.close()
        if self.sink:
            self.sink.stop()


@pytest.fixture
def site(culver):
    """One for the test."""
    made = Site(culver)
    yield made
    made.close()


def outcome(culver, event="delivered", tag="sts"):
    """What became of a message."""
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message(culver.address, [f"x@{DOMAIN}"], mail.small(tag))
        smtp.check(reply, 250)
    return culver.wait_event(event, deadline=EVENT_S, id=culver.accepted_id(reply))


def ask(culver, domain=DOMAIN, record=ID):
    """As an agent asks fetch."""
    with wire.Peer(culver.connect("fetch", "delivery"), wire.FETCH_ANSWERS) as peer:
        peer.send("FETCH_STS_ASK", domain=domain, id=record)
        return peer.receive()[1]


# ---- what is demanded ----

def test_enforced_and_met(culver, site):
    site.hop().page(policy()).names().start()
    assert outcome(culver)["tls"].endswith(" pkix")
    fetched = culver.wait_event("policy-fetched", domain=DOMAIN)
    assert fetched["mode"] == "enforce" and fetched["policy"] == ID and fetched["max_age"] == "86400"
    assert site.web.asked == [(HOST, "GET /.well-known/mta-sts.txt HTTP/1.1")]
    # and a second message is no second fetch
    outcome(culver, tag="again")
    assert len(site.web.asked) == 1


def test_a_wildcard_is_one_label(culver, site):
    site.hop().page(policy(mx=[f"*.{DOMAIN}"])).names().start()
    assert outcome(culver)["tls"].endswith(" pkix")


@pytest.mark.parametrize("names", [None, ["else.example"]], ids=["no-tls", "wrong-name"])
def test_enforced_and_not_met(culver, site, names):
    site.hop(names).page(policy()).names().start()
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and "MTA-STS" in told["reply"] and not site.sink.messages


def test_a_host_that_no_pattern_names_is_skipped(culver, site):
    """Whatever it can show."""
    site.hop().page(policy(mx=["other.example", f"*.mx.{DOMAIN}", f"*.{MX}"])).names().start()
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and "does not name this host" in told["reply"] and site.sink.connections == 0


@pytest.mark.parametrize("names,mx", [(None, MX), (["else.example"], MX), ([MX], "other.example")])
def test_testing_delivers_anyway(culver, site, names, mx):
    site.hop(names).page(policy("testing", [mx])).names().start()
    outcome(culver)
    assert len(site.sink.messages) == 1


def test_none_demands_nothing(culver, site):
    site.hop(None).page(policy("none", [])).names().start()
    assert outcome(culver)["tls"] == ""


def test_without_a_record_no_policy_is_looked_for(culver, site):
    site.hop(None).page(policy()).names(None).start()
    assert outcome(culver)["tls"] == "" and not site.web.asked


def test_who_does_not_want_it_does_not_ask(culver, site):
    site.hop(None).page(policy()).names().start("opportunistic")
    assert outcome(culver)["tls"] == "" and not site.web.asked


def test_dane_comes_first(culver, site):
    """A certificate that TLSA tells of, and no authority; the policy would not have it, and is not asked for."""
    site.hop(["whoever.test"]).page(policy())
    tlsa = certificates.tlsa(os.path.join(culver.folder, "mx.pem"))
    site.names(more=f"_{site.sink.port}._tcp.mx TLSA {tlsa}", sign=True).start()
    assert outcome(culver)["tls"].endswith(" dane") and not site.web.asked


# ---- what is kept ----

def test_a_policy_holds_over_restarts_and_without_its_record(culver, site):
    """Whoever takes the record away takes nothing back (RFC 8461, section 10.2)."""
    site.hop(None).page(policy()).names().start()
    outcome(culver, "deferred")
    culver.stop()
    site.names(None)
    culver.start()
    assert "MTA-STS" in outcome(culver, "deferred")["reply"]
    assert ask(culver, record="")["mode"] == 3 and len(site.web.asked) == 1
    site.server.stop()
    culver.stop()


def test_a_new_id_brings_the_new_policy(culver, site):
    site.hop(None).page(policy()).names().start()
    assert ask(culver)["mode"] == 3
    site.page(policy("none", []))
    # not more often than once a minute: so it was fetched an hour ago
    age(culver, 3600)
    culver.kill(culver.pid("fetch"))
    site.names("v=STSv1; id=2;")
    # and what the DNS said is not kept for seconds
    culver.kill(culver.pid("resolver"))
    told = ask(culver, record="2")
    assert told["mode"] == 1 and told["id"] == b"2" and len(site.web.asked) == 2


def age(culver, seconds, max_age=None):
    """The policy that is kept was fetched so long before."""
    path = os.path.join(culver.sts_path, DOMAIN)
    with open(path, encoding="ascii") as file:
        head, _, body = file.read().partition("\n")
    words = head.split(" ")
    words[2] = str(int(time.time()) - seconds)
    if max_age is not None:
        body = re.sub("max_age: [0-9]*", f"max_age: {max_age}", body)
    with open(path, "w", encoding="ascii") as file:
        file.write(" ".join(words) + "\n" + body)


def test_a_failure_keeps_the_old_policy_to_its_end(culver, site):
    site.hop(None).page(policy()).names().start()
    assert ask(culver)["mode"] == 3
    age(culver, 3600)
    site.page(web.answer("garbage"))
    culver.kill(culver.pid("fetch"))
    site.names("v=STSv1; id=2;")
    # and what the DNS said is not kept for seconds
    culver.kill(culver.pid("resolver"))
    told = ask(culver, record="2")
    assert told["mode"] == 3 and told["id"] == ID.encode() and told["reason"]
    assert culver.wait_event("policy-failed", domain=DOMAIN)
    age(culver, 86401)
    assert ask(culver, record="2")["mode"] == 0
    assert not os.path.exists(os.path.join(culver.sts_path, DOMAIN))
    # it failed just now, and is not tried again at once
    assert len(site.web.asked) == 2


def test_a_policy_is_refreshed_before_its_end(culver, site):
    """Behind whoever asks, who does not wait for it."""
    site.hop(None).page(policy()).names().start()
    assert ask(culver)["mode"] == 3
    age(culver, 43201)
    since = culver.mark()
    culver.kill(culver.pid("fetch"))
    assert ask(culver)["age"] >= 43200
    culver.wait_event("policy-fetched", since=since, domain=DOMAIN)
    assert ask(culver)["age"] < 3600


def test_what_is_kept_and_no_policy_goes(culver, site):
    site.hop(None).page(policy()).names().start()
    assert ask(culver)["mode"] == 3
    with open(os.path.join(culver.sts_path, DOMAIN), "w", encoding="ascii") as file:
        file.write("nonsense")
    assert ask(culver, record="")["mode"] == 0
    assert culver.wait_event("policy-unread", domain=DOMAIN)


# ---- web servers that cheat ----

def drip(connection):
    """A byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.sendall(b"a")
        time.sleep(1)


def endless(connection):
    """As fast as it goes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + policy().encode())
    while True:
        connection.sendall(b"x: " + b"a" * 60 + b"\r\n")


def headers(connection):
    """Ever more of them."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: " + b"a" * 1000 + b"\r\n")


HOSTILE = {
    "redirect": web.answer("", "301 Moved Permanently", extra=f"Location: https://{HOST}/elsewhere\r\n"),
    "not-found": web.answer(policy(), "404 Not Found"),
    "html": web.answer(policy(), kind="text/html"),
    "no-type": web.answer(policy(), kind=None),
    "garbage": web.answer("garbage"),
    "nothing": b"",
    "no-http": policy().encode(),
    "too-long": web.answer(policy() + "x: " + "a" * 65536),
    "endless": endless,
    "headers": headers,
    "one-header": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500000),
    "gzip": web.answer(b"\x1f\x8b" + b"\0" * 100, extra="Content-Encoding: gzip\r\n"),
    "nul": web.answer(policy() + "x: \0\r\n"),
}


@pytest.mark.parametrize("how", list(HOSTILE))
def test_what_is_no_policy(culver, site, how):
    """Mail goes as if there were none, and the next one does not ask at once."""
    site.hop(None).page(HOSTILE[how]).names().start()
    assert outcome(culver)["tls"] == ""
    failed = culver.wait_event("policy-failed", deadline=EVENT_S, domain=DOMAIN)
    assert failed["reason"]
    outcome(culver, tag="again")
    assert len(site.web.asked) == 1
    assert os.listdir(culver.sts_path) == [] and not culver.events("download-died")


@pytest.mark.parametrize("names,days", [([f"mta-sts.else.example"], 30), ([DOMAIN], 30), ([HOST], -1)], ids=["other", "domain", "expired"])
def test_a_web_server_with_a_wrong_certificate(culver, site, names, days):
    site.hop(None).page(policy()).names()
    site.web.contexts = {HOST: certificates.server_context(site.authority.issue("bad", names, days=days))}
    site.start()
    assert outcome(culver)["tls"] == ""
    assert culver.wait_event("policy-failed", domain=DOMAIN)["reason"] and not site.web.asked


def test_a_web_server_of_another_authority(culver, site):
    site.hop(None).page(policy()).names()
    other = certificates.Authority(culver.folder, "other")
    site.web.contexts = {HOST: certificates.server_context(other.issue("strange", [HOST]))}
    site.start()
    assert outcome(culver)["tls"] == "" and not site.web.asked


def test_a_slow_one_stalls_nobody(culver, site):
    """Who waits for it hears after a while that nothing is known; others hear at once."""
    site.hop(None).page(drip).names().start()
    begin = time.monotonic()
    with wire.Peer(culver.connect("fetch", "delivery"), wire.FETCH_ANSWERS) as peer:
        peer.socket.settimeout(EVENT_S)
        peer.send("FETCH_STS_ASK", domain=DOMAIN, id=ID)
        site.web.await_asked(1)
        assert ask(culver, "quick.example", "")["mode"] == 0
        told = peer.receive()[1]
    assert told["mode"] == 0 and b"being fetched" in told["reason"] and time.monotonic() - begin >= 14
    failed = culver.wait_event("policy-failed", deadline=EVENT_S, domain=DOMAIN)
    assert "time" in failed["reason"].lower()


# ---- fetch is killed ----

def test_fetch_is_killed_in_traffic(culver, site):
    """What it keeps holds; what is not known of goes; nothing is lost."""
    site.hop(None).page(policy()).names().start()
    outcome(culver, "deferred")
    for number in range(3):
        since = culver.mark()
        culver.kill(culver.pid("fetch"))
        assert "MTA-STS" in outcome(culver, "deferred", tag=f"killed-{number}")["reply"]
        culver.wait_event("serving", program="fetch", since=since)
    assert not site.sink.messages


def test_fetch_is_killed_and_nobody_has_a_policy(culver, site):
    """Mail goes as soon as it is there again."""
    site.hop(None).names(None).start()
    culver.kill(culver.pid("fetch"))
    assert outcome(culver)["tls"] == ""


def test_while_fetch_says_nothing_mail_waits(culver, site):
    """Nobody can know whether there is a policy: never less than it might demand."""
    site.hop(None).names(None).start()
    pid = culver.pid("fetch")
    os.kill(pid, signal.SIGSTOP)
    try:
        told = outcome(culver, "deferred")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert told["status"] == "4.7.5" and "cannot be found out now" in told["reply"] and site.sink.connections == 0


def test_a_download_is_killed(culver, site):
    """It failed, as any other may."""
    site.hop(None).page(drip).names().start()
    with wire.Peer(culver.connect("fetch", "delivery"), wire.FETCH_ANSWERS) as peer:
        peer.send("FETCH_STS_ASK", domain=DOMAIN, id=ID)
        site.web.await_asked(1)
        culver.kill(*culver.pids()["fetch"][1:])
        assert peer.receive()[1]["mode"] == 0
    assert culver.wait_event("download-died")["signal"] == "9"
    assert culver.wait_event("policy-failed", domain=DOMAIN) and os.listdir(culver.sts_path) == []


def test_a_reload_answers_what_was_asked(culver, site):
    """By the generation that was asked; the new one answers others at once."""
    site.hop(None).page(drip).names().start()
    with wire.Peer(culver.connect("fetch", "delivery"), wire.FETCH_ANSWERS) as peer:
        peer.socket.settimeout(EVENT_S)
        peer.send("FETCH_STS_ASK", domain=DOMAIN, id=ID)
        site.web.await_asked(1)
        culver.command("reload", check=0)
        assert ask(culver, "quick.example", "")["mode"] == 0
        assert peer.receive()[1]["mode"] == 0


# ---- what others found ----

def vectors(folder):
    """[(domain, record, status, type, body)] of nginx.conf and dnsmasq.conf.appendix."""
    base = os.path.join(folder, "mta-sts", "postfix-mta-sts-resolver")
    with open(os.path.join(base, "dnsmasq.conf.appendix"), encoding="utf-8") as file:
        records = dict(re.findall(r'^txt-record=_mta-sts\.([^,]*),"(.*)"$', file.read(), re.M))
    with open(os.path.join(base, "nginx.conf"), encoding="utf-8") as file:
        servers = re.split(r"\n    server \{", file.read())[1:]
    pages = {}
    for text in servers:
        domain = re.search(r"server_name mta-sts\.([^;]*);", text).group(1)
        said = re.search(r'return (\d+) "(.*)";', text)
        status, body = (said.group(1), said.group(2).replace("\\n", "\n")) if said else ("200", None)
        if body is None:
            body = "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mail.loc\n" + "a" * 64 * 2049
        pages[domain] = (status, "text/html" if "text/html" in text else "text/plain", body)
    return [(domain, records.get(domain), pages.get(domain)) for domain in sorted(records.keys() | pages.keys() | {"no-record.loc"})]


def test_domains_of_postfix_mta_sts_resolver(culver, site, data, capsys):
    """What its tests expect is said of each name that stands there alone; of the others by what they are."""
    expected = {}
    with open(os.path.join(data, "mta-sts", "postfix-mta-sts-resolver", "refdata_strict.tsv"), encoding="utf-8") as file:
        for line in file:
            question, _, said = line.rstrip("\n").partition("\t")
            expected[question.split(" ", 1)[1]] = said.startswith("OK secure match=mail.loc")
    cases = vectors(data)
    hosts = {domain: f"mta-sts.{domain}" for domain, _, _ in cases}
    pair = site.authority.issue("all", [host for domain, host in hosts.items() if "bad-cert" not in domain])
    site.web.contexts = {host: certificates.server_context(pair) for host in hosts.values()}
    records = []
    for domain, record, page in cases:
        label = domain[:-len(".loc")]
        records.append(f"mta-sts.{label} A {site.web.address}")
        if record:
            records.append(f'_mta-sts.{label} TXT "{record}"')
        if page:
            status, kind, body = page
            site.web.pages[hosts[domain]] = web.answer(body, f"{status} x", kind)
    site.hop(None)
    try:
        site.server = dns.Server({"loc": dns.zone("loc", "\n".join(records))})
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    culver.general += [f"resolver 127.0.0.1@{site.server.port}", "trust-anchor none", "hosts no", f"https-ca {site.authority.certificate}"]
    site.server.start()
    culver.start()
    good = {"good.loc": 3, "valid-none.loc": 1, "testing.loc": 2, "fast-expire.loc": 3}
    wrong, compared = [], 0
    for domain, _, _ in cases:
        told = ask(culver, domain)
        if told["mode"] != good.get(domain, 0):
            wrong.append((domain, told))
        if domain in expected:
            compared += 1
            # "strict" asks for testing, too
            if (told["mode"] in (2, 3) and told["mx"] == [{"pattern": b"mail.loc"}]) != expected[domain]:
                wrong.append((domain, "expected", expected[domain], told))
    with capsys.disabled():
        print(f" [{len(cases)} domains, {compared} of them judged by the reference, {len(wrong)} differ]", end="")
    assert not wrong and compared >= 10


# ---- culver tls ----

def told(culver, *words, check=0):
    """What `culver tls` says, as lines."""
    return culver.command("tls", *words, check=check).stdout.splitlines()


def test_tls_explains_and_tries(culver, site):
    site.hop().page(policy()).names().start()
    lines = told(culver, DOMAIN)
    text = "\n".join(lines)
    assert lines[0] == f"{DOMAIN} goes to mx:{DOMAIN}:{site.sink.port} (route {DOMAIN})"
    assert lines[1] == "configured: tls dane sts opportunistic"
    assert lines[2].startswith(f"MTA-STS: mode enforce, policy {ID}, fetched ") and lines[2].endswith(f"; mx {MX}")
    assert lines[3] == f"{MX}[127.0.0.1]:{site.sink.port}"
    assert "    MX: not signed" in lines and "    TLSA: not believed, since what leads to it is not signed" in lines
    assert f"    demanded: verified, by sts: MTA-STS: {DOMAIN} demands it of its hosts" in lines
    assert f"    names: {MX}" in lines and "tried" not in text and site.sink.connections == 0
    lines = told(culver, DOMAIN, "--try")
    assert re.search(r"    tried: TLSv1\.3 \S+ pkix", "\n".join(lines))
    assert site.sink.connections == 1 and len(site.web.asked) == 1


def test_tls_says_what_is_not_met(culver, site):
    site.hop(None).page(policy()).names().start()
    assert any("tried:" in line and "STARTTLS" in line for line in told(culver, DOMAIN, "--try", check=1))


def test_tls_of_a_host_that_is_passed_over(culver, site):
    site.hop().page(policy(mx=["other.example"])).names().start()
    assert any(line.startswith("    passed over: the MTA-STS policy") for line in told(culver, DOMAIN, check=1))


def test_tls_tells_of_dane(culver, site):
    site.hop(["whoever.test"]).page(policy())
    tlsa = certificates.tlsa(os.path.join(culver.folder, "mx.pem"))
    site.names(more=f"_{site.sink.port}._tcp.mx TLSA {tlsa}", sign=True).start()
    lines = told(culver, DOMAIN, "--try")
    assert "MTA-STS: not asked for, since DANE comes first" in lines and "    MX: signed" in lines
    assert f"    TLSA: 1 of use at {MX}" in lines and any(line.startswith("    demanded: dane, by dane") for line in lines)
    assert lines[-1].startswith("    tried: TLSv1.3 ") and lines[-1].endswith(" dane")


def test_tls_of_other_domains(culver, site):
    site.hop().page(policy()).names().start()
    assert told(culver, OWN) == [f"{OWN}: its mail is delivered on this host"]
    assert any("no host: " in line for line in told(culver, "nowhere.sts.example", check=1))
    for wrong in ("", "a b", "-"):
        assert culver.command("tls", wrong).returncode == 64
    assert culver.command("tls").returncode == 64
    culver.stop()
    assert culver.command("tls", DOMAIN).returncode == 69


def test_check_looks_at_the_authorities(culver):
    """A file that is not there, and one without a certificate."""
    empty = os.path.join(culver.folder, "empty.pem")
    with open(empty, "w", encoding="ascii"):
        pass
    os.chmod(empty, 0o644)
    for path in (empty, "/nonexistent.pem"):
        culver.general = [f"https-ca {path}"]
        culver.write()
        done = culver.command("check")
        assert done.returncode == 1 and path in done.stdout + done.stderr
