"""SCRAM with channel binding: a login is worth nothing on another TLS than its own, and who takes -PLUS out of our list is found out."""

import hashlib
import ssl
import subprocess

import pytest

import certificates
import scram
from test_auth import LOGIN, PASSWORD, prepare
import culver as helper

PLUS = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture
def secure(culver):
    """An instance with a certificate, whose loopback may log in without TLS too."""
    culver.pair = certificates.Pair(culver.folder, "mx", owner=culver.place.runner.pw_uid)
    tls = helper.block("tls", [f"certificate {culver.pair.certificate}", f"key {culver.pair.key}"])
    return prepare(culver, tls).start()


def client_of(culver, version="1.3"):
    client = certificates.Client(culver.submission)
    client.ehlo()
    client.starttls(certificates.client_context(VERSIONS[version], VERSIONS[version]))
    client.offered = client.ehlo()["AUTH"].split()
    return client


def end_point(client):
    return hashlib.sha256(client.socket.getpeercert(binary_form=True)).digest()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mechanism", PLUS)
def test_gsasl_binds_itself(secure, version, mechanism):
    """By GnuTLS and by our OpenSSL the binding is the same; with another password it is refused as ever."""
    for password, right in ((PASSWORD, True), ("a pencil", False)):
        since = secure.mark()
        done = subprocess.run(
            ["gsasl", "--verbose", "--smtp", "--starttls", "--x509-ca-file=", f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}", "-m", mechanism,
             "-a", LOGIN, "-p", password, "127.0.0.1", str(secure.submission)],
            input=b"", capture_output=True, check=False, timeout=120)
        output = done.stdout + done.stderr
        assert (b"\n235 2.7.0" in output) == right, output
        assert (b"535 5.7.8" in output) != right, output
        if right:
            event = secure.wait_event("authenticated", since=since)
            assert event["mechanism"] == mechanism and event["login"] == LOGIN
            assert secure.wait_event("tls-started", since=since)["tls"].startswith(f"TLSv{version} ")


@pytest.mark.parametrize("version", VERSIONS)
def test_each_binding_is_its_own(secure, version):
    """Right data log in; data of another kind, or of another connection, do not, though the password is right."""
    with client_of(secure, version) as other, client_of(secure, version) as client:
        assert client.offered[:2] == list(PLUS)
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-server-end-point", b"x" * 32, PLUS[0]).code == 535
        if version == "1.2":
            foreign = other.socket.get_channel_binding("tls-unique")
            assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-unique", foreign, PLUS[0]).code == 535
            own = client.socket.get_channel_binding("tls-unique")
            assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-unique", own, PLUS[0]).code == 235
        else:
            assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-unique", b"", PLUS[0]).code == 535
        assert scram.log_in(other, LOGIN, PASSWORD, "p=tls-server-end-point", end_point(other), PLUS[1]).code == 235
    with client_of(secure, version) as client:
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-server-end-point", b"", PLUS[0], said="n").code == 535


def test_tls_unique_of_a_session_that_is_taken_up(secure):
    """Its first Finished is the server's."""
    context = certificates.client_context(VERSIONS["1.2"], VERSIONS["1.2"])
    with certificates.Client(secure.submission) as client:
        client.ehlo()
        client.starttls(context)
        client.ehlo()
        session = client.socket.session
    with certificates.Client(secure.submission) as client:
        client.ehlo()
        client.command("STARTTLS", 220)
        client.file.close()
        client.socket = context.wrap_socket(client.socket, session=session)
        client.file = client.socket.makefile("rb")
        assert client.socket.session_reused
        client.ehlo()
        unique = client.socket.get_channel_binding("tls-unique")
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-unique", unique, PLUS[0]).code == 235


def test_who_was_told_another_list_is_warned(secure):
    """`y` where -PLUS is offered; where it is not, `y` is right."""
    since = secure.mark()
    with client_of(secure) as client:
        reply = scram.log_in(client, LOGIN, PASSWORD, "y")
        assert reply.code == 535 and "somebody may listen" in reply.text
        assert secure.wait_event("login-failed", since=since)["reason"] == "downgrade"
        assert scram.log_in(client, LOGIN, PASSWORD, "n", mechanism=PLUS[0]).code == 501
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-exporter").code == 535
        assert scram.log_in(client, LOGIN, PASSWORD, "n").code == 235
    with certificates.Client(secure.submission) as client:
        assert "PLUS" not in client.ehlo()["AUTH"]
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-exporter", b"x" * 32, PLUS[0]).code == 504
        assert scram.log_in(client, LOGIN, PASSWORD, "y").code == 235


def test_a_certificate_without_a_hash_has_no_end_point(culver):
    """Ed25519: the other bindings are there all the same."""
    pair = certificates.Pair(culver.folder, "mx", "ed25519", owner=culver.place.runner.pw_uid)
    prepare(culver, helper.block("tls", [f"certificate {pair.certificate}", f"key {pair.key}"])).start()
    with client_of(culver) as client:
        assert PLUS[0] in client.offered
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-server-end-point", end_point(client), PLUS[0]).code == 535
    with client_of(culver, "1.2") as client:
        unique = client.socket.get_channel_binding("tls-unique")
        assert scram.log_in(client, LOGIN, PASSWORD, "p=tls-unique", unique, PLUS[0]).code == 235
