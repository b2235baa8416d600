"""What a sender demands of the TLS on its way (RFC 8689): REQUIRETLS, and `TLS-Required: No`.  Hosts are those of test_tls_out."""

import pytest

import certificates
import mail
import smtp
from culver import block
from smarthost import add_login
from test_tls_out import DEEP, HOST, NAME, authority, configure, dane, hop, names, route, verbs  # noqa: F401 (three of them fixtures)

OFFER = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "REQUIRETLS")


@pytest.fixture
def sending(culver):
    """With a certificate, so that REQUIRETLS may be said; returns how a message is sent."""
    pair = certificates.Pair(culver.folder, "here", owner=culver.place.runner.pw_uid)
    culver.general.append(f"tls {{\n certificate {pair.certificate}\n key {pair.key}\n}}")

    def send(words="", header=b"", tag="demand"):
        with certificates.Client(culver.port) as client:
            client.ehlo()
            client.starttls()
            client.ehlo()
            client.command(f"MAIL FROM:<{culver.address}>{words}", 250)
            client.command(f"RCPT TO:<x@{HOST}>", 250)
            client.command("DATA", 354)
            client.send(header + mail.small(tag) + b".\r\n")
            reply = client.reply()
            smtp.check(reply, 250)
        return culver.accepted_id(reply)
    return send


def by_name(culver, authority, names, sink, level=None):
    """A route to the sink by a name that the configuration says."""
    server, _ = names("mx A 127.0.0.1")
    words = (level or "opportunistic", f"ca {authority.certificate}")
    return route(configure(culver, server), f"{NAME}:{sink.port}", *words).start()


def said(sink):
    """The parameters of each MAIL."""
    return [text.split(">", 1)[1].split() for _, text in sink.commands if text.startswith("MAIL")]


def test_a_host_that_can_is_told(culver, sending, authority, names, hop):
    """Verified though nobody else demands it, REQUIRETLS said; the next message, without, by the same connection."""
    sink = hop(authority.issue("right", [NAME]), extensions=OFFER)
    by_name(culver, authority, names, sink)
    told = culver.wait_event("delivered", id=sending(" REQUIRETLS"))
    assert told["tls"].endswith(" pkix") and "REQUIRETLS" in said(sink)[0]
    culver.wait_event("delivered", id=sending())
    assert "REQUIRETLS" not in said(sink)[1] and sink.connections == 1


def test_a_connection_that_was_not_verified_is_left(culver, sending, authority, names, hop):
    """The message before it had demanded nothing."""
    sink = hop(authority.issue("right", [NAME]), extensions=OFFER)
    by_name(culver, authority, names, sink)
    assert culver.wait_event("delivered", id=sending())["tls"].endswith(" none")
    assert culver.wait_event("delivered", id=sending(" REQUIRETLS"))["tls"].endswith(" pkix")
    assert sink.connections == 2


@pytest.mark.parametrize("what,status", [("name", "5.7.10"), ("authority", "5.7.10"), ("plain", "5.7.10"), ("none", "5.7.10"),
                                         ("unaware", "5.7.30")])
def test_a_host_that_cannot_is_sent_nothing(culver, sending, authority, names, hop, what, status):
    """The sender is told at once, by its head alone, and by nobody who could not keep it."""
    issuer = certificates.Authority(culver.folder, "other") if what == "authority" else authority
    pair = None if what == "plain" else issuer.issue("theirs", ["else.example" if what == "name" else NAME])
    sink = hop(pair, **({} if what == "unaware" else {"extensions": OFFER}))
    by_name(culver, authority, names, sink, "none" if what == "none" else None)
    told = culver.wait_event("failed", id=sending(" REQUIRETLS", tag="secret"))
    assert told["status"] == status, told
    assert not sink.messages and not said(sink)
    culver.wait_event("delivered", to=culver.address)
    notice, = culver.maildir().letters()
    assert f"Status: {status}".encode() in notice and b"Head of the undelivered message" in notice
    # the same message without the demand goes
    culver.wait_event("delivered", id=sending())


def test_one_that_is_not_there_now_is_waited_for(culver, sending, authority, names):
    """It might be what is demanded."""
    sink = smtp.Sink().start()
    sink.stop()
    by_name(culver, authority, names, sink)
    assert culver.wait_event("deferred", id=sending(" REQUIRETLS"))["status"] == "4.4.1"


def test_dane_vouches_too(culver, sending, authority, names, hop):
    """TLSA in a signed zone; an unsigned MX does not say whose certificate it would be."""
    pair = authority.issue("theirs", ["whoever.test"])
    sink = hop(pair, extensions=OFFER)
    dane(culver, names, sink, certificates.tlsa(pair[0]))
    assert culver.wait_event("delivered", id=sending(" REQUIRETLS"))["tls"].endswith(" dane")


def test_an_mx_that_is_not_signed_may_not_choose_the_name(culver, sending, authority, names, hop):
    """Else whoever forges the MX has the mail: its name is not believed, though the certificate is for it."""
    sink = hop(authority.issue("theirs", [NAME]), extensions=OFFER)
    server, _ = names("mx A 127.0.0.1\n@ MX 10 mx\n")
    route(configure(culver, server), f"mx:{HOST}:{sink.port}", "opportunistic", f"ca {authority.certificate}").start()
    assert culver.wait_event("failed", id=sending(" REQUIRETLS"))["status"] == "5.7.10"
    assert not sink.messages


def test_a_sender_does_not_waive_what_protects_our_login(culver, sending, authority, names, hop):
    """The connection carries our password, too: DANE stands for it whatever the message says."""
    sink = hop(authority.issue("theirs", [NAME]), extensions=("PIPELINING", "AUTH PLAIN"))
    add_login(culver, "relay", "alice@example.org")
    server, anchor = names(DEEP + f"_{sink.port}._tcp.mx TLSA 3 1 1 " + "ab" * 32, sign=True)
    configure(culver, server, anchor).general.append(block(f"route {HOST}", [f"smtp mx:{HOST}:{sink.port}", "login relay"]))
    culver.start()
    assert culver.wait_event("deferred", id=sending(header=b"TLS-Required: No\r\n"))["status"] == "4.7.5"
    assert not sink.messages and not any(command.startswith("AUTH") for command in verbs(sink))


def test_what_waives_tls_goes_where_dane_would_have_stopped_it(culver, sending, authority, names, hop):
    """`TLS-Required: No`: the sender has rather the letter than the secret; others of the same domain wait, also behind it."""
    sink = hop(authority.issue("theirs", [NAME]))
    dane(culver, names, sink, "3 1 1 " + "ab" * 32)
    assert culver.wait_event("delivered", id=sending(header=b"TLS-Required: No\r\n"))["tls"].endswith(" none")
    assert culver.wait_event("deferred", id=sending())["status"] == "4.7.5"
    assert len(sink.messages) == 1
