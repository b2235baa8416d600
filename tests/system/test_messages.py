"""Each message arrives once and byte for byte: in a Maildir and at the next hop.

CRLF in the spool and on the wire, LF in the Maildir, the content below the header lines put on top.
"""

import collections
import os
import re
import threading

import pytest

import mail
import peers
import smtp

CONTENTS = {
    "4KB": lambda: mail.small("t4KB"),
    "25MB": lambda: mail.small("t25MB", 25 << 20),
    "8bit": lambda: mail.eight_bit("t8bit"),
    "dots": lambda: mail.dots("tdots"),
}
TOP = re.compile(rb"\A(Return-Path: <[^>\n]*>\n)?(Delivered-To: [^\n]*\n)?(Received: [^\n]*\n([ \t][^\n]*\n)*)+\Z")
REMOTE = "someone@remote.test"


def send(instance, recipients, content, sender="sender@client.test"):
    """One message over one connection; returns its id."""
    with instance.smtp() as client:
        assert client.ehlo().keys() >= {"PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES"}
        reply = client.message(sender, recipients, content, "BODY=8BITMIME" if not content.isascii() else "")
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


@pytest.mark.parametrize("kind", CONTENTS)
def test_maildir_holds_what_was_sent(culver, kind):
    if kind == "25MB":
        culver.limit.append("message-size 30M")
    culver.start()
    content = CONTENTS[kind]()
    ident = send(culver, [culver.address], content)
    culver.wait_event("delivered", id=ident, to=culver.address)
    culver.wait_event("done", id=ident)
    letters = culver.maildir().letters()
    assert len(letters) == 1
    top = mail.below(letters[0], mail.lf(content))
    assert TOP.match(top), top
    assert b"Return-Path: <sender@client.test>\n" in top and ident.encode() in top
    culver.expect_empty_spool()


@pytest.mark.parametrize("kind", CONTENTS)
def test_next_hop_gets_what_was_sent(culver, kind):
    if kind == "25MB":
        culver.limit.append("message-size 30M")
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        content = CONTENTS[kind]()
        ident = send(culver, [REMOTE], content)
        culver.wait_event("done", id=ident)
        assert len(sink.messages) == 1
        taken = sink.messages[0]
        assert (taken.sender, taken.recipients) == ("sender@client.test", [REMOTE])
        top = mail.below(taken.content, content)
        assert TOP.match(mail.lf(top)), top
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", taken.raw), "a bare CR or LF left the house"


def test_message_that_is_only_dots(culver):
    """No header at all: four lines of dots, which the wire has doubled."""
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        ident = send(culver, [culver.address, REMOTE], mail.NO_HEADER_DOTS)
        culver.wait_event("done", id=ident)
        mail.below(sink.messages[0].content, mail.NO_HEADER_DOTS)
        mail.below(culver.maildir().letters()[0], mail.lf(mail.NO_HEADER_DOTS))


def test_spool_keeps_the_content_as_it_came(culver):
    culver.relay_to(peers.free_port()).start()
    content = mail.eight_bit("spool")
    ident = send(culver, [REMOTE], content)
    culver.wait_event("deferred", id=ident)
    path, = culver.queue_files()
    assert os.path.basename(path) == ident and os.path.basename(os.path.dirname(path)) == ident[-2:]
    with open(path, "rb") as file:
        raw = file.read()
    header, _, rest = raw.partition(b"\n")
    assert re.fullmatch(rb"culver-message 1 +\d+ *", header), header
    assert int(header.split()[2]) == len(content)
    assert rest.startswith(content)


@pytest.mark.parametrize("where", ["maildir", "relay"])
def test_5000_recipients_in_one_transaction(culver, where):
    culver.limit.append("recipients 5000")
    content = mail.small("many")
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        if where == "maildir":
            recipients = [f"{culver.user}+n{n}@local.test" for n in range(5000)]
        else:
            recipients = [f"n{n}@remote.test" for n in range(5000)]
        ident = send(culver, recipients, content)
        culver.wait_event("done", 120, id=ident)
        told = collections.Counter(e["to"] for e in culver.events("delivered", id=ident))
        assert told == collections.Counter(recipients)
        if where == "maildir":
            letters = culver.maildir().letters()
            assert len(letters) == 5000
            for letter in letters:
                mail.below(letter, mail.lf(content))
        else:
            assert collections.Counter(r for m in sink.messages for r in m.recipients) == collections.Counter(recipients)
            assert all(len(m.recipients) <= 100 for m in sink.messages)
            for message in sink.messages:
                mail.below(message.content, content)


# ---- 1,000 messages over 20 connections ----

SOURCE = ["-s", 20, "-m", 1000, "-d", "-l", 2000, "-f", "sender@client.test"]
VARYING = re.compile(rb"^(Message-Id|Date): [^\n]*\n", re.M)
IDS = re.compile(rb"^Message-Id: (\S+)", re.M)


