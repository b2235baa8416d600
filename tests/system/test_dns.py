"""By MX: preference, chance among equals, null MX, dead hosts, loops, no such domain, no answer; and what is signed.

A name server of the test's own (dns.py); the next hops are Sinks at addresses of 127.0.0.0/8, all on one port.
"""

import os
import re

import pytest

import dns
import eventlog
import mail
import peers
import smtp
import wire

MX, A, AAAA, TXT, CNAME = 15, 1, 28, 16, 5
FOUND, NO_DATA, NO_NAME, TROUBLE = 1, 2, 3, 4
INSECURE, SECURE, BOGUS = 1, 2, 3

ZONE = dns.zone("mail.example", """
h2 A 127.0.0.2
h3 A 127.0.0.3
h4 A 127.0.0.4
both A 127.0.0.2
both AAAA ::1
many A 127.0.0.9
many A 127.0.0.8
many A 127.0.0.2
sorted MX 30 h4
sorted MX 10 h2
sorted MX 20 h3
equal MX 10 h2
equal MX 10 h3
equal MX 10 h4
implicit A 127.0.0.3
null MX 0 .
nothing TXT "neither MX nor address"
alias CNAME sorted
aliased-mx MX 10 alias-of-h3
alias-of-h3 CNAME h3
loop CNAME pool
pool CNAME loop
to-loop MX 10 loop
dangling MX 10 no-such-host
half MX 10 no-such-host
half MX 20 h3
broken-mx MX 10 a.broken.example.
backup MX 10 h2
backup MX 20 culver
backup MX 30 h3
ours MX 10 culver
ours MX 10 h3
culver A 127.0.0.1
elsewhere MX 10 h2
elsewhere MX 20 h3
""")


@pytest.fixture
def server():
    """Starts name servers that end with the test."""
    made = []

    def make(zones, before=None):
        try:
            one = dns.Server(zones)
        except peers.Unavailable as reason:
            pytest.skip(str(reason))
        made.append(one)
        if before:
            before(one)
        return one.start()

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sinks():
    """Next hops at addresses, all on one port: sinks.at("127.0.0.2")."""
    class Sinks:
        def __init__(self):
            self.port, self.made = peers.free_port(), {}

        def at(self, *addresses, answer=None):
            for address in addresses:
                self.made[address] = smtp.Sink(host=address, port=self.port, answer=answer).start()
            return self.made[addresses[-1]]

    made = Sinks()
    yield made
    for sink in made.made.values():
        sink.stop()


def configure(culver, name_server, sinks=None, *routes, anchor="none"):
    """The instance asks that server; each of the domains goes to the port of the sinks by its MX."""
    culver.general += [f"resolver 127.0.0.1@{name_server.port}", f"trust-anchor {anchor}", "hosts no"]
    culver.outbound += ["retry 1m"]
    for route in routes:
        culver.general += [f"route {route} {{\n    smtp mx:{route}:{sinks.port}\n}}"]
    return culver


def submit(culver, *recipients, tag="dns"):
    """One message; its id."""
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message(culver.address, list(recipients), mail.small(tag))
        smtp.check(reply, 250)
        return culver.accepted_id(reply)


def outcome(culver, domain, event="delivered"):
    """What became of a message to that domain."""
    ident = submit(culver, f"x@{domain}", tag=domain)
    return culver.wait_event(event, id=ident, to=f"x@{domain}")


def test_mx_by_preference_and_the_next_where_one_is_dead(culver, server, sinks):
    domains = ["sorted.mail.example", "half.mail.example", "alias.mail.example", "aliased-mx.mail.example",
               "implicit.mail.example", "many.mail.example", "both.mail.example"]
    configure(culver, server({"mail.example": ZONE}), sinks, *domains).start()
    first = sinks.at("127.0.0.4", "127.0.0.3", "127.0.0.2")
    assert outcome(culver, "sorted.mail.example")["host"] == f"h2.mail.example[127.0.0.2]:{sinks.port}"
    assert len(first.messages) == 1 and first.messages[0].recipients == ["x@sorted.mail.example"]
    # the route's MX, its name being an alias
    assert outcome(culver, "alias.mail.example")["host"].startswith("h2.mail.example[127.0.0.2]")
    assert outcome(culver, "aliased-mx.mail.example")["host"].startswith("alias-of-h3.mail.example[127.0.0.3]")
    assert outcome(culver, "half.mail.example")["host"].startswith("h3.mail.example[127.0.0.3]")
    assert outcome(culver, "implicit.mail.example")["host"].startswith("implicit.mail.example[127.0.0.3]")
    # ::1, 127.0.0.8 and .9 are not there
    for domain in ("many.mail.example", "both.mail.example"):
        assert outcome(culver, domain)["host"].startswith(f"{domain}[127.0.0.2]")
    # the first one dies: its connection, kept or not, is given up, and the second is tried
    first.stop()
    mark = culver.mark()
    assert outcome(culver, "sorted.mail.example")["host"].startswith("h3.mail.example[127.0.0.3]")
    passed = culver.wait_event("host-passed-over", since=mark)
    assert passed["host"].startswith("h2.mail.example[127.0.0.2]") and "refused" in passed["reason"]


