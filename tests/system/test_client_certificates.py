"""Certificates of clients: asked for where an address says so, verified, and what they allow."""

import os
import ssl
import subprocess

import pytest

import certificates
import culver as helper
import mail
import peers
import smtp

ELSEWHERE = "someone@elsewhere.test"


class Authority:
    """An authority of clients: .certificate (path)."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = f"{folder}/{name}.pem", f"{folder}/{name}.key"
        openssl("req", "-x509", *certificates.KINDS["ecdsa"], "-nodes", "-keyout", self.key, "-out", self.certificate,
                "-days", "30", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        os.chmod(self.certificate, 0o644)

    def client(self, name, alternatives=None, days=30, usage="clientAuth"):
        """A context that shows a certificate made by this authority."""
        base = f"{self.folder}/{name}"
        extensions = [f"extendedKeyUsage={usage}"] + ([f"subjectAltName={alternatives}"] if alternatives else [])
        with open(f"{base}.ext", "w", encoding="ascii") as file:
            file.write("\n".join(extensions) + "\n")
        openssl("req", "-new", *certificates.KINDS["ecdsa"], "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.csr",
                "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-out", f"{base}.pem", "-extfile", f"{base}.ext", "-days", str(days))
        return showing(f"{base}.pem", f"{base}.key")


def openssl(*words):
    """Must succeed."""
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def showing(certificate, key, version=None):
    """A client's context with that certificate; .fingerprint."""
    context = certificates.client_context()
    context.load_cert_chain(certificate, key)
    if version is not None:
        context.maximum_version = version
    context.fingerprint = certificates.fingerprint_of(certificate)
    return context


@pytest.fixture
def asking(culver):
    """Not started; asks at the address for other hosts, whose relay-from is empty."""
    owner = culver.place.runner.pw_uid
    culver.pair = certificates.Pair(culver.folder, "mx", owner=owner)
    culver.authority = Authority(culver.folder, "clients-ca")

    def ask(how, relay=None):
        lines = [f"certificate {culver.pair.certificate}", f"key {culver.pair.key}", f"client-certificate {how}",
                 f"client-ca {culver.authority.certificate}"] + ([f"client-relay {relay}"] if relay else [])
        culver.listen.append(helper.block("tls", lines))
        culver.general += ["relay-from none", helper.block("route elsewhere.test", ["discard"])]
        return culver.start()
    culver.ask = ask
    return culver


def secure(culver, context):
    """A client behind STARTTLS and EHLO."""
    client = certificates.Client(culver.port)
    client.ehlo()
    client.starttls(context)
    client.ehlo()
    return client


def relays(culver, context):
    """May that client send to anywhere?"""
    with secure(culver, context) as client:
        client.command("MAIL FROM:<a@client.test>", 250)
        return client.command(f"RCPT TO:<{ELSEWHERE}>").code == 250


def test_a_verified_client_is_known(asking):
    """Name and fingerprint in Received and events, by both versions; nothing else is allowed to it unless it is listed."""
    culver = asking
    context = culver.authority.client("peer", "DNS:mx.peer.test,email:a@peer.test")
    culver.ask("ask")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        since = culver.log.mark()
        context.maximum_version = version
        assert not relays(culver, context)
        event = culver.wait_event("client-certificate", since=since)
        assert (event["name"], event["fingerprint"], event["reason"]) == ("mx.peer.test", context.fingerprint, "")
    with secure(culver, context) as client:
        reply = client.message("a@client.test", [culver.address], mail.small("known"))
        smtp.check(reply, 250)
    culver.wait_event("delivered", id=culver.accepted_id(reply))
    assert b"(TLSv1.3, client mx.peer.test)" in culver.maildir().one("known")