def source_template(to):
    """What smtp-source sends with SOURCE, as seen by a sink of our own, its varying lines made equal."""
    with smtp.Sink() as sink:
        peers.smtp_source(sink.port, "-m", 1, "-l", 2000, "-f", "sender@client.test", "-t", to)
        return VARYING.sub(rb"\1: \n", mail.lf(sink.messages[0].content))


def test_1000_messages_of_smtp_source_to_a_maildir(culver, needs_peers):
    culver.start()
    template = source_template(culver.address)
    peers.smtp_source(culver.port, *SOURCE, "-t", culver.address)
    culver.wait_event("delivered", 120, count=1000)
    culver.wait_event("done", 60, count=1000)
    letters = culver.maildir().letters()
    assert len(letters) == 1000
    assert len({IDS.search(letter)[1] for letter in letters}) == 1000, "a message came twice, another not"
    for letter in letters:
        mail.below(VARYING.sub(rb"\1: \n", letter), template)
    assert len({e["session"] for e in culver.events("accepted")}) == 20


def test_1000_messages_of_smtp_source_by_relay_to_smtp_sink(culver, needs_peers):
    dump = os.path.join(culver.folder, "dump")
    os.mkdir(dump)
    os.chown(dump, culver.place.users[0].pw_uid, culver.place.users[0].pw_gid)
    with peers.SmtpSink(culver.place.users[0], dump=dump) as sink:
        culver.relay_to(sink.port).start()
        template = source_template(REMOTE)
        peers.smtp_source(culver.port, *SOURCE, "-t", REMOTE)
        culver.wait_event("delivered", 120, count=1000)
        culver.wait_event("done", 60, count=1000)
        messages = sink.messages()
        assert len(messages) == 1000
        assert len({IDS.search(content)[1] for _, _, content in messages}) == 1000
        for sender, recipients, content in messages:
            assert (sender, recipients) == ("sender@client.test", [REMOTE])
            mail.below(VARYING.sub(rb"\1: \n", content), template)


@pytest.mark.parametrize("where", ["maildir", "relay"])
def test_1000_pipelined_messages_over_20_connections(culver, where):
    """smtp-source does not pipeline: this client does, and sees each byte at the next hop."""
    wanted, problems = {}, []
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        to = culver.address if where == "maildir" else REMOTE

        def connection(number):
            try:
                with culver.smtp() as client:
                    client.ehlo()
                    for n in range(50):
                        tag = f"p{number}-{n}"
                        wanted[tag] = mail.small(tag, 3000)
                        smtp.check(client.message("sender@client.test", [to], wanted[tag]), 250)
                    client.command("QUIT", 221)
            except Exception as problem:  # shown by the test itself
                problems.append(problem)

        threads = [threading.Thread(target=connection, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems
        culver.wait_event("done", 120, count=1000)
        if where == "maildir":
            have = culver.maildir().letters()
        else:
            have = [m.content for m in sink.messages]
        assert collections.Counter(map(mail.tag_of, have)) == collections.Counter(wanted.keys())
        for content in have:
            sent = wanted[mail.tag_of(content)]
            mail.below(content, mail.lf(sent) if where == "maildir" else sent)


@pytest.mark.parametrize("where", ["maildir", "relay"])
def test_swaks_pipelining_over_20_connections(culver, needs_peers, where):
    """Perl starts slowly: two messages on each of 20 connections at a time."""
    dump = os.path.join(culver.folder, "dump")
    os.mkdir(dump)
    os.chown(dump, culver.place.users[0].pw_uid, culver.place.users[0].pw_gid)
    problems = []
    with peers.SmtpSink(culver.place.users[0], dump=dump) as sink:
        culver.relay_to(sink.port).start()
        to = culver.address if where == "maildir" else REMOTE

        def connection(number):
            try:
                for n in range(2):
                    body = os.path.join(culver.folder, f"body-{number}-{n}")
                    with open(body, "wb") as file:
                        file.write(mail.lf(mail.small(f"s{number}-{n}", 3000)))
                    peers.swaks(culver.port, "--pipeline", "--from", "sender@client.test", "--to", to,
                                "--data", f"@{body}")
            except Exception as problem:  # shown by the test itself
                problems.append(problem)

        threads = [threading.Thread(target=connection, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems
        culver.wait_event("done", 60, count=40)
        have = culver.maildir().letters() if where == "maildir" else [m[2] for m in sink.messages()]
        tags = {f"s{number}-{n}" for number in range(20) for n in range(2)}
        assert collections.Counter(map(mail.tag_of, have)) == collections.Counter(tags)
        for content in have:
            sent = mail.lf(mail.small(mail.tag_of(content), 3000))
            # swaks ends the data with a line end of its own
            assert content.rstrip(b"\n").endswith(sent.rstrip(b"\n"))