def test_equal_mx_take_turns(culver, server, sinks):
    configure(culver, server({"mail.example": ZONE}), sinks, "equal.mail.example").start()
    served = []

    def answer(verb, _argument, _default):
        """Closes where a kept connection is used again, so that each message is a new choice."""
        if verb == ".":
            served.append(1)
        if verb == "MAIL" and served:
            served.clear()
            return "close"
        return None

    sinks.at("127.0.0.2", "127.0.0.3", "127.0.0.4", answer=answer)
    seen = set()
    for _ in range(60):
        seen.add(outcome(culver, "equal.mail.example")["host"].split("[")[0])
        if len(seen) == 3:
            break
    assert seen == {"h2.mail.example", "h3.mail.example", "h4.mail.example"}


@pytest.mark.parametrize("stage,reply", [
    ("CONNECT", b"421 4.3.2 not now\r\n"), ("CONNECT", b"554 5.7.1 never\r\n"), ("EHLO", b"421 4.3.2 not now\r\n"),
    ("CONNECT", "close"), ("MAIL", b"451 4.3.0 not now\r\n"), ("RCPT", b"450 4.2.1 not now\r\n"),
    ("DATA", b"451 4.3.0 not now\r\n"), (".", b"451 4.3.0 not now\r\n"), ("MAIL", b"421 4.3.2 bye\r\n")])
def test_what_one_host_defers_another_is_asked(culver, server, sinks, stage, reply):
    configure(culver, server({"mail.example": ZONE}), sinks, "elsewhere.mail.example").start()
    second = sinks.at("127.0.0.3")
    sinks.at("127.0.0.2", answer=lambda verb, argument, default: reply if verb == stage else None)
    assert outcome(culver, "elsewhere.mail.example")["host"].startswith("h3.mail.example[127.0.0.3]")
    assert len(second.messages) == 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "."])
def test_what_one_host_refuses_no_other_is_asked(culver, server, sinks, stage):
    configure(culver, server({"mail.example": ZONE}), sinks, "elsewhere.mail.example").start()
    second = sinks.at("127.0.0.3")
    sinks.at("127.0.0.2", answer=lambda verb, argument, default: b"550 5.1.1 nobody\r\n" if verb == stage else None)
    failed = outcome(culver, "elsewhere.mail.example", "failed")
    assert failed["host"].startswith("h2.mail.example") and failed["code"] == "550"
    assert second.connections == 0


def test_the_last_host_decides_what_is_said(culver, server, sinks):
    configure(culver, server({"mail.example": ZONE}), sinks, "elsewhere.mail.example").start()
    sinks.at("127.0.0.2", answer=lambda verb, argument, default: b"450 4.2.1 full\r\n" if verb == "RCPT" else None)
    deferred = outcome(culver, "elsewhere.mail.example", "deferred")
    # the other one is not there, which says less than a reply
    assert deferred["code"] == "450" and "full" in deferred["reply"]


NOWHERE = [
    ("null.mail.example", "failed", "5.1.10", "556"),
    ("no-such.mail.example", "failed", "5.1.2", None),
    ("nothing.mail.example", "failed", "5.4.4", None),
    ("dangling.mail.example", "failed", "5.4.4", None),
    ("loop.mail.example", "deferred", "4.4.3", None),
    ("to-loop.mail.example", "deferred", "4.4.3", None),
    ("a.broken.example", "deferred", "4.4.3", None),
    ("broken-mx.mail.example", "deferred", "4.4.3", None),
    ("ours.mail.example", "failed", "5.4.6", None),
]


def test_domains_that_take_no_mail_or_do_not_say(culver, server):
    """Without smarthost and route: what is wrong is seen before anybody is connected to."""
    culver.replaced["hostname"] = "culver.mail.example"
    configure(culver, server({"mail.example": ZONE, "broken.example": None})).start()
    for domain, event, status, code in NOWHERE:
        told = outcome(culver, domain, event)
        assert told["status"] == status, f"{domain}: {told}"
        assert code is None or told["code"] == code, f"{domain}: {told}"


