"""TLS towards clients: STARTTLS, from the first byte on, certificates, policies, and where the private keys are."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

import certificates
import culver as helper
import mail
import peers
import postfix
import smtp
import wire

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def owner_of(culver):
    """Who owns the files of TLS: who runs the system."""
    return culver.place.runner.pw_uid


def pair(culver, name, **options):
    """A pair in the folder of the instance."""
    return certificates.Pair(culver.folder, name, owner=owner_of(culver), **options)


def tls_block(*pairs, policy=None):
    """The lines of culver.conf."""
    lines = [f"certificate {' '.join(p.certificate for p in pairs)}", f"key {' '.join(p.key for p in pairs)}"]
    return helper.block("tls", lines + ([f"policy {policy}"] if policy else []))


@pytest.fixture
def with_tls(culver):
    """An instance with one certificate, not started."""
    culver.pair = pair(culver, "mx")
    culver.general.append(tls_block(culver.pair))
    return culver


def connect(culver, **options):
    """A client that has said EHLO."""
    client = certificates.Client(culver.port, **options)
    client.ehlo()
    return client


def secure(culver, context=None, host=None):
    """A client behind STARTTLS, that has not said EHLO again."""
    return connect(culver).starttls(context, host)


# ---- STARTTLS ----

def test_a_message_comes_by_starttls(with_tls):
    """Offered before and not behind it; what was said before counts for nothing; Received, events and journal say how it came."""
    culver = with_tls.start()
    with connect(culver) as client:
        assert "STARTTLS" in client.ehlo()
        client.starttls()
        client.command("MAIL FROM:<a@client.test>", 503)
        assert "STARTTLS" not in client.ehlo()
        client.command("STARTTLS", 503)
        reply = client.message("a@client.test", [culver.address], mail.small("tls-in"))
        smtp.check(reply, 250)
        version, (cipher, _, _) = client.socket.version(), client.socket.cipher()
        client.command("QUIT", 221)
        # close_notify, and not a connection that was cut off
        assert client.socket.recv(1) == b""
    culver.wait_event("delivered", id=culver.accepted_id(reply))
    top = re.sub(r"\r?\n[ \t]+", " ", culver.maildir().one("tls-in").decode())
    assert f"with ESMTPS ({version}) id " in top and f" tls {cipher};" in top, top
    event = culver.wait_event("tls-started")
    assert event["tls"] == f"{version} {cipher}" and event["resumed"] == "0"
    assert culver.wait_event("accepted")["tls"] == f"{version} {cipher}"


def test_without_a_certificate_nothing_is_offered(culver):
    """Port 25 as before."""
    culver.start()
    with connect(culver) as client:
        assert "STARTTLS" not in client.ehlo()
        client.command("STARTTLS", 502)
        client.command("NOOP", 250)


def test_a_parameter_and_a_transaction_are_refused(with_tls):
    """501, 503, and the session goes on in plain text."""
    culver = with_tls.start()
    with connect(culver) as client:
        client.command("STARTTLS now", 501)
        client.command("MAIL FROM:<a@client.test>", 250)
        client.command("STARTTLS", 503)
        client.command("RSET", 250)
        client.starttls().ehlo()


def test_what_is_injected_behind_starttls_is_dropped_and_told(with_tls):
    """RFC 3207, section 4.2; commands in the same segment as STARTTLS are never answered, neither before nor within TLS."""
    culver = with_tls.start()
    with connect(culver) as client:
        client.send(b"STARTTLS\r\nMAIL FROM:<mallory@evil.test>\r\nRSET\r\n")
        smtp.check(client.reply(), 220)
        client.shake()
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        client.command("QUIT", 221)
    assert culver.wait_event("tls-injection")["bytes"] == str(len(b"MAIL FROM:<mallory@evil.test>\r\nRSET\r\n"))
    assert not culver.events("refused")


def test_a_handshake_that_fails_or_stalls_ends_the_session(with_tls):
    """Nonsense, another protocol, silence: one process ends, with an event."""
    culver = with_tls
    culver.listen.append("limit {\n        command-time 1s\n    }")
    culver.start()
    for data in (b"EHLO again\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 300, b""):
        since = culver.log.mark()
        with connect(culver) as client:
            client.command("STARTTLS", 220)
            client.send(data)
            client.socket.settimeout(30)
            while client.socket.recv(1000):
                pass
        assert culver.wait_event("tls-failed", since=since)["reason"]
        assert culver.wait_event("disconnected", since=since)["reason"] == "tls-failed"
    assert not culver.events("session-died")


def test_requiretls_is_taken_within_tls_alone(with_tls):
    """RFC 8689, section 4: offered behind STARTTLS; kept with the message, as `TLS-Required: No` is; who said both meant the parameter."""
    culver = with_tls
    culver.general.append(helper.block("route hold.test", ["hold"]))
    culver.start()
    kept = {}
    with connect(culver) as client:
        assert "REQUIRETLS" not in client.ehlo()
        client.command("MAIL FROM:<a@client.test> REQUIRETLS", 530)
        client.starttls()
        assert "REQUIRETLS" in client.ehlo()
        client.command("MAIL FROM:<a@client.test> REQUIRETLS=1", 501)
        for words, header in ((" REQUIRETLS", b""), ("", b"TLS-Required: No\r\n"), (" REQUIRETLS", b"TLS-Required: No\r\n"), ("", b"")):
            client.command(f"MAIL FROM:<a@client.test>{words}", 250)
            client.command("RCPT TO:<a@hold.test>", 250)
            client.command("DATA", 354)
            client.send(header + mail.small("demand") + b".\r\n")
            reply = client.reply()
            smtp.check(reply, 250)
            kept[culver.accepted_id(reply)] = (words, header)
    for number, (words, header) in kept.items():
        path, = (path for path in culver.queue_files() if path.endswith(number))
        with open(path, "rb") as file:
            head = file.read()
        assert (b" requiretls" in head, b" tls-waived" in head) == (bool(words), bool(header) and not words), (words, header)


def test_large_messages_both_ways(with_tls):
    """Records, buffers, a slow reader: nothing is lost below the stream."""
    culver = with_tls.start()
    content = mail.small("large") + b"".join(b"%060d\r\n" % n for n in range(200000))
    with secure(culver) as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], content), 250)
        # many answers at once, before the first is read
        client.send(b"RSET\r\n" * 5000)
        for _ in range(5000):
            smtp.check(client.reply(), 250)


# ---- from the first byte on ----

@pytest.fixture
def implicit_port(with_tls):
    """A second address, which begins with TLS."""
    port = peers.free_port()
    with_tls.general.append(helper.block(f"listen 127.0.0.1:{port} mx", ["implicit-tls yes"]))
    return port


def test_implicit(with_tls, implicit_port):
    """The greeting comes by TLS; STARTTLS is not offered."""
    culver = with_tls.start()
    with certificates.implicit(implicit_port) as client:
        smtp.check(client.banner, 220)
        assert client.fingerprint() == culver.pair.fingerprint()
        assert "STARTTLS" not in client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("implicit")), 250)
        client.command("QUIT", 221)
    # plain text there gets no greeting
    with socket.create_connection(("127.0.0.1", implicit_port), timeout=30) as plain:
        plain.sendall(b"EHLO x\r\n")
        assert b"220" not in plain.recv(1000)
    culver.wait_event("tls-failed")


# ---- which certificate, which version ----

def test_the_name_that_a_client_asks_for_chooses(culver):
    """SNI; none, or one that nobody has, gets the first; of two for one host the client's algorithms decide, then the
    order."""
    first, second = pair(culver, "one"), pair(culver, "two", hosts=["two.test", "*.wild.test"])
    elliptic = pair(culver, "three", kind="ecdsa", hosts=["two.test"])
    edwards = pair(culver, "four", kind="ed25519")
    later = pair(culver, "later", hosts=["two.test"])
    culver.general.append(tls_block(first, second, elliptic, edwards, later))
    culver.start()
    cases = [
        (None, None, first), ("one.test", None, first), ("nobody.test", None, first),
        ("a.wild.test", None, second), ("four.test", None, edwards),
        ("two.test", "ECDHE-RSA-AES128-GCM-SHA256", second), ("two.test", "ECDHE-ECDSA-AES128-GCM-SHA256", elliptic),
    ]
    for host, cipher, wanted in cases:
        context = certificates.client_context(high=TLS12, ciphers=cipher) if cipher else certificates.client_context()
        with secure(culver, context, host) as client:
            client.ehlo()
            assert client.fingerprint() == wanted.fingerprint(), (host, cipher)


POLICIES = {
    # policy: versions that are taken, ciphers of TLS 1.2 that are taken
    "modern": ({TLS13}, set()),
    "intermediate": ({TLS12, TLS13}, {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"}),
    "old": ({TLS12, TLS13}, {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA",
                             "ECDHE-RSA-AES256-SHA384"}),
}
CIPHERS = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384",
           "AES128-GCM-SHA256", "AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"]


def may_connect(culver, context):
    """Does the handshake succeed?"""
    with connect(culver) as client:
        client.command("STARTTLS", 220)
        try:
            client.shake(context)
            client.ehlo()
        except (ssl.SSLError, ConnectionError):
            return False
        return True


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_takes_what_it_says_and_nothing_else(culver, policy):
    """Versions 1.0 to 1.3; ciphers of TLS 1.2, with key exchange by RSA and DHE in no policy."""
    versions, ciphers = POLICIES[policy]
    culver.general.append(tls_block(pair(culver, "mx"), policy=policy))
    culver.start()
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, TLS12, TLS13):
        context = certificates.client_context(version, version)
        assert may_connect(culver, context) == (version in versions), (policy, version)
    for cipher in CIPHERS:
        context = certificates.client_context(TLS12, TLS12, cipher + ":@SECLEVEL=0")
        assert may_connect(culver, context) == (cipher in ciphers), (policy, cipher)


def test_a_directory_and_a_block_of_its_own(culver):
    """fullchain.pem and privkey.pem below it; an address whose block replaces the general one, or is empty."""
    folder = os.path.join(culver.folder, "live")
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    certificates.make(f"{folder}/fullchain.pem", f"{folder}/privkey.pem", owner=owner_of(culver))
    general = pair(culver, "general")
    none = peers.free_port()
    culver.listen.append(f"tls {{\n        certificate {folder}/\n    }}")
    culver.general += [tls_block(general), helper.block(f"listen 127.0.0.1:{none} mx", ["tls {\n    }"])]
    culver.start()
    with secure(culver) as client:
        assert client.fingerprint() == certificates.fingerprint_of(f"{folder}/fullchain.pem")
    with smtp.Client(none) as client:
        assert "STARTTLS" not in client.ehlo()


# ---- other people's programs ----

def run(words, data=b""):
    """Its output, both channels; the exit status must be 0."""
    done = subprocess.run(words, input=data, capture_output=True, check=False, timeout=60)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, f"{words}: {done.returncode}\n{text}"
    return text


def test_openssl_and_swaks(with_tls, implicit_port):
    """openssl s_client both ways and both versions, swaks both ways."""
    culver = with_tls.start()
    for version in ("-tls1_2", "-tls1_3"):
        text = run(["openssl", "s_client", "-connect", f"127.0.0.1:{culver.port}", "-starttls", "smtp", version, "-quiet",
                    "-no_ign_eof", "-CAfile", culver.pair.certificate, "-verify_return_error"], b"quit\r\n")
        assert "verify return:1" in text, text
        run(["openssl", "s_client", "-connect", f"127.0.0.1:{implicit_port}", version, "-CAfile", culver.pair.certificate,
             "-verify_return_error"], b"quit\r\n")
    for port, way in ((culver.port, "--tls"), (implicit_port, "--tls-on-connect")):
        text = run(["swaks", "--server", "127.0.0.1", "--port", str(port), way, "--from", "a@client.test", "--to",
                    culver.address, "--helo", "client.test", "--suppress-data"])
        assert "250 2.0.0 kept as" in text or "250 2" in text, text
    culver.wait_event("accepted", count=2)


@pytest.mark.skipif(shutil.which("gnutls-cli") is None, reason="there is no gnutls-cli (package gnutls-bin)")
def test_gnutls(with_tls):
    """Another library than our own, by both versions."""
    culver = with_tls.start()
    for priority in ("NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"):
        text = run(["gnutls-cli", "--starttls-proto=smtp", f"--x509cafile={culver.pair.certificate}", "--verify-hostname=mx.test",
                    f"--priority={priority}", "-p", str(culver.port), "127.0.0.1"], b"QUIT\r\n")
        assert "The certificate is trusted" in text and "221 2.0.0" in text, text


def test_postfix_sends_by_starttls(with_tls, request):
    """At its level `may`: by TLS where it is offered."""
    culver = with_tls.start()
    try:
        sender = postfix.Postfix(culver.port, {})
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    request.node.strangers = [sender]
    with sender:
        with smtp.Client(sender.port) as client:
            client.ehlo()
            smtp.check(client.message("a@client.test", [culver.address], mail.small("postfix"), pipeline=False), 250)
        assert culver.wait_event("accepted", helo="mx.postfix.test")["tls"].startswith("TLSv1.3 ")
        culver.wait_event("delivered", to=culver.address)
    mail.below(culver.maildir().one("postfix"), mail.lf(mail.small("postfix")))


# ---- the signer ----

def test_a_killed_signer_comes_back_and_nothing_else_ends(with_tls):
    """kill -9; STARTTLS waits for the next one, or says 454; other mail goes on meanwhile."""
    culver = with_tls.start()
    with secure(culver) as early:
        early.ehlo()
        for _ in range(3):
            since = culver.log.mark()
            culver.kill(culver.pid("signer"))
            with connect(culver) as client:
                reply = client.command("STARTTLS", (220, 454))
                if reply.code == 220:
                    client.shake()
                else:
                    smtp.check(client.message("a@client.test", [culver.address], mail.small("plain")), 250)
                client.ehlo()
            culver.wait_event("serving", program="signer", since=since)
        early.command("NOOP", 250)
    with secure(culver) as client:
        client.ehlo()
    assert not culver.events("session-died")
    assert {event["program"] for event in culver.events("ended")} == {"signer"}


def test_a_signer_that_does_not_answer_makes_454(with_tls, implicit_port):
    """Stopped, not dead: the session asks, waits a bounded time, and goes on in plain text."""
    culver = with_tls.start()
    pid = culver.pid("signer")
    os.kill(pid, signal.SIGSTOP)
    try:
        with connect(culver) as client:
            client.command("STARTTLS", 454)
            smtp.check(client.message("a@client.test", [culver.address], mail.small("plain")), 250)
        with socket.create_connection(("127.0.0.1", implicit_port), timeout=30) as plain:
            assert plain.recv(100) == b""
    finally:
        os.kill(pid, signal.SIGCONT)
    culver.wait_event("tls-unavailable", count=2)
    with secure(culver) as client:
        client.ehlo()


def signer_key(culver):
    """The number of the key, as common/tls/certificate.h has it: the first 64 bits of SHA-256 over the public half."""
    text = run(["openssl", "x509", "-in", culver.pair.certificate, "-noout", "-pubkey"])
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=text.encode(), capture_output=True, check=True)
    return int.from_bytes(hashlib.sha256(der.stdout).digest()[:8], "big")


def test_the_signer_signs_what_tls_signs_and_nothing_else(with_tls):
    """Asked as smtpd is: other texts, schemes and keys are refused; nonsense ends the asker."""
    culver = with_tls.start()
    key = signer_key(culver)
    good = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"h" * 32
    with wire.Peer(culver.connect("signer", "smtpd"), wire.SIGNER_ANSWERS) as peer:
        def ask(key, scheme, text):
            peer.send("SIGNER_SIGN", key=key, scheme=scheme, text=text)
            return peer.receive()[:2]
        assert ask(key, 0x0804, good)[0] == "SIGNER_SIGNED"
        assert ask(key, 0x0401, good) == ("SIGNER_REFUSED", {"reason": 2})
        assert ask(key, 0x0804, b"h" * 32) == ("SIGNER_REFUSED", {"reason": 3})
        assert ask(key, 0x0804, good.replace(b"server", b"client")) == ("SIGNER_REFUSED", {"reason": 3})
        assert ask(key + 1, 0x0804, good) == ("SIGNER_REFUSED", {"reason": 1})
        peer.send_raw(b"nonsense")
        assert peer.ended()


def memory_of(pid):
    """All that can be read of a process, region by region."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not match or "[vvar" in line or "[vsyscall" in line:
                continue
            start, end = int(match[1], 16), int(match[2], 16)
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue


def secrets(path):
    """What of the private key nobody else may have: in both orders of bytes, without zeros in front."""
    text = run(["openssl", "pkey", "-in", path, "-noout", "-text"])
    found = []
    for name, digits in re.findall(r"^(\w+):\n((?: +[0-9a-f:]+\n)+)", text, re.M):
        if name not in ("privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient", "priv"):
            continue
        raw = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
        # a part is as good as the whole, and may lie across two words
        found += [raw[-24:], raw[::-1][:24]]
    assert len(found) in (2, 12), text
    return found


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_the_private_key_is_in_the_memory_of_signer_alone(culver, kind):
    """After handshakes of both versions: searched in every process, and found where it must be."""
    if helper.sanitized():
        pytest.skip("the sanitizers map terabytes")
    culver.pair = pair(culver, "mx", kind=kind)
    culver.general.append(tls_block(culver.pair))
    culver.start()
    needles = secrets(culver.pair.key)
    with open(culver.pair.key, "rb") as file:
        needles.append(file.read().splitlines()[2][:48])  # and its PEM
    with secure(culver, certificates.client_context(high=TLS12)) as old, secure(culver) as new:
        old.ehlo()
        new.ehlo()
        has = {}
        for program, pids in culver.pids().items():
            for pid in pids:
                read = 0
                for region in memory_of(pid):
                    read += len(region)
                    if any(needle in region for needle in needles):
                        has.setdefault(program, set()).add(pid)
                assert read > 100000, f"nothing of {program} could be read"
        assert has == {"signer": {culver.pid("signer")}}


# ---- another certificate ----

def test_a_pair_that_does_not_fit_is_refused(with_tls):
    """At start with exit 78 and a sentence; by a reload, and the old one goes on; by culver check, with its file."""
    culver = with_tls
    other = pair(culver, "other")
    good = culver.pair.fingerprint()
    culver.start()
    os.rename(other.key, culver.pair.key)
    done = culver.command("check")
    assert done.returncode == 1 and culver.pair.certificate in done.stderr + done.stdout, done
    culver.command("reload", check=1)
    # told without a look before: master has the same answer
    culver.process.send_signal(signal.SIGHUP)
    assert culver.pair.certificate in culver.wait_event("reload-refused")["reason"]
    with secure(culver) as client:
        client.ehlo()
        assert client.fingerprint() == good
    culver.stop()
    culver.start(wait=False)
    assert culver.process.wait(30) == 78
    assert culver.pair.certificate in culver.stderr()


def test_check_warns_of_what_is_no_mistake_yet(with_tls):
    """About to expire, a key for everybody to read: said, and no mistake; files that are not there, or hold something else: mistakes."""
    culver = with_tls
    certificates.make(culver.pair.certificate, culver.pair.key, days=3, owner=culver.pair.owner)
    os.chmod(culver.pair.key, 0o644)
    culver.write()
    done = culver.command("check", check=0)
    assert f"{culver.pair.certificate}: warning: the certificate expires within 14 days" in done.stderr
    assert f"{culver.pair.key}: warning: everybody can read this private key" in done.stderr
    with open(culver.pair.key, "w", encoding="ascii") as file:
        file.write("nothing\n")
    assert "there is no private key" in culver.command("check", check=1).stderr
    os.unlink(culver.pair.certificate)
    assert f"{culver.pair.certificate}: No such file" in culver.command("check", check=1).stderr


def test_a_certificate_renewed_under_load_costs_nobody_an_error(with_tls):
    """Handshakes and mail without a pause while the pair is exchanged and reloaded, twice; old sessions go on, also into TLS."""
    culver = with_tls.start()
    problems, seen, stop = [], set(), threading.Event()

    def load():
        while not stop.is_set():
            try:
                with secure(culver) as client:
                    client.ehlo()
                    smtp.check(client.message("a@client.test", [culver.address], mail.small("load")), 250)
                    seen.add(client.fingerprint())
            except Exception as problem:  # every one is a failure
                problems.append(problem)
                return

    threads = [threading.Thread(target=load) for _ in range(3)]
    old = connect(culver)
    for thread in threads:
        thread.start()
    shown = [culver.pair.fingerprint()]
    for _ in range(2):
        certificates.make(culver.pair.certificate, culver.pair.key, hosts=culver.pair.hosts, owner=culver.pair.owner)
        shown.append(culver.pair.fingerprint())
        since = culver.log.mark()
        culver.command("reload", check=0)
        culver.wait_event("ready", since=since)
        with secure(culver) as client:
            assert client.fingerprint() == shown[-1]
        if len(shown) == 2:
            # greeted by the generation before, whose certificate it shows still
            old.starttls().ehlo()
            assert old.fingerprint() == shown[0]
            smtp.check(old.message("a@client.test", [culver.address], mail.small("old")), 250)
            old.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert not problems, problems
    assert {shown[0], shown[2]} <= seen <= set(shown)
    assert not culver.events("tls-failed") and not culver.events("session-died")


def test_new_files_are_found_without_being_told(with_tls):
    """master looks once a minute: the programs that have some of the files make way, and no other."""
    culver = with_tls.start()
    before = culver.mains()
    certificates.make(culver.pair.certificate, culver.pair.key, hosts=culver.pair.hosts, owner=culver.pair.owner)
    since = culver.log.mark()
    culver.wait_event("certificates-renewed", 100)
    culver.wait_event("ready", since=since)
    with secure(culver) as client:
        client.ehlo()
        assert client.fingerprint() == culver.pair.fingerprint()
    after = culver.mains()
    assert {program for program in before if before[program] != after.get(program)} == {"signer", "smtpd"}


# ---- what a scanner finds ----

# what it says of a host and not of a weakness in it: who signed the certificate, that it is not on 443
OF_THE_TEST = {"engine_problem", "cert_trust", "cert_chain_of_trust", "cert_expirationStatus", "cert_subjectAltName", "cert_crlDistributionPoints",
               "cert_ocspURL", "cert_revocation", "cert_revocationInformation", "cert_certificatePolicies_EV", "DNS_CAArecord", "OCSP_stapling",
               "certificate_transparency", "cert_commonName", "cert_commonName_wo_SNI", "cert_notAfter", "cert_extlifeSpan"}
GOOD = {"OK", "INFO", "DEBUG"}


def scan(port, folder, *words):
    """What testssl.sh finds, by its names: (severity, finding)."""
    if shutil.which("testssl") is None:
        pytest.skip("there is no testssl.sh (package testssl.sh)")
    path = os.path.join(folder, f"scan-{port}.json")
    done = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "min", "--ip", "127.0.0.1", "--openssl-timeout", "60",
                           "--jsonfile", path, *words, f"localhost:{port}"],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=900, env={**os.environ, "HOME": folder})
    with open(path, encoding="utf-8") as file:
        found = {item["id"]: (item["severity"], item["finding"]) for item in json.load(file)}
    assert found, done.stdout.decode("utf-8", "replace")
    return found


