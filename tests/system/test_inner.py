"""Hostile input on the inner sockets, as the uid that may connect: malformed or untimely ends the peer, never the server."""

import itertools
import os
import random
import socket
import struct

import pytest

import accounts
import dns
import peers
import wire
from calm import Calm

# socket: the program whose uid connects
CALLERS = {"intake": "smtpd", "jobs": "delivery", "lookup": "smtpd", "resolver": "delivery", "fetch": "delivery", "signer": "smtpd", "auth": "smtpd", "verify": "smtpd", "log": "smtpd", "control": "smtpd", "trace": "smtpd"}
ANSWERS = {"intake": wire.INTAKE_ANSWERS, "jobs": wire.JOBS_ORDERS, "lookup": wire.LOOKUP_ANSWERS, "resolver": wire.RESOLVER_ANSWERS, "fetch": wire.FETCH_ANSWERS,
           "signer": wire.SIGNER_ANSWERS, "auth": wire.AUTH_ANSWERS, "verify": wire.VERIFY_ANSWERS}
ORIGIN_LOCAL = 3  # common/protocol/intake.h


def throw(instance, name, datagrams):
    """Sends datagrams [(bytes, descriptors)] on one connection until the server has closed it; True when it has."""
    peer = instance.connect(name, CALLERS[name])
    peer.settimeout(2)
    try:
        for data, fds in datagrams:
            try:
                socket.send_fds(peer, [data], fds)
            except (BrokenPipeError, ConnectionError):
                return True
            except socket.timeout:
                break
        try:
            while True:
                data, got, _, _ = socket.recv_fds(peer, wire.DATAGRAM_MAX, 4)
                for fd in got:
                    os.close(fd)
                if not data:
                    return True
        except ConnectionError:
            return True
        except socket.timeout:
            return False
    finally:
        peer.close()


@pytest.mark.parametrize("name", CALLERS)
def test_random_bytes(culver, name):
    culver.start()
    calm = Calm(culver)
    source = random.Random(name)
    for size in (1, 2, 11, 12, 13, 100, 4096, 65536):
        for _ in range(5):
            closed = throw(culver, name, [(source.randbytes(size), [])])
            assert closed or name == "log", f"{size} random bytes, and the connection stands"
    calm.check()


@pytest.mark.parametrize("name", CALLERS)
def test_empty_and_oversized_datagrams(culver, name):
    culver.start()
    calm = Calm(culver)
    peer = culver.connect(name, CALLERS[name])
    peer.settimeout(5)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    try:
        peer.send(b"z" * (wire.DATAGRAM_MAX + 100))
    except OSError:
        pass  # the kernel would not have it
    peer.close()
    peer = culver.connect(name, CALLERS[name])
    peer.send(b"")
    peer.close()
    calm.check()


@pytest.mark.parametrize("name", CALLERS)
def test_unwanted_descriptors(culver, name):
    culver.start()
    calm = Calm(culver)
    with open("/dev/null", "rb") as null:
        fd = null.fileno()
        some = b"x"
        for message in wire.CALLS.get(name, {}):
            some = wire.encode(message, 1)
            for count in (1, 2, 4, 5, 50):
                throw(culver, name, [(some, [fd] * count)])
        for count in (1, 4, 200):
            throw(culver, name, [(b"2026 name key=value\n", [fd] * count)])
    calm.check()


@pytest.mark.parametrize("name", ["intake", "jobs", "lookup", "resolver", "fetch", "signer", "auth", "verify", "control", "trace"])
def test_wellformed_headers_around_nonsense(culver, name):
    culver.start()
    calm = Calm(culver)
    source = random.Random(name)
    for number in [row[0] for row in wire.CALLS[name].values()] + [0, 77, 101, 102, 103, 65535]:
        for size in (0, 1, 9, 300, 60000):
            body = source.randbytes(size)
            header = struct.pack("<HHII", number, source.choice([0, 1]), size, source.getrandbits(32))
            throw(culver, name, [(header + body, [])])
    calm.check()


def intake_sample(name, source):
    """A valid message of intake with arbitrary values."""
    values = {
        "INTAKE_OPEN": {"size": source.getrandbits(20)},
        "INTAKE_ENVELOPE": {"origin": 1, "client": "127.0.0.1", "helo": "x", "protocol": "ESMTP",
                            "sender": "a@client.test", "length": source.getrandbits(10),
                            "checksum": source.getrandbits(64), "top": "Received: x\r\n"},
        "INTAKE_RECIPIENTS": {"recipients": [{"address": "b@local.test"}] * source.randint(1, 3)},
        "INTAKE_COMMIT": {"count": source.randint(1, 3), "early": source.randint(0, 1)},
        "INTAKE_KEEP": {"sync_us": 0},
    }
    return wire.encode(name, source.getrandbits(8), **values.get(name, {}))