def test_mail_does_not_come_back_to_us(culver, server, sinks):
    culver.replaced["hostname"] = "culver.mail.example"
    configure(culver, server({"mail.example": ZONE}), sinks, "backup.mail.example").start()
    worse, better = sinks.at("127.0.0.3"), sinks.at("127.0.0.2")
    assert outcome(culver, "backup.mail.example")["host"].startswith("h2.mail.example")
    better.stop()
    outcome(culver, "backup.mail.example", "deferred")
    assert worse.connections == 0


def test_a_configured_host_that_is_not_there_returns_no_mail(culver, server):
    """Its name is the administrator's mistake, not the recipient's."""
    configure(culver, server({"mail.example": ZONE}))
    culver.general += ["route a.example {\n smtp no-such.mail.example:25\n}", "route b.example {\n smtp mx:no-such.mail.example\n}"]
    culver.start()
    for domain in ("a.example", "b.example"):
        assert outcome(culver, domain, "deferred")["status"] == "4.4.4"


def test_no_name_server_and_then_one(culver, server, sinks):
    """Deferred while nobody answers; delivered when somebody does."""
    one = server({"mail.example": ZONE})
    one.stop()
    configure(culver, one, sinks, "implicit.mail.example")
    culver.outbound = ["retry 1s 2s"]
    culver.start()
    sinks.at("127.0.0.3")
    ident = submit(culver, "x@implicit.mail.example")
    assert culver.wait_event("deferred", 60, id=ident)["status"] == "4.4.3"
    one.start()
    culver.wait_event("delivered", 60, id=ident)


def test_routes_that_are_no_place(culver, server):
    configure(culver, server({"mail.example": ZONE}))
    culver.general += ['route refuse.example {\n refuse "not to them"\n}', "route .example {\n discard\n}",
                       "route defer.example {\n defer moving\n}", "route hold.example {\n hold\n}"]
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{culver.address}>", 250)
        refused = client.command("RCPT TO:<x@refuse.example>", 550)
        assert "5.7.1" in str(refused) and "not to them" in str(refused)
    assert "moving" in outcome(culver, "defer.example", "deferred")["reply"]
    ident = submit(culver, "x@hold.example")
    culver.wait_event("held", id=ident)
    ident = submit(culver, "x@below.example")
    culver.wait_event("done", id=ident)


def test_literals_and_smarthosts_by_mx(culver, server, sinks):
    configure(culver, server({"mail.example": ZONE}))
    culver.smarthosts = [f"mx:sorted.mail.example:{sinks.port}"]
    culver.start()
    sink = sinks.at("127.0.0.2")
    ident = submit(culver, "x@[127.0.0.7]", "y@other.example")
    culver.wait_event("delivered", id=ident, to="y@other.example")
    culver.wait_event("delivered", id=ident, to="x@[127.0.0.7]")
    assert sorted(sink.messages[0].recipients) == ["x@[127.0.0.7]", "y@other.example"]


# ---- the resolver itself ----

def ask(peer, rr, name):
    """The whole answer to one question."""
    peer.send(wire.encode("RESOLVER_ASK", 7, rr=rr, name=name))
    records = []
    while True:
        kind, fields, flags = receive(peer)
        assert kind == "RESOLVER_ANSWER"
        records += fields["records"]
        if not flags & wire.MORE:
            return {**fields, "records": records}


def receive(peer):
    """(name, fields, flags) of the next answer."""
    data = peer.recv(wire.DATAGRAM_MAX)
    name, _, flags, fields = wire.decode(data, wire.RESOLVER_ANSWERS)
    return name, fields, flags


