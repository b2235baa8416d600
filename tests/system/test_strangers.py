"""Postfix, Exim and OpenSMTPD as strangers, both ways: they send to us; they take, defer, refuse and hang as next hops."""

import collections
import email

import pytest

import exim
import mail
import opensmtpd
import peers
import postfix
import smtp
from culver import DOMAIN, block
from notices import check_notice, notices

STRANGERS = {kind.name: kind for kind in (postfix.Postfix, exim.Exim, opensmtpd.OpenSmtpd)}
LATER, NOBODY = "450 4.2.0 come back", "550 5.1.1 nobody here"
BIG = 3 << 20


@pytest.fixture(params=sorted(STRANGERS))
def stranger(request):
    """Makes one: its next hop, its replies; each is ended."""
    made = request.node.strangers = []

    def make(next_hop, **replies):
        try:
            made.append(STRANGERS[request.param](next_hop, replies))
        except peers.Unavailable as reason:
            pytest.skip(str(reason))
        return made[-1].start()

    yield make
    for one in made:
        one.close()


def send(port, sender, recipients, content):
    """To a stranger, who may know no PIPELINING."""
    with smtp.Client(port) as client:
        client.ehlo()
        smtp.check(client.message(sender, recipients, content, pipeline=False), 250)


def submit(culver, sender, recipients, content):
    """To Culver; the id."""
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message(sender, recipients, content)
        smtp.check(reply, 250)
        return culver.accepted_id(reply)


def is_whole(taken, content):
    """What came is what was sent, below the lines on top."""
    top = mail.below(taken, content)
    assert top.startswith((b"Received: ", b"Return-Path: ")), top


# ---- as senders ----

def test_what_a_stranger_sends_arrives_whole_and_once(culver, stranger):
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        sender = stranger(culver.port)
        contents = {tag: mail.small(tag) for tag in ("one", "two", "three", "four")}
        contents |= {"dots": mail.dots("dots"), "eight": mail.eight_bit("eight"), "big": mail.small("big", BIG)}
        for content in contents.values():
            send(sender.port, "a@client.test", [culver.address], content)
        many = [f"r{n}@remote.test" for n in range(12)]
        send(sender.port, "a@client.test", many, mail.eight_bit("many"))
        culver.wait_event("delivered", to=culver.address, count=len(contents))
        for to in many:
            culver.wait_event("delivered", to=to)
        sender.wait_drained()
        assert len(culver.maildir().letters()) == len(contents)
        for tag, content in contents.items():
            is_whole(culver.maildir().one(tag), mail.lf(content))
        assert collections.Counter(to for taken in sink.messages for to in taken.recipients) == collections.Counter(many)
        for taken in sink.messages:
            is_whole(taken.content, mail.eight_bit("many"))


def test_a_stranger_tells_its_sender_whom_we_refuse(culver, stranger):
    """One of three; the stranger's notice comes back to us."""
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        sender = stranger(culver.port)
        content = mail.small("refused")
        send(sender.port, culver.address, [culver.address, f"nobody-here@{DOMAIN}", "x@remote.test"], content)
        culver.wait_event("delivered", to="x@remote.test")
        culver.wait_event("delivered", to=culver.address, count=2)
        taken, = sink.messages
        is_whole(taken.content, content)
        letter, notice = sorted(culver.maildir().letters(), key=lambda letter: not letter.endswith(mail.lf(content)))
        is_whole(letter, mail.lf(content))
        # a text for people in any case; only two of the three make a report of RFC 3462 of it
        assert f"nobody-here@{DOMAIN}".encode() in notice and b"550 5.1.1" in notice and b"x@remote.test" not in notice


def test_what_a_stranger_passes_on_of_dsn_is_carried_out(culver, stranger):
    """ENVID, RET, NOTIFY and ORCPT, given to the stranger, come back in our notice of success."""
    culver.start()
    sender = stranger(culver.port)
    with smtp.Client(sender.port) as client:
        assert "DSN" in client.ehlo()
        client.command(f"MAIL FROM:<{culver.address}> RET=HDRS ENVID=QQ+2B314159", 250)
        client.command(f"RCPT TO:<{culver.address}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;orig+2Binal@client.test", 250)
        client.command("DATA", 354)
        client.send(smtp.stuff(mail.small("dsn")) + b".\r\n")
        smtp.check(client.reply(), 250)
    culver.wait_event("done", id=culver.wait_event("notified")["notice"])
    letters = culver.maildir().letters()
    assert len(letters) == 2
    notice, = notices(culver.maildir())
    about = check_notice(notice, culver.address, r"2\.\d\.\d", "delivered")
    assert about["Original-Recipient"] == "rfc822; orig+inal@client.test"
    parts = list(notice.iter_parts())
    assert parts[1].get_payload()[0]["Original-Envelope-Id"] == "QQ+314159"
    assert parts[2].get_content_type() == "text/rfc822-headers"


# ---- as next hops ----