def test_intake_out_of_turn(culver):
    """Valid messages in every wrong order."""
    culver.start()
    calm = Calm(culver)
    source = random.Random(4)
    names = list(wire.INTAKE_CALLS)
    for first in names[1:]:
        assert throw(culver, "intake", [(intake_sample(first, source), [])]), f"{first} as the first message"
    for _ in range(100):
        order = ["INTAKE_OPEN"] + [source.choice(names) for _ in range(5)]
        throw(culver, "intake", [(intake_sample(n, source), []) for n in order])
    culver.expect_empty_spool()
    assert not culver.events("queued", since=calm.mark)
    calm.check()


def test_jobs_out_of_turn(culver):
    """An agent that nobody wanted, results that nobody asked for, a second parent."""
    culver.start()
    calm = Calm(culver)
    encode = wire.encode
    nonsense = [
        [encode("JOBS_RESULT", 1, number=1, fate=1, code=250, status="2.0.0", text="x", host="h", last=1)],
        [encode("JOBS_LEAVE", 1)],
        [encode("JOBS_AGENT", 1, want=1)],
        [encode("JOBS_AGENT", 1, want=0xffffffff)],
        [encode("JOBS_CANNOT", 1, fate=3, status="5.0.0", text="x")],
    ]
    for datagrams in nonsense:
        assert throw(culver, "jobs", [(d, []) for d in datagrams]), datagrams
    calm.check()


@pytest.fixture
def with_name_server(culver):
    """An instance that asks a name server of the test, where no such name is."""
    try:
        server = dns.Server({"example": dns.zone("example", "")})
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    with server:
        culver.general += [f"resolver 127.0.0.1@{server.port}", "trust-anchor none", "hosts no"]
        culver.start()
        # libunbound makes its thread at the first question
        with wire.Peer(culver.connect("resolver", "delivery"), wire.RESOLVER_ANSWERS) as peer:
            peer.send("RESOLVER_ASK", rr=1, name="ns.example")
            assert peer.receive()[1]["records"]
        yield culver


def test_names_that_are_none_and_records_that_are_none(with_name_server):
    """Whatever the question is: an answer that finds nothing, or the end of the asker; the resolver goes on."""
    culver = with_name_server
    calm = Calm(culver)
    names = [b"", b".", b"..", b"a..b", b"x" * 64 + b".example", b"y." * 200, b"nul\0.example", b"\xff\xfe.example", b"a b.example",
             b"-", b"_", b"*.example", b"\\000.example", b"127.0.0.1", b"[::1]", b"z" * 1000]
    for rr, name in itertools.product((0, 1, 12, 15, 16, 28, 255, 65535, 1 << 40), names):
        with wire.Peer(culver.connect("resolver", "delivery"), wire.RESOLVER_ANSWERS) as peer:
            try:
                peer.send("RESOLVER_ASK", request=1, rr=rr, name=name)
            except OSError:
                continue  # cut off
            # no values: cut off
            _, values, _ = peer.receive()
            assert not values.get("records"), (rr, name, values)
    calm.check()


def test_a_stalled_asker_blocks_nobody(with_name_server):
    """Connections that ask and never read: the services go on for everybody else."""
    culver = with_name_server
    calm = Calm(culver)
    stalled = []
    questions = wire.encode("LOOKUP_RECIPIENTS", 1, questions=[
        {"number": n, "address": f"nobody{n}@local.test"} for n in range(200)])
    listing = wire.encode("CONTROL_STATUS", 1)
    asking = wire.encode("RESOLVER_ASK", 1, rr=15, name="stalled.example")
    for name, data in (("lookup", questions), ("control", listing), ("resolver", asking)):
        peer = culver.connect(name, CALLERS[name])
        peer.setblocking(False)
        stalled.append(peer)
        try:
            for _ in range(2000):
                peer.send(data)
        except OSError:
            pass
    with culver.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        client.command(f"RCPT TO:<{culver.address}>", 250)
        client.command("QUIT", 221)
    culver.command("status", check=0)
    for peer in stalled:
        peer.close()
    calm.check()


