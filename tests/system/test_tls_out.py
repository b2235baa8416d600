"""TLS towards next hops: what is demanded and by whom, DANE, and hosts that do not keep what they promise.

The next hops are Sinks with certificates of the test's own authority; what they are called is told by a name server of the
test's own (dns.py).
"""

import os
import ssl

import pytest

import certificates
import dns
import dovecot
import exim
import mail
import peers
import postfix
import smtp
from culver import block

HOST = "hop.example"
NAME = "mx." + HOST


@pytest.fixture
def authority(culver):
    """Whom the routes of a test believe."""
    return certificates.Authority(culver.folder)


@pytest.fixture
def hop():
    """Makes next hops; each ends with the test."""
    made = []

    def make(pair=None, **options):
        made.append(smtp.Sink(tls=certificates.server_context(pair) if pair else options.pop("tls", None), **options).start())
        return made[-1]

    yield make
    for sink in made:
        sink.stop()


@pytest.fixture
def names():
    """Name servers that end with the test; `sign`: the zone is signed, and the path of its key comes back, too."""
    made = []

    def make(records, sign=False, damage=None):
        try:
            server = dns.Server({HOST: dns.zone(HOST, records)})
        except peers.Unavailable as reason:
            pytest.skip(str(reason))
        made.append(server)
        anchor = server.sign(HOST, damage) if sign else "none"
        return server.start(), anchor

    yield make
    for server in made:
        server.close()


def configure(culver, name_server=None, anchor="none"):
    """Asks that server; retries do not come in the way."""
    if name_server:
        culver.general += [f"resolver 127.0.0.1@{name_server.port}", f"trust-anchor {anchor}", "hosts no"]
    culver.outbound += ["retry 1h"]
    return culver


def route(culver, where, tls=None, *words, domain=HOST):
    """Mail for the domain goes there."""
    lines = [f"smtp {where}"]
    if tls and words:
        lines += [f"tls {tls} {{", *words, "}"]
    elif tls:
        lines.append(f"tls {tls}")
    culver.general.append(block(f"route {domain}", lines))
    return culver


def outcome(culver, event="delivered", domain=HOST, tag="tls", to="x"):
    """What became of a message."""
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message(culver.address, [f"{to}@{domain}"], mail.small(tag))
        smtp.check(reply, 250)
    return culver.wait_event(event, id=culver.accepted_id(reply))


def verbs(sink, number=1):
    """What was said on one connection in plain text or under TLS."""
    return [text.split(" ")[0] for which, text in sink.commands if which == number]


# ---- what the configuration demands ----

def test_tls_is_taken_where_it_is_offered_and_told(culver, authority, hop):
    sink = hop(authority.issue("any", ["whoever.test"], days=-1))
    route(configure(culver), f"127.0.0.1:{sink.port}").start()
    told = outcome(culver)
    assert told["tls"].startswith("TLSv1.3 TLS_") and told["tls"].endswith(" none")
    assert verbs(sink)[:4] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]
    assert len(sink.messages) == 1 and len(sink.handshakes) == 1


def test_none_is_plain_text(culver, authority, hop):
    sink = hop(authority.issue("any", ["whoever.test"]))
    route(configure(culver), f"127.0.0.1:{sink.port}", "none").start()
    assert outcome(culver)["tls"] == ""
    assert "STARTTLS" not in verbs(sink)


def test_without_starttls_only_who_demands_it_waits(culver, hop):
    sink = hop()
    route(configure(culver), f"127.0.0.1:{sink.port}", "required")
    route(culver, f"127.0.0.1:{sink.port}", domain="open.example").start()
    assert outcome(culver, domain="open.example")["tls"] == ""
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and "does not offer STARTTLS" in told["reply"] and "tls required" in told["reply"]
    assert len(sink.messages) == 1


