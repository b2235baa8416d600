"""Hostile input from the network and at the socket `submission`: clear refusals, nothing accepted, nothing moved (calm.py)."""

import ast
import glob
import os
import random
import re
import select
import socket
import struct
import time

import pytest

import accounts
import calm as calm_module
import mail
import smtp
from calm import Calm

MEGABYTE = 1 << 20
SESSION_KB = 2048


@pytest.fixture(params=["network", "submission"])
def culver(request, make_culver):
    """An instance whose clients come by one of its two doors: what stands behind both is the same code, with other rights."""
    instance = make_culver()
    if request.param == "submission":
        path, entry = instance.socket_path("submission"), instance.place.users[0]
        # the buffers of a local socket are the sender's
        instance.smtp = lambda receive_buffer=None, **options: smtp.Client(
            accounts.connect_many_as(1, entry, path, kind=socket.SOCK_STREAM)[0], **options)
    return instance


def session_memory(instance, client):
    """What an open, idle session of that client has used at most so far (KB)."""
    client.command("NOOP", 250)
    return calm_module.session_peak(instance)


def read_until_closed(client, deadline=30):
    """All that the server still says."""
    client.socket.settimeout(deadline)
    data = b""
    try:
        while True:
            more = client.file.read1(65536)
            if not more:
                return data
            data += more
    except ConnectionError:
        return data


def hang_up(client):
    """Our sending side ends; it may have ended with the connection already."""
    try:
        client.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def try_send(client, data):
    """False when the server would not have it any more."""
    try:
        client.send(data)
        return True
    except ConnectionError:
        return False


def test_command_line_of_10_MB(culver):
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        client.ehlo()
        before = session_memory(culver, client)
        if try_send(client, b"NOOP " + b"x" * (10 * MEGABYTE) + b"\r\n"):
            reply = client.reply()
            smtp.check(reply, (500, 554, 421))
            if reply.code != 421:
                after = session_memory(culver, client)
                if before and after and calm.memory_counts:
                    assert after - before <= SESSION_KB
    calm.check()


def test_content_line_of_10_MB(culver):
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        client.ehlo()
        before = session_memory(culver, client)
        reply = client.message("a@client.test", [culver.address], mail.headers("long") + b"\r\n" + b"y" * (9 * MEGABYTE) + b"\r\n")
        smtp.check(reply, 5)
        after = session_memory(culver, client)
        if before and after and calm.memory_counts:
            assert after - before <= SESSION_KB
        client.command("QUIT", 221)
    culver.expect_empty_spool()
    calm.check()


def test_message_above_the_size_limit(culver):
    culver.limit.append("message-size 1M")
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        assert client.ehlo()["SIZE"] == str(MEGABYTE)
        client.command("MAIL FROM:<a@client.test> SIZE=99999999", 552)
        smtp.check(client.message("a@client.test", [culver.address], mail.small("big", 3 * MEGABYTE)), 552)
        client.command("NOOP", 250)
    culver.expect_empty_spool()
    calm.check()


@pytest.mark.parametrize("line", ["NOOP", "RSET", "WHATISTHIS", "MAIL FROM:<", "VRFY someone", "HELP"])
def test_endless_commands_end(culver, line):
    culver.limit += ["commands 200", "errors 20"]
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        client.ehlo()
        for _ in range(1000):
            try:
                reply = client.command(line)
            except (smtp.Closed, ConnectionError):
                break
            if reply.code == 421:
                assert client.ended()
                break
        else:
            pytest.fail("a thousand of them, and no end")
    culver.wait_event("disconnected", since=calm.mark)
    calm.check()


def test_flood_without_reading_replies(culver):
    """A client that never reads must not make us gather replies without end."""
    culver.limit += ["commands 1000000", "command-time 3s"]
    culver.start()
    calm = Calm(culver)
    with culver.smtp(receive_buffer=4096) as client:
        client.ehlo()
        client.socket.setblocking(False)
        sent, block = 0, b"NOOP\r\n" * 10000
        until = time.monotonic() + 20
        while sent < 50 * MEGABYTE and time.monotonic() < until:
            if not select.select([], [client.socket], [], 5)[1]:
                break
            try:
                sent += client.socket.send(block)
            except (BlockingIOError, ConnectionError):
                break
        peak = calm_module.session_peak(culver)
        if peak and calm.memory_counts:
            assert peak <= calm.memory["smtpd"][0] + 2 * SESSION_KB
    culver.wait_event("disconnected", since=calm.mark)
    calm.check()