def test_wrong_uids_are_turned_away(culver):
    """Who is not in the row of a socket: no permission, or an end without an answer."""
    if culver.place.mode != "root":
        pytest.skip("an ordinary user's programs all have one uid")
    culver.auth.append("pam other")  # so that all of them run
    culver.start()
    calm = Calm(culver)
    stranger = culver.place.users[0]
    for name in ("intake", "jobs", "lookup", "resolver", "fetch", "signer", "auth", "verify", "pam", "log"):
        with pytest.raises(PermissionError):
            accounts.connect_as(stranger, culver.socket_path(name))
    wrong = {"intake": ["delivery", "lookup", "log", "resolver"], "jobs": ["smtpd", "submit", "lookup", "log", "resolver"],
             "lookup": ["delivery", "log", "bounce", "resolver"], "resolver": ["smtpd", "submit", "lookup", "log", "bounce"],
             "signer": ["submit", "delivery", "lookup", "resolver", "log", "bounce", "auth"],
             "pam": ["submit", "delivery", "lookup", "log", "bounce", "resolver", "signer", "smtpd"],
             "fetch": ["smtpd", "submit", "lookup", "log", "bounce", "resolver", "signer", "auth"],
             "auth": ["submit", "delivery", "lookup", "log", "bounce", "resolver", "signer"],
             "verify": ["submit", "delivery", "lookup", "log", "bounce", "resolver", "signer", "auth"]}
    for name, programs in wrong.items():
        for program in programs:
            peer = culver.connect(name, program)
            peer.settimeout(5)
            try:
                assert peer.recv(100) == b"", f"{program} is let in at {name}"
            except ConnectionError:
                pass
            peer.close()
    calm.check()


def test_intake_as_it_should_be(culver):
    """The same client, well-behaved: the helper's codec is one that the queue-manager takes."""
    culver.start()
    content = b"Subject: inner\r\nX-Tag: inner\r\n\r\ntext\r\n"
    with wire.Peer(culver.connect("intake", "smtpd"), wire.INTAKE_ANSWERS) as peer:
        name, values, fds = open_message(peer)
        ident = f"{values['id']:013X}"
        os.write(fds[0], content)
        os.close(fds[0])
        name, _, got = commit_message(peer, content, culver.address)
        assert name == "INTAKE_QUEUED" and not got
        os.fsync(fds[1])
        peer.send("INTAKE_KEEP", request=1, sync_us=0)
        culver.wait_event("done", id=ident)
        os.close(fds[1])
    assert content.replace(b"\r\n", b"\n") in culver.maildir().one("inner")


@pytest.mark.parametrize("program", ["smtpd", "bounce"])
def test_a_uid_is_believed_of_submit_alone(culver, program):
    """Whoever serves strangers cannot say that a message is a local user's."""
    if culver.place.mode != "root":
        pytest.skip("an ordinary user's programs all have one uid")
    culver.start()
    calm = Calm(culver)
    for lie in ({"uid": 1}, {"origin": ORIGIN_LOCAL}, {"uid": 1001, "origin": ORIGIN_LOCAL}):
        with wire.Peer(culver.connect("intake", program), wire.INTAKE_ANSWERS) as peer:
            _, _, fds = open_message(peer)
            for fd in fds:
                os.close(fd)
            try:
                peer.send("INTAKE_ENVELOPE", request=1, **{"origin": 1, **lie}, client="127.0.0.1", helo="inner", protocol="ESMTP",
                          sender="a@client.test", length=0, checksum=wire.checksum(b""), top="")
            except OSError:
                pass  # cut off already
            assert peer.ended(), f"{program} speaks for a user: {lie}"
    culver.expect_empty_spool()
    assert not culver.events("queued", since=calm.mark)
    calm.check()


def open_message(peer):
    """INTAKE_OPEN and its answer."""
    peer.send("INTAKE_OPEN", request=1, size=100)
    return peer.receive()


def commit_message(peer, content, to):
    """Everything from ENVELOPE to COMMIT, and the answer."""
    peer.send("INTAKE_ENVELOPE", request=1, origin=1, client="127.0.0.1", helo="inner", protocol="ESMTP",
              sender="a@client.test", length=len(content), checksum=wire.checksum(content), top="Received: test\r\n")
    peer.send("INTAKE_RECIPIENTS", request=1, recipients=[{"address": to}])
    peer.send("INTAKE_COMMIT", request=1, count=1, early=0)
    return peer.receive()