def test_answers_are_told_apart(culver, server):
    long = " ".join(f'"{"t" * 250}"' for _ in range(30))
    big = "".join(f"big TXT \"{at}\" {long}\n" for at in range(4)) + "".join(f"wide A 127.1.{at // 250}.{at % 250}\n" for at in range(900))
    configure(culver, server({"mail.example": ZONE + big, "broken.example": None})).start()
    peer = culver.connect("resolver", "delivery")
    peer.settimeout(40)
    answer = ask(peer, MX, "sorted.mail.example")
    assert answer["outcome"] == FOUND and answer["security"] == INSECURE and answer["ttl"] <= 300
    assert sorted((r["preference"], r["name"]) for r in answer["records"]) == [
        (10, b"h2.mail.example"), (20, b"h3.mail.example"), (30, b"h4.mail.example")]
    assert ask(peer, MX, "alias.mail.example")["canonical"] == b"sorted.mail.example"
    assert ask(peer, A, "H2.Mail.Example")["records"][0]["data"] == bytes([127, 0, 0, 2])
    assert ask(peer, MX, "null.mail.example")["records"][0]["name"] == b""
    assert ask(peer, MX, "nothing.mail.example")["outcome"] == NO_DATA
    assert ask(peer, MX, "no-such.mail.example")["outcome"] == NO_NAME
    assert ask(peer, A, "a.broken.example")["outcome"] == TROUBLE
    assert ask(peer, A, "loop.mail.example")["outcome"] == TROUBLE
    assert ask(peer, A, "localhost")["records"][0]["data"] == bytes([127, 0, 0, 1])
    # in parts, and by TCP
    assert {len(r["data"]) for r in ask(peer, TXT, "big.mail.example")["records"]} == {7501}
    assert len(ask(peer, A, "wide.mail.example")["records"]) == 900
    # a name that is none, and a type that is not offered
    assert ask(peer, A, "a..b")["outcome"] == TROUBLE
    assert ask(peer, 2, "mail.example")["outcome"] == TROUBLE
    assert ask(peer, A, "h3.mail.example")["outcome"] == FOUND
    peer.close()


def test_hosts_are_answered_first(culver, server):
    configure(culver, server({"mail.example": ZONE}))
    culver.general[-1] = "hosts yes"
    culver.start()
    with open("/etc/hosts", encoding="utf-8") as file:
        rows = [line.split("#")[0].split() for line in file]
    known = [(row[0], name) for row in rows for name in row[1:] if re.fullmatch(r"[0-9.]+", row[0]) and name != "localhost"]
    if not known:
        pytest.skip("/etc/hosts names nobody but localhost")
    peer = culver.connect("resolver", "delivery")
    peer.settimeout(40)
    found = [".".join(map(str, r["data"])) for r in ask(peer, A, known[0][1])["records"]]
    peer.close()
    assert known[0][0] in found


def test_secure_insecure_bogus(culver, server, sinks):
    """DNSSEC: one zone signed, one signed and then changed, one not signed; the keys of the first two are the anchors."""
    signed = dns.zone("signed.example", "@ MX 10 h\nh A 127.0.0.2\nsub MX 10 h\n")
    keys = []

    def damage(text):
        return re.sub(r"^(h\.bogus\.example\.\s.*\sA\s+)127\.0\.0\.2", r"\g<1>127.0.0.3", text, flags=re.M)

    def sign(one):
        keys.append(one.sign("signed.example"))
        keys.append(one.sign("bogus.example", damage))

    one = server({"signed.example": signed, "bogus.example": signed.replace("signed", "bogus"), "mail.example": ZONE}, sign)
    anchor = os.path.join(one.folder, "anchor")
    with open(anchor, "w", encoding="ascii") as file:
        for key in keys:
            with open(key, encoding="ascii") as one_key:
                file.write(one_key.read())
    os.chmod(anchor, 0o644)
    configure(culver, one, sinks, "signed.example", "bogus.example", anchor=anchor).start()
    peer = culver.connect("resolver", "delivery")
    peer.settimeout(60)
    assert ask(peer, MX, "signed.example")["security"] == SECURE
    denied = ask(peer, MX, "no-such.signed.example")
    assert denied["outcome"] == NO_NAME and denied["security"] == SECURE
    assert ask(peer, A, "h2.mail.example")["security"] == INSECURE
    wrong = ask(peer, A, "h.bogus.example")
    assert wrong["outcome"] == TROUBLE and wrong["security"] == BOGUS and wrong["text"], wrong
    peer.close()
    sinks.at("127.0.0.2", "127.0.0.3")
    assert outcome(culver, "signed.example")["host"].startswith("h.signed.example[127.0.0.2]")
    deferred = outcome(culver, "bogus.example", "deferred")
    assert deferred["status"] == "4.4.3"


def test_an_anchor_that_is_none_starts_nothing(culver, server):
    """Trouble with the keys never becomes an unvalidated answer."""
    anchor = os.path.join(culver.folder, "anchor")
    with open(anchor, "w", encoding="ascii") as file:
        file.write("this is no key\n")
    os.chmod(anchor, 0o644)
    configure(culver, server({"mail.example": ZONE}), anchor=anchor).start(wait=False)
    culver.wait_event("restarting", program="resolver")


# ---- the zone of another mail system's tests ----

