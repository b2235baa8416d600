"""EXTERNAL: a verified certificate of the client logs in as whom it names, and as nobody else (RFC 4422, appendix A)."""

import subprocess

import pytest

import certificates
import culver as helper
import dovecot
import mail
import peers
import smtp
from test_auth import LOGIN, b64, prepare, user
from test_client_certificates import Authority


def asking(culver):
    """The tls block that asks clients for certificates."""
    pair = certificates.Pair(culver.folder, "mx", owner=culver.place.runner.pw_uid)
    culver.authority = Authority(culver.folder, "clients-ca")
    return helper.block("tls", [f"certificate {pair.certificate}", f"key {pair.key}", "client-certificate ask",
                                f"client-ca {culver.authority.certificate}"])


@pytest.fixture
def external(culver):
    """An instance with an account, that lets certificates log in."""
    culver.auth.append("certificates yes")
    return prepare(culver, asking(culver)).start()


def client_of(culver, context=None):
    client = certificates.Client(culver.submission)
    client.ehlo()
    client.starttls(context or certificates.client_context())
    client.offered = client.ehlo()["AUTH"].split()
    return client


def test_a_certificate_logs_in(external):
    """By its address of mail before its common name; with an authorization identity and without; the account must be there."""
    with client_of(external, external.authority.client("some name", f"email:{LOGIN}")) as client:
        assert "EXTERNAL" in client.offered and "PLAIN" in client.offered
        client.command("AUTH EXTERNAL " + b64("bob@local.test"), 535)
        client.command("AUTH EXTERNAL =", 235)
        smtp.check(client.message(LOGIN, [external.address], mail.small("external")), 250)
    event = external.wait_event("authenticated")
    assert event["login"] == LOGIN and event["mechanism"] == "EXTERNAL"
    context = external.authority.client(LOGIN, "DNS:other.test")
    with client_of(external, context) as client:
        client.command("AUTH EXTERNAL", 334)
        client.command(b64(LOGIN), 235)
    user(external, "remove", LOGIN)
    with client_of(external, context) as client:
        client.command("AUTH EXTERNAL =", 535)


def test_no_other_certificate_does(external):
    """None, one of a stranger, one that names nobody who has an account."""
    stranger = Authority(external.folder, "strangers-ca")
    for context in (None, stranger.client("ann-of-strangers", f"email:{LOGIN}")):
        with client_of(external, context) as client:
            assert "EXTERNAL" not in client.offered
            client.command("AUTH EXTERNAL =", 504)
    with client_of(external, external.authority.client("nobody")) as client:
        client.command("AUTH EXTERNAL =", 535)
        client.command("AUTH EXTERNAL " + b64(LOGIN), 535)
    assert not external.events("authenticated")


def test_only_where_the_configuration_says_so(culver):
    """A verified certificate is no login by itself."""
    prepare(culver, asking(culver)).start()
    with client_of(culver, culver.authority.client("x", f"email:{LOGIN}")) as client:
        assert "EXTERNAL" not in client.offered
        client.command("AUTH EXTERNAL =", 504)


def test_programs_log_in_by_certificate(external):
    """msmtp, with its own TLS."""
    external.authority.client("ann", f"email:{LOGIN}")
    done = subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={external.submission}", "--tls=on", "--tls-certcheck=off",
         f"--tls-cert-file={external.folder}/ann.pem", f"--tls-key-file={external.folder}/ann.key", "--auth=external", f"--user={LOGIN}",
         f"--from={LOGIN}", external.address],
        input=b"Subject: x\r\n\r\ntext\r\n", capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert external.wait_event("authenticated")["mechanism"] == "EXTERNAL"


def test_dovecot_judges_it_too(culver):
    """It is told whom the certificate names, and that it was verified; and of TLS."""
    try:
        judge = dovecot.Judge()
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    with judge:
        culver.auth += ["certificates yes", f"dovecot {judge.socket}"]
        culver.submission = peers.free_port()
        culver.general += [f"listen 127.0.0.1:{culver.submission} submission", asking(culver)]
        culver.start()
        culver.wait_event("dovecot-mechanisms")
        with client_of(culver, culver.authority.client("x", "email:carl@local.test")) as client:
            assert "EXTERNAL" in client.offered
            client.command("AUTH EXTERNAL =", 235)
        assert culver.wait_event("authenticated")["login"] == "carl@local.test"
        with client_of(culver) as client:
            assert "EXTERNAL" not in client.offered
        said = judge.log()
        assert "cert_username=carl@local.test" in said and "secured" in said, said