def test_who_is_not_verified_goes_on_as_before(asking):
    """`ask`: none, one of nobody, one that has expired, one for servers: mail is taken, nothing is believed."""
    culver = asking
    stranger = certificates.Pair(culver.folder, "stranger")
    others = {
        "self": showing(stranger.certificate, stranger.key),
        "expired": culver.authority.client("expired", "DNS:mx.peer.test", days=-1),
        "server": culver.authority.client("server", "DNS:mx.peer.test", usage="serverAuth"),
        "forged": Authority(culver.folder, "forger").client("forged", "DNS:mx.peer.test"),
    }
    culver.ask("ask", relay="verified")
    for name, context in others.items():
        since = culver.log.mark()
        assert not relays(culver, context), name
        assert culver.wait_event("client-certificate", since=since)["reason"] != "", name
    with secure(culver, certificates.client_context()) as client:
        reply = client.message("a@client.test", [culver.address], mail.small("nobody"))
        smtp.check(reply, 250)
    assert len(culver.events("client-certificate")) == len(others)
    culver.wait_event("delivered", id=culver.accepted_id(reply))
    assert b"client" not in culver.maildir().one("nobody").split(b"by mx")[-1].split(b";")[0]


def test_require_ends_the_handshake(asking):
    """Without a verified one there is no session by TLS; plain text goes on, as everywhere where it is not forbidden."""
    culver = asking
    good = culver.authority.client("peer", "DNS:mx.peer.test")
    stranger = certificates.Pair(culver.folder, "stranger")
    culver.ask("require")
    for context in (certificates.client_context(), showing(stranger.certificate, stranger.key)):
        since = culver.log.mark()
        with certificates.Client(culver.port) as client:
            client.ehlo()
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError, AssertionError)):
                client.starttls(context)
                client.ehlo()
        culver.wait_event("tls-failed", since=since)
    with secure(culver, good) as client:
        smtp.check(client.message("a@client.test", [culver.address], mail.small("required")), 250)
    assert not culver.events("session-died")


def test_names_and_fingerprints_that_may_relay(asking):
    """Host, address of mail, fingerprint; a wildcard is nobody; who is not listed may not."""
    culver = asking
    by_host = culver.authority.client("one", "DNS:mx.peer.test")
    by_mail = culver.authority.client("two", "email:robot@peer.test")
    by_print = culver.authority.client("three")
    wild = culver.authority.client("four", "DNS:*.peer.test")
    other = culver.authority.client("five", "DNS:other.test")
    written = ":".join(by_print.fingerprint.upper()[i:i + 2] for i in range(0, 64, 2))
    culver.ask("ask", relay=f"MX.peer.test robot@peer.test {written}")
    for context in (by_host, by_mail, by_print):
        assert relays(culver, context)
    for context in (wild, other, certificates.client_context()):
        assert not relays(culver, context)
    with secure(culver, by_host) as client:
        smtp.check(client.message("a@peer.test", [ELSEWHERE], mail.small("relayed")), 250)


def test_what_one_connection_has_shown_counts_in_no_other(asking):
    """Submission addresses give tickets; where clients are asked there are none to take a verified session up by."""
    culver = asking
    port = peers.free_port()
    good = culver.authority.client("peer", "DNS:mx.peer.test")
    culver.general.append(helper.block(f"listen 127.0.0.1:{port} submission", [
        "tls {", f"certificate {culver.pair.certificate}", f"key {culver.pair.key}", "client-certificate ask",
        f"client-ca {culver.authority.certificate}", "}"]))
    culver.ask("none")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        good.maximum_version = version
        with certificates.Client(port) as client:
            client.ehlo()
            client.starttls(good)
            client.ehlo()
            assert not client.socket.session.has_ticket, version


def test_a_new_file_of_authorities_is_taken(asking):
    """By a reload; one that cannot be read is refused by its name, at reload and by culver check."""
    culver = asking
    old = culver.authority.client("peer", "DNS:mx.peer.test")
    culver.ask("ask", relay="verified")
    assert relays(culver, old)
    other = Authority(culver.folder, "other-ca")
    new = other.client("next", "DNS:mx.peer.test")
    os.rename(other.certificate, culver.authority.certificate)
    culver.command("reload", check=0)
    assert relays(culver, new) and not relays(culver, old)
    with open(culver.authority.certificate, "w", encoding="ascii") as file:
        file.write("nothing\n")
    assert f"{culver.authority.certificate}: there is no certificate" in culver.command("check", check=1).stderr
    culver.command("reload", check=1)
    assert relays(culver, new)