def drip(client, data, pause=0.1):
    """One byte after another until the server ends it; returns what it said (the pause waits for that)."""
    said = b""
    client.socket.settimeout(10)
    for byte in data:
        if not try_send(client, bytes([byte])):
            break
        if select.select([client.socket], [], [], pause)[0]:
            more = client.socket.recv(65536)
            said += more
            if not more or said.startswith(b"421"):
                return said
    return said


def test_slow_command_ends(culver):
    culver.limit += ["command-time 2s"]
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        client.ehlo()
        start = time.monotonic()
        said = drip(client, b"NOOP " + b"x" * 400)
        assert said.startswith(b"421"), said
        assert time.monotonic() - start < 10
    culver.wait_event("disconnected", since=calm.mark)
    calm.check()


def test_slow_message_ends(culver):
    culver.limit += ["command-time 2s", "message-time 3s"]
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        client.command(f"RCPT TO:<{culver.address}>", 250)
        client.command("DATA", 354)
        start = time.monotonic()
        said = drip(client, b"a: b\r\n" * 400)
        assert said.startswith(b"421"), said
        assert time.monotonic() - start < 15
    culver.wait_event("disconnected", since=calm.mark)
    culver.expect_empty_spool()
    calm.check()


def test_more_sessions_than_a_client_may_have(culver):
    culver.limit += ["sessions-per-client 5"]
    culver.start()
    calm = Calm(culver)
    clients = []
    try:
        for _ in range(5):
            clients.append(culver.smtp())
        extra = culver.smtp(greet=False)
        clients.append(extra)
        smtp.check(extra.reply(), 421)
        assert extra.ended()
    finally:
        for client in clients:
            client.close()
    culver.wait_event("client-limited", since=calm.mark)
    calm.check()


def test_clients_that_vanish_at_every_step(culver):
    culver.start()
    calm = Calm(culver)
    steps = [b"EHLO client.test\r\n", b"MAIL FROM:<a@client.test>\r\n", f"RCPT TO:<{culver.address}>\r\n".encode(),
             b"DATA\r\n", b"a: b\r\n\r\nhalf a mess"]
    for hard in (False, True):
        for upto in range(len(steps) + 1):
            client = culver.smtp()
            for step in steps[:upto]:
                client.send(step)
                if step is not steps[-1]:
                    client.reply()
            if hard:  # a reset instead of an end
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
    culver.wait_event("disconnected", since=calm.mark, count=12)
    culver.expect_empty_spool()
    assert not culver.events("accepted", since=calm.mark)
    calm.check()


def test_talk_out_of_turn_is_refused(culver):
    """RFC 2920 section 3.1: EHLO and DATA must be the last of their group."""
    culver.start()
    calm = Calm(culver)
    for lines in (b"EHLO a.test\r\nMAIL FROM:<a@client.test>\r\n",
                  f"MAIL FROM:<a@client.test>\r\nRCPT TO:<{culver.address}>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n".encode()):
        with culver.smtp() as client:
            if not lines.startswith(b"EHLO"):
                client.ehlo()
            client.send(lines)
            said = read_until_closed(client)
            last = said.rstrip(b"\r\n").split(b"\r\n")[-1]
            assert re.match(rb"(421|5\d\d) ", last), said
    assert not culver.events("accepted", since=calm.mark)
    calm.check()


def test_random_bytes(culver):
    culver.start()
    calm = Calm(culver)
    source = random.Random(3)
    for _ in range(30):
        with culver.smtp() as client:
            client.ehlo()
            try_send(client, source.randbytes(source.choice([1, 100, 5000, 70000])) + b"\r\n")
            try_send(client, b"QUIT\r\n")
            hang_up(client)
            read_until_closed(client)
    assert not culver.events("accepted", since=calm.mark)
    calm.check()


# ---- smuggling ----

BARE = {"lflf": b"\n.\n", "lfcr": b"\n.\r", "crlf": b"\r.\n", "crcr": b"\r.\r", "lfcrlf": b"\n.\r\n",
        "crcrlf": b"\r.\r\n", "crlflf": b"\r\n.\n", "crlfcr": b"\r\n.\r", "nullbefore": b"\r\n\0.\r\n",
        "nullafter": b"\r\n.\0\r\n"}