def test_what_we_pass_on_of_dsn_a_stranger_carries_out(culver, stranger):
    """The host behind it knows no DSN: so it is the stranger who tells that it has relayed the message."""
    with smtp.Sink() as sink:
        hop = stranger(sink.port)
        culver.relay_to(hop.port).start()
        with culver.smtp() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@client.test> RET=HDRS ENVID=QQ314159", 250)
            client.command("RCPT TO:<x@hop.test> NOTIFY=SUCCESS ORCPT=rfc822;original@client.test", 250)
            client.command("DATA", 354)
            client.send(smtp.stuff(mail.small("dsn")) + b".\r\n")
            smtp.check(client.reply(), 250)
        culver.wait_event("done")
        hop.wait_drained()
        taken = {message.recipients[0]: message for message in sink.messages}
        assert set(taken) == {"x@hop.test", "a@client.test"} and len(sink.messages) == 2
        is_whole(taken["x@hop.test"].content, mail.small("dsn"))
        notice = taken["a@client.test"]
        assert notice.sender == ""
        parts = {part.get_content_type(): part for part in email.message_from_bytes(notice.content).walk()}
        # RET=HDRS: the header, and nothing below it
        assert "text/rfc822-headers" in parts and mail.small("dsn")[-100:] not in notice.content
        status, about = parts["message/delivery-status"].get_payload()
        assert about["Final-Recipient"].replace(" ", "") == "rfc822;x@hop.test"
        assert about["Action"] in ("relayed", "delivered") and about["Status"].startswith("2.")
        if hop.name != "opensmtpd":  # which takes both and tells neither
            assert status["Original-Envelope-Id"] == "QQ314159"
            assert about["Original-Recipient"] == "rfc822;original@client.test"

def test_a_stranger_takes_defers_and_refuses(culver, stranger):
    """Four recipients: two taken, one later, one never; the one that waits is taken when the stranger has changed its mind."""
    culver.outbound.append("retry 1h 1h")
    contents = {"first": mail.small("first"), "eight": mail.eight_bit("eight"), "dots": mail.dots("dots"),
                "big": mail.small("big", BIG)}
    with smtp.Sink() as sink:
        hop = stranger(sink.port, later=LATER, bad=NOBODY)
        culver.relay_to(hop.port).start()
        ids = {tag: submit(culver, culver.address, ["ok@hop.test", "later@hop.test", "bad@hop.test", "fine@hop.test"], content)
               for tag, content in contents.items()}
        for ident in ids.values():
            for to in ("ok@hop.test", "fine@hop.test"):
                assert culver.wait_event("delivered", id=ident, to=to)["code"] == "250"
            deferred = culver.wait_event("deferred", id=ident, to="later@hop.test")
            assert (deferred["code"], deferred["status"]) == ("450", "4.2.0") and "come back" in deferred["reply"]
            failed = culver.wait_event("failed", id=ident, to="bad@hop.test")
            assert (failed["code"], failed["status"]) == ("550", "5.1.1") and "nobody here" in failed["reply"]
            culver.wait_event("done", id=culver.wait_event("notified", id=ident)["notice"])
        for notice in notices(culver.maildir()):
            assert "nobody here" in check_notice(notice, "bad@hop.test", r"5\.1\.1")["Diagnostic-Code"]
        assert len(culver.maildir().letters()) == len(ids)
        hop.wait_drained()
        hop.stop()
        hop.replies = {}
        hop.start()
        for ident in ids.values():
            culver.command("queue", "retry", ident, check=0)
            culver.wait_event("delivered", id=ident, to="later@hop.test")
            culver.wait_event("done", id=ident)
        expected = collections.Counter((tag, f"{who}@hop.test") for tag in ids for who in ("ok", "later", "fine"))
        hop.wait_drained()
        assert collections.Counter((mail.tag_of(taken.content), to) for taken in sink.messages for to in taken.recipients) == expected
        for taken in sink.messages:
            is_whole(taken.content, contents[mail.tag_of(taken.content)])


def test_a_stranger_that_hangs_is_passed_over_and_tried_again(culver, stranger):
    """Silent in a kept connection and at the door; with another host and without one; then it goes on."""
    culver.limit.append("reply-time 1s")
    culver.outbound.append("retry 1h 1h")
    with smtp.Sink() as sink, smtp.Sink() as spare:
        hop = stranger(sink.port)
        silent = f"127.0.0.1[127.0.0.1]:{hop.port}"
        # a host that is not there makes it another place, so that there is no connection yet
        for domain, more in (("kept.test", ""), ("door.test", f" 127.0.0.1:{peers.free_port()}")):
            culver.general.append(block(f"route {domain}", [f"smtp 127.0.0.1:{hop.port}{more}"]))
        culver.relay_to(hop.port, spare.port).start()
        culver.wait_event("done", id=submit(culver, "a@client.test", ["x@kept.test"], mail.small("before")))
        hop.suspend()
        kept, door, passes = (submit(culver, "a@client.test", [f"x@{tag}.test"], mail.small(tag)) for tag in ("kept", "door", "passes"))
        assert f"{silent} did not answer in time" in culver.wait_event("deferred", id=kept)["reply"]
        culver.wait_event("deferred", id=door)
        assert str(spare.port) in culver.wait_event("delivered", id=passes)["host"]
        passed = culver.events("host-passed-over", host=silent)
        assert passed and all("did not answer in time before its greeting" in event["reason"] for event in passed)
        hop.resume()
        for ident in (kept, door):
            culver.command("queue", "retry", ident, check=0)
            culver.wait_event("done", id=ident)
        hop.wait_drained()
        assert [mail.tag_of(taken.content) for taken in spare.messages] == ["passes"]
        came = collections.Counter(mail.tag_of(taken.content) for taken in sink.messages)
        # what lay in the kept connection when we gave it up was read by the stranger when it went on: twice, never not at all
        # (RFC 1047)
        assert came["kept"] in (1, 2)
        assert came == {"before": 1, "door": 1, "kept": came["kept"]}