def test_a_host_that_closes_at_starttls_is_busy(culver, authority, hop):
    """421 says nothing of TLS, and is no failure of what was demanded."""
    sink = hop(authority.issue("any", ["whoever.test"]),
               answer=lambda verb, *_: b"421 4.3.2 closing\r\n" if verb == "STARTTLS" else None)
    route(configure(culver), f"127.0.0.1:{sink.port}", "required").start()
    told = outcome(culver, "deferred")
    assert told["code"] == "421" and told["status"] == "4.3.2" and not sink.messages
    assert not culver.events("tls-refused")


@pytest.mark.parametrize("level,event", [("opportunistic", "delivered"), ("required", "deferred")])
def test_starttls_that_is_refused(culver, authority, hop, level, event):
    sink = hop(authority.issue("any", ["whoever.test"]),
               answer=lambda verb, *_: b"454 4.7.0 not now\r\n" if verb == "STARTTLS" else None)
    route(configure(culver), f"127.0.0.1:{sink.port}", level).start()
    told = outcome(culver, event)
    assert culver.wait_event("tls-refused")["code"] == "454"
    assert told["tls"] == "" and len(sink.messages) == (event == "delivered")
    assert event == "delivered" or (told["status"] == "4.7.5" and "454" in told["reply"])


class Broken(smtp.Sink):
    """Cuts the connection in the handshake."""

    def _shake(self, connection):
        raise ConnectionAbortedError