def smuggle(instance, sequence):
    """Sends a sequence that must not end the data, with another message behind it; all replies after the 354."""
    with instance.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<outer@client.test>", 250)
        client.command(f"RCPT TO:<{instance.address}>", 250)
        client.command("DATA", 354)
        client.send(mail.headers("outer") + b"\r\nbefore" + sequence
                    + f"MAIL FROM:<inner@client.test>\r\nRCPT TO:<{instance.address}>\r\nDATA\r\n".encode()
                    + mail.headers("inner") + b"\r\ninside\r\n.\r\n")
        client.send("QUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        return read_until_closed(client).decode("latin-1").splitlines()


@pytest.mark.parametrize("name", BARE)
def test_smuggling(culver, name):
    culver.start()
    calm = Calm(culver)
    check_smuggled(culver, BARE[name], smuggle(culver, BARE[name]))
    calm.check()


def check_smuggled(instance, sequence, replies):
    """One refusal for the whole, then the QUIT: no inner command was heard."""
    wanted = r"550 5\.6\.0 " if b"\0" in sequence else r"550 5\.6\.11 "
    assert re.match(wanted, replies[0]), replies
    assert len(replies) == 2 and replies[1].startswith("221"), replies
    instance.expect_empty_spool()
    assert not instance.events("accepted"), "something was taken"


def test_smuggling_sequences_of_the_data_folder(culver, data):
    with open(os.path.join(data, "smtp-smuggling/end-of-data.tsv"), encoding="ascii") as file:
        rows = [line.split("\t")[0] for line in file if line.strip() and not line.startswith("#")]
    assert rows
    print(f"{len(rows)} sequences")
    culver.start()
    calm = Calm(culver)
    for row in rows:
        sequence = ast.literal_eval(f"b'{row}'")
        check_smuggled(culver, sequence, smuggle(culver, sequence))
    calm.check()


def test_bare_line_ends_are_repaired_when_asked_for(culver):
    culver.general.append("repair-line-ends yes")
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        with culver.smtp() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@client.test>", 250)
            client.command("RCPT TO:<b@remote.test>", 250)
            client.command("DATA", 354)
            client.send(b"X-Tag: mended\nSubject: x\n\none\rtwo\n.\nthree\r\n.\r\n")
            reply = client.reply()
            smtp.check(reply, 250)
        culver.wait_event("done", id=culver.accepted_id(reply))
        message, = sink.messages
        mail.below(message.content, b"X-Tag: mended\r\nSubject: x\r\n\r\none\r\ntwo\r\n.\r\nthree\r\n")


def seeds(data, part):
    """The values of one part of chasquid's fuzz corpora: [bytes]; each file holds one."""
    files = filter(os.path.isfile, glob.glob(os.path.join(data, "smtp-dialogs/chasquid-fuzz", part, "**/*"), recursive=True))
    values = []
    for path in sorted(files):
        with open(path, encoding="utf-8") as file:
            literal = re.search(r'^(?:\[\]byte|string)\((".*")\)$', file.read(), re.M)[1]
        # in Go, \x is a byte, and every other character its UTF-8; in Python, both are characters
        values.append(re.sub(rb"\xef\xbf\xbd(..)", lambda m: bytes([int(m[1], 16)]),
                             ast.literal_eval(re.sub(r"\\x(..)", "\ufffd\\1", literal)).encode()))
    return values


def test_addresses_of_the_fuzz_corpora(culver, data):
    """As local part, as domain, as both, and as what AUTH brings: a clear reply for each, and nothing moves."""
    culver.limit += ["errors 10000"]
    culver.start()
    calm = Calm(culver)
    names, auths = set(seeds(data, "normalize")), seeds(data, "auth")
    assert names and auths
    lines = [b"RCPT TO:<" + form + b">" for name in sorted(names) for form in (name, name + b"@local.test", b"a@" + name, name + b"@" + name)]
    lines += [b"AUTH PLAIN " + value for value in auths]
    with culver.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.test> SMTPUTF8", 250)
        codes = [client.command(line, (4, 5, 250)).code for line in lines]
        client.command("QUIT", 221)
    print(f"{len(lines)} lines of {len(names)} names and {len(auths)} responses: {sorted(set(codes))}")
    calm.check()


def test_streams_of_the_fuzz_corpora(culver, data):
    """What crashed others: as a stream, with LF and with CRLF."""
    streams = seeds(data, "smtpsrv")
    assert streams
    print(f"{len(streams)} streams")
    culver.start()
    calm = Calm(culver)
    for stream in streams:
        for form in (stream, stream.replace(b"\n", b"\r\n")):
            with culver.smtp() as client:
                try_send(client, form)
                hang_up(client)
                read_until_closed(client)
    calm.check()


@pytest.mark.needs_root
def test_no_session_is_left(culver):
    """Sessions of clients that are gone are gone too."""
    culver.start()
    calm = Calm(culver)
    with culver.smtp() as client:
        client.ehlo()
        assert len(calm_module.sessions(culver)) == 1
    culver.wait_event("disconnected", since=calm.mark)
    calm.check()
    assert calm_module.sessions(culver) == []