def test_testssl_finds_no_weakness(culver):
    """With `intermediate`: protocols, defaults of the server, forward secrecy, and every weakness with a name that it knows.

    Left out are its tables of all ciphers and its simulation of clients: minutes, and they say again what `-p`, `-f` and `-U` say.
    A listener that is weak is found to be so: `old` has CBC ciphers, which LUCKY13 is said of.
    """
    culver.pair = pair(culver, "mx")
    old = peers.free_port()
    culver.listen.append("limit {\n        sessions-per-client 500\n        errors 1000\n    }")
    culver.general += [tls_block(culver.pair, policy="intermediate"), helper.block(f"listen 127.0.0.1:{old} mx", [
        "limit {", "sessions-per-client 500", "}", "tls {", f"certificate {culver.pair.certificate}", f"key {culver.pair.key}", "policy old", "}"])]
    culver.start()
    found = scan(culver.port, culver.folder, "--starttls", "smtp", "-p", "-S", "-f", "-U")
    weak = {name: what for name, what in found.items() if what[0] not in GOOD and name not in OF_THE_TEST}
    assert not weak and len(found) > 40, (weak, len(found))
    assert found["TLS1_3"][0] == "OK" and "not vulnerable" in found["heartbleed"][1]
    assert scan(old, culver.folder, "--starttls", "smtp", "-L")["LUCKY13"][0] not in GOOD
    assert not culver.events("session-died")