ODD = {  # domain below test.ex: hosts that may take it, or an outcome and its status
    "mxcased": ["ten-99.test.ex[127.0.0.99]"],
    "mx46": ["46.test.ex[127.0.0.4]"],
    "mx4646": ["46.test.ex[127.0.0.4]", "46b.test.ex[127.0.0.5]"],
    "mx46466b": ["46.test.ex[127.0.0.4]"],
    "mx46cd": ["46d.test.ex[127.9.9.9]"],
    "mx246": ["ten-1.test.ex[127.0.0.1]"],
    "mxt1": ["eximtesthost.test.ex[127.9.9.9]"],
    "mxt2": ("failed", "5.4.4"),
    "mxt3": ["eximtesthost.test.ex[127.9.9.9]"],
    "mxt4": ["alias-eximtesthost.test.ex[127.9.9.9]"],
    "mxt6": ["ten-1.test.ex[127.0.0.1]"],
    "mxt7": ["ten-2.test.ex[127.0.0.2]"],
    "mxt9": ["ten-1.test.ex[127.0.0.1]"],
    "mxt9a": ["ten-1.test.ex[127.0.0.1]"],
    "mxt9b": ["ten-1.test.ex[127.0.0.1]"],
    "mxt10": ("failed", "5.4.4"),
    "mxt11": ["localhost.test.ex[127.0.0.1]"],
    "mxt12": ["local1.test.ex[127.0.0.2]"],
    "mxt13": ["other1.test.ex[127.12.4.5]"],
    "mxt14": ["ten-5-6.test.ex[127.0.0.5]", "ten-5-6.test.ex[127.0.0.6]"],
    "mxt15": ["ten-1.test.ex[127.0.0.1]"],
    "mxt97": [f"ten-{n}.test.ex[127.0.0.{n}]" for n in (1, 2, 3, 4)],
    "mxt98": ["98-1.test.ex[127.1.2.3]", "98-1.test.ex[127.4.5.6]"],
    "mxt99": [f"ten-{n}.test.ex[127.0.0.{n}]" for n in (1, 2, 3, 4, 5, 6)],
    "mxt1c": ("deferred", "4.4.3"),  # a name outside of the zones of this server
    "cname": ("failed", "5.4.4"),
    "cname4": ["cname4.test.ex[127.0.0.1]"],
    "badcname": ("failed", "5.1.2"),
    "uppercase": ["uppercase.test.ex[127.0.0.1]"],
    "localhost4": ["localhost4.test.ex[127.0.0.1]"],
    "ten-5-6": ["ten-5-6.test.ex[127.0.0.5]", "ten-5-6.test.ex[127.0.0.6]"],
    "v6": ("deferred", "4.4.1"),
    "not-exist": ("failed", "5.1.2"),
}


UNREACHABLE6 = "fe80"  # without an interface the kernel says so at once


def odd_zone(text):
    """Its dialect as a zone file: macros replaced, prefixes and what nsd refuses left out."""
    kept = []
    for line in text.splitlines():
        line = re.sub(r"^(?:(?:TTL|DELAY)=\d+|DNSSEC|AA|NXDOMAIN)\s+(?=\S)", "", line.replace("V4NET", "127").replace("V6NET", UNREACHABLE6))
        line = line.replace("HOSTIPV4", "127.9.9.9").replace("HOSTIPV6", "::1")
        if re.search(r"\s(A|AAAA|MX|CNAME)\s", line) and not line.startswith((";", "#")) and line.isascii() and "thishost" not in line[:8]:
            kept.append(line)
    return dns.zone("test.ex", "exim A 127.0.0.1\nthishost A 127.0.0.1\nlocalhost4 A 127.0.0.1\n" + "\n".join(
        line for line in kept if not line.startswith("localhost4")))


def test_the_odd_zone(culver, server, sinks, data):
    with open(os.path.join(data, "dns-zones/exim/db.test.ex"), encoding="utf-8") as file:
        one = server({"test.ex": odd_zone(file.read())})
    configure(culver, one, sinks, *[f"{name}.test.ex" for name in ODD]).start()
    sinks.at("0.0.0.0")
    idents = {name: submit(culver, f"x@{name}.test.ex", tag=name) for name in ODD}
    wrong = []
    for name, expected in ODD.items():
        event, status = expected if isinstance(expected, tuple) else ("delivered", None)
        try:
            told = culver.wait_event(event, 10, id=idents[name])
        except eventlog.NoEvent as problem:
            wrong.append((name, expected, str(problem)))
            continue
        if told["status"] != status if status else told["host"].rsplit(":", 1)[0] not in expected:
            wrong.append((name, expected, told))
    print(f"{len(ODD) - len(wrong)} of {len(ODD)} odd domains as expected")
    assert not wrong