@pytest.mark.parametrize("level,event", [("opportunistic", "delivered"), ("required", "deferred")])
def test_a_handshake_that_is_cut(culver, level, event):
    with Broken(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as sink:
        route(configure(culver), f"127.0.0.1:{sink.port}", level).start()
        told = outcome(culver, event)
        assert culver.wait_event("tls-failed")["demanded"] == level
        if event == "deferred":
            assert told["status"] == "4.7.5" and "handshake" in told["reply"] and not sink.messages
            return
        # a new connection, on which nothing is said of TLS
        assert told["tls"] == "" and sink.connections == 2 and "STARTTLS" not in verbs(sink, 2)


class Injecting(smtp.Sink):
    """Says 220 to STARTTLS and answers to commands that nobody gave, in the same packet."""

    def _say(self, connection, verb, argument, default):
        if verb == "STARTTLS":
            default += b"250-injected.test\r\n250 SIZE 1\r\n"
        return super()._say(connection, verb, argument, default)


def test_what_stands_behind_220_in_plain_text_is_dropped(culver, authority):
    pair = authority.issue("any", ["whoever.test"])
    with Injecting(tls=certificates.server_context(pair)) as sink:
        route(configure(culver), f"127.0.0.1:{sink.port}").start()
        assert outcome(culver)["tls"] != ""
        assert int(culver.wait_event("tls-injection")["bytes"]) == len(b"250-injected.test\r\n250 SIZE 1\r\n")
        assert len(sink.messages) == 1


def test_extensions_of_the_plain_text_count_for_nothing(culver, authority):
    """One that offers SIZE 1 before TLS alone."""
    pair = authority.issue("any", ["whoever.test"])

    class Boastful(smtp.Sink):
        """Two answers to EHLO."""

        def _say(self, connection, verb, argument, default):
            if verb == "EHLO" and not isinstance(connection, ssl.SSLSocket):
                default = b"250-sink.test\r\n250-SIZE 1\r\n250 STARTTLS\r\n"
            return super()._say(connection, verb, argument, default)

    with Boastful(tls=certificates.server_context(pair)) as sink:
        route(configure(culver), f"127.0.0.1:{sink.port}").start()
        outcome(culver)
        assert len(sink.messages) == 1


def test_from_the_first_byte_on(culver, authority, hop):
    sink = hop(authority.issue("any", ["whoever.test"]), implicit=True)
    route(configure(culver), f"127.0.0.1:{sink.port}", "required", "implicit yes").start()
    assert outcome(culver)["tls"].endswith(" none")
    assert "STARTTLS" not in verbs(sink)


# ---- who the host is ----

def verified(culver, authority, names, sink, *words):
    """A route to the sink by name."""
    server, _ = names("mx A 127.0.0.1")
    return route(configure(culver, server), f"{NAME}:{sink.port}", "verified", f"ca {authority.certificate}", *words).start()


def test_a_host_that_proves_its_name(culver, authority, names, hop):
    sink = hop(authority.issue("right", [NAME]))
    verified(culver, authority, names, sink)
    assert outcome(culver)["tls"].endswith(" pkix")


def test_one_of_the_names_that_are_given(culver, authority, names, hop):
    sink = hop(authority.issue("right", ["smtp.below.example"]))
    verified(culver, authority, names, sink, "names other.example .below.example")
    assert outcome(culver)["tls"].endswith(" pkix")


@pytest.mark.parametrize("what", ["name", "expired", "self-signed", "other-authority"])
def test_a_host_that_does_not_is_sent_nothing(culver, authority, names, hop, what):
    if what == "self-signed":
        own = certificates.Pair(culver.folder, "own", hosts=[NAME])
        pair = own.certificate, own.key
    elif what == "other-authority":
        pair = certificates.Authority(culver.folder, "other").issue("theirs", [NAME])
    else:
        pair = authority.issue("wrong", ["else.example" if what == "name" else NAME], days=-1 if what == "expired" else 30)
    sink = hop(pair)
    verified(culver, authority, names, sink)
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and "tls verified" in told["reply"] and "it showed a certificate of" in told["reply"]
    failed = culver.wait_event("tls-failed")
    assert failed["result"] == {"name": "certificate-host-mismatch", "expired": "certificate-expired",
                                "self-signed": "certificate-not-trusted", "other-authority": "certificate-not-trusted"}[what]
    assert not sink.messages and not [text for _, text in sink.commands if text.startswith("MAIL")]


def test_two_domains_behind_one_host_have_each_what_they_demand(culver, authority, names, hop):
    """The certificate is for another host: one domain wants it verified, the other does not mind."""
    sink = hop(authority.issue("wrong", ["else.example"]))
    server, _ = names("mx A 127.0.0.1")
    configure(culver, server)
    route(culver, f"{NAME}:{sink.port}", "verified", f"ca {authority.certificate}", domain="strict.example")
    route(culver, f"{NAME}:{sink.port}", domain="lax.example").start()
    for tag in ("one", "two"):
        assert outcome(culver, domain="lax.example", tag=tag)["tls"].endswith(" none")
        outcome(culver, "deferred", domain="strict.example", tag=tag)
    assert {to for taken in sink.messages for to in taken.recipients} == {"x@lax.example"}


# ---- DANE (RFC 7672) ----

DEEP = "mx A 127.0.0.1\n@ MX 10 mx\n"


def dane(culver, names, sink, *records, damage=None, tls=None):
    """The domain goes by its MX, in a signed zone, with these TLSA records."""
    text = DEEP + "\n".join(f"_{sink.port}._tcp.mx TLSA {record}" for record in records)
    server, anchor = names(text, sign=True, damage=damage)
    return route(configure(culver, server, anchor), f"mx:{HOST}:{sink.port}", tls).start()


def counted(culver):
    """What TLSRPT will be told of the last connection."""
    told = culver.wait_event("tls-result", domain=HOST, host=NAME)
    assert told["address"] == "127.0.0.1" and told["local"] in ("127.0.0.1", "")
    return told["policy"], told["result"]


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_the_certificate_that_tlsa_tells_of(culver, authority, names, hop, selector, matching):
    """Whatever names it has, and although it is over: DANE-EE."""
    pair = authority.issue("theirs", ["whoever.test"], days=-1)
    sink = hop(pair)
    dane(culver, names, sink, certificates.tlsa(pair[0], 3, selector, matching))
    assert outcome(culver)["tls"].endswith(" dane")
    assert counted(culver) == ("dane", "success")


@pytest.mark.parametrize("host,event", [(NAME, "delivered"), (HOST, "delivered"), ("else.example", "deferred")])
def test_an_authority_that_tlsa_tells_of_stands_for_names(culver, authority, names, hop, host, event):
    sink = hop(authority.issue("theirs", [host]))
    dane(culver, names, sink, certificates.tlsa(authority.certificate, 2, 0, 1))
    told = outcome(culver, event)
    if event == "delivered":
        assert told["tls"].endswith(" dane")
    else:
        assert "DANE: 1 TLSA" in told["reply"] and not sink.messages


def test_another_certificate_than_tlsa_tells_of(culver, authority, names, hop):
    sink = hop(authority.issue("theirs", [NAME]))
    dane(culver, names, sink, "3 1 1 " + "ab" * 32)
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and f"DANE: 1 TLSA records at {NAME}" in told["reply"]
    assert culver.wait_event("tls-failed")["by"] == "dane" and not sink.messages
    assert counted(culver) == ("dane", "validation-failure")


def test_records_of_which_none_is_usable_demand_encryption(culver, authority, names, hop):
    """Usages 0 and 1, and a type of matching that nobody knows: whoever it is, but not in plain text."""
    pair = authority.issue("theirs", ["whoever.test"])
    sink = hop(pair)
    dane(culver, names, sink, certificates.tlsa(pair[0], 1, 1, 1), "0 0 1 " + "ab" * 32, "3 1 7 abcd")
    assert outcome(culver)["tls"].endswith(" none")
    assert counted(culver) == ("dane", "tlsa-invalid")


def test_the_next_host_is_tried_where_one_does_not_prove_who_it_is(culver, authority, names):
    port = peers.free_port()
    pairs = authority.issue("false", [NAME]), authority.issue("true", ["mx2." + HOST])
    with smtp.Sink(host="127.0.0.2", port=port, tls=certificates.server_context(pairs[0])) as first, \
            smtp.Sink(host="127.0.0.3", port=port, tls=certificates.server_context(pairs[1])) as second:
        server, anchor = names(f"@ MX 10 mx\n@ MX 20 mx2\nmx A 127.0.0.2\nmx2 A 127.0.0.3\n_{port}._tcp.mx TLSA 3 1 1 {'ab' * 32}\n"
                               f"_{port}._tcp.mx2 TLSA {certificates.tlsa(pairs[1][0])}", sign=True)
        route(configure(culver, server, anchor), f"mx:{HOST}:{port}").start()
        told = outcome(culver)
        assert told["host"].startswith("mx2.") and told["tls"].endswith(" dane")
        assert "TLSA" in culver.wait_event("host-passed-over")["reason"]
        assert not first.messages and len(second.messages) == 1


def test_tlsa_and_no_starttls_is_an_attack(culver, names, hop):
    sink = hop()
    dane(culver, names, sink, "3 1 1 " + "ab" * 32)
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and "does not offer STARTTLS" in told["reply"] and not sink.messages
    assert counted(culver) == ("dane", "starttls-not-supported")


def test_tlsa_that_is_signed_wrongly_stops_mail(culver, authority, names, hop):
    """Never plain text, nor any certificate, because somebody broke the answer on its way."""
    pair = authority.issue("theirs", [NAME])
    sink = hop(pair)

    def damage(text):
        record = certificates.tlsa(pair[0]).split(" ")[-1]
        assert record in text.lower()
        return text.replace(record, "00" + record[2:]).replace(record.upper(), "00" + record[2:])

    dane(culver, names, sink, certificates.tlsa(pair[0]), damage=damage)
    told = outcome(culver, "deferred")
    assert told["status"] == "4.7.5" and "TLSA" in told["reply"] and sink.connections == 0
    assert counted(culver) == ("dane", "dnssec-invalid")


def test_securely_no_tlsa_is_opportunistic(culver, hop, names):
    sink = hop()
    dane(culver, names, sink)
    assert outcome(culver)["tls"] == ""


def test_tlsa_of_a_zone_that_is_not_signed_is_nothing(culver, hop, names):
    sink = hop()
    server, _ = names(DEEP + f"_{sink.port}._tcp.mx TLSA 3 1 1 {'ab' * 32}")
    route(configure(culver, server), f"mx:{HOST}:{sink.port}").start()
    assert outcome(culver)["tls"] == ""


def test_who_says_opportunistic_does_not_look_for_tlsa(culver, hop, names):
    sink = hop()
    dane(culver, names, sink, "3 1 1 " + "ab" * 32, tls="opportunistic")
    assert outcome(culver)["tls"] == ""


# ---- real ones ----

@pytest.mark.parametrize("kind", [postfix.Postfix, exim.Exim], ids=lambda kind: kind.name)
@pytest.mark.parametrize("how", ["opportunistic", "verified", "dane"])
def test_a_real_next_hop(culver, authority, names, kind, how):
    """Postfix (OpenSSL) and Exim (GnuTLS) have STARTTLS; what they took comes out of them as it was."""
    pair = authority.issue("theirs", [NAME])
    os.chmod(pair[1], 0o644)  # it reads its key as a user of its own
    with smtp.Sink() as sink:
        try:
            stranger = kind(sink.port, pair=pair)
        except peers.Unavailable as reason:
            pytest.skip(str(reason))
        try:
            stranger.start()
            record = f"_{stranger.port}._tcp.mx TLSA {certificates.tlsa(authority.certificate, 2, 1, 2)}\n" if how == "dane" else ""
            server, anchor = names(DEEP + record, sign=True)
            configure(culver, server, anchor)
            words = [f"ca {authority.certificate}"] if how == "verified" else []
            route(culver, f"mx:{HOST}:{stranger.port}", how if how != "dane" else None, *words).start()
            content = mail.small("real", 300000)
            with culver.smtp() as client:
                client.ehlo()
                smtp.check(client.message(culver.address, [f"x@{HOST}"], content), 250)
            told = culver.wait_event("delivered", to=f"x@{HOST}")
            assert told["tls"].startswith("TLSv1.3 ") and told["tls"].split()[-1] == {"verified": "pkix", "dane": "dane"}.get(how, "none")
            stranger.wait_drained()
            taken, = sink.messages
            mail.below(taken.content, content)
        finally:
            stranger.close()


def test_lmtp_by_tcp_has_starttls_too(culver, authority, place, names):
    pair = authority.issue("theirs", [NAME])
    try:
        server = dovecot.Taker(place.users[0], pair)
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    with server:
        resolver, _ = names("mx A 127.0.0.1")
        culver.general.append(block("route box.test", [f"lmtp {NAME}:{server.port}", "tls verified {", f"ca {authority.certificate}", "}"]))
        configure(culver, resolver).start()
        assert outcome(culver, domain="box.test", to="ann")["tls"].endswith(" pkix")
        letter, = server.letters("ann")
        assert mail.tag_of(letter) == "tls"


# ---- sessions ----

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_is_resumed_by_the_agent_that_has_it(culver, authority, names, version):
    """The host ends each connection after a message; the agent comes again with its ticket."""
    pair = authority.issue("right", [NAME])
    context = certificates.server_context(pair, version, version)
    gone = []

    def answer(verb, *_):
        """Closes where a kept connection is used again."""
        if verb == "." and not gone:
            gone.append(1)
        elif verb == "MAIL" and gone:
            gone.clear()
            return "close"
        return None

    with smtp.Sink(tls=context, answer=answer) as sink:
        verified(culver, authority, names, sink)
        for tag in ("one", "two"):
            assert outcome(culver, tag=tag)["tls"].endswith(" pkix")
        assert [resumed for _, _, resumed in sink.handshakes] == [False, True]
        assert len(sink.messages) == 2
