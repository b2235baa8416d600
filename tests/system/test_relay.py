"""The next hop refuses, is down, comes back, says things one by one; and the sender is told."""

import re
import time

import pytest

import mail
import peers
import smtp
from notices import check_notice, notices


def submit(instance, recipients, tag, sender):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(sender, recipients, mail.small(tag))
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


@pytest.mark.parametrize("option", ["RCPT", "MAIL", "DATA", "."])
def test_bounce_for_what_smtp_sink_refuses(culver, needs_peers, option):
    with peers.SmtpSink(culver.place.users[0], options=["-f", option, "-B", "550 5.1.1 go away"]) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "refused", culver.address)
        failed = culver.wait_event("failed", id=ident, to="x@remote.test")
        assert failed["code"] == "550" and "go away" in failed["reply"]
        culver.wait_event("done", id=ident)
        notified = culver.events("notified", id=ident)[0]
        culver.wait_event("done", id=notified["notice"])
        notice, = notices(culver.maildir())
        block = check_notice(notice, "x@remote.test", r"5\.1\.1")
        assert "go away" in block["Diagnostic-Code"]
        assert "X-Tag: refused" in notice.as_string()


def test_each_recipient_has_its_own_reply(culver):
    """Two taken, one refused, one later: reported one by one."""
    def answer(verb, argument, default):
        if verb == "RCPT" and "bad" in argument:
            return b"550 5.1.1 no such user\r\n"
        if verb == "RCPT" and "later" in argument and not later_done:
            later_done.append(1)
            return b"451 4.2.1 try later\r\n"
        return None

    later_done = []
    with smtp.Sink(answer=answer) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["good1@r.test", "bad@r.test", "later@r.test", "good2@r.test"], "each", culver.address)
        culver.wait_event("delivered", id=ident, to="good1@r.test")
        culver.wait_event("delivered", id=ident, to="good2@r.test")
        culver.wait_event("failed", id=ident, to="bad@r.test")
        culver.wait_event("deferred", id=ident, to="later@r.test")
        culver.wait_event("delivered", id=ident, to="later@r.test")
        culver.wait_event("done", id=ident)
        got = sorted(r for m in sink.messages for r in m.recipients)
        assert got == ["good1@r.test", "good2@r.test", "later@r.test"]


def test_next_hop_down_then_up(culver):
    port = peers.free_port()
    culver.relay_to(port).start()
    ident = submit(culver, ["x@remote.test"], "patience", "a@client.test")
    culver.wait_event("deferred", id=ident, count=2)
    with smtp.Sink(port=port) as sink:
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["patience"]


@pytest.mark.parametrize("option", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_soft_refusals_of_smtp_sink_are_deferred(culver, needs_peers, option):
    with peers.SmtpSink(culver.place.users[0], options=["-r", option, "-b", "451 4.3.0 not now"]) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "soft", "a@client.test")
        culver.wait_event("deferred", id=ident, to="x@remote.test")
        # the same next hop comes back in a better mood: nothing was lost
    with smtp.Sink(port=sink.port) as good:
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in good.messages] == ["soft"]


@pytest.mark.parametrize("option", [("-q", "."), ("-q", "DATA"), ("-q", "RCPT"), ("-Q", "MAIL"), ("-Q", "CONNECT")])
def test_hangups_of_smtp_sink_are_deferred(culver, needs_peers, option):
    with peers.SmtpSink(culver.place.users[0], options=option) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "hangup", "a@client.test")
        culver.wait_event("deferred", id=ident, to="x@remote.test")
    with smtp.Sink(port=sink.port) as good:
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in good.messages] == ["hangup"]


def test_second_smarthost_when_the_first_is_down(culver):
    with smtp.Sink() as sink:
        culver.relay_to(peers.free_port(), sink.port).start()
        ident = submit(culver, ["x@remote.test"], "second", "a@client.test")
        culver.wait_event("done", id=ident)
        assert len(sink.messages) == 1


def test_lifetime_gives_a_notice(culver):
    culver.outbound += ["retry 1s 1s", "lifetime 3s"]
    culver.relay_to(peers.free_port()).start()
    ident = submit(culver, ["x@remote.test"], "expired", culver.address)
    culver.wait_event("deferred", id=ident)
    culver.wait_event("failed", id=ident, to="x@remote.test")
    culver.wait_event("done", id=culver.wait_event("notified", id=ident)["notice"])
    notice, = notices(culver.maildir())
    check_notice(notice, "x@remote.test", r"[45]\.\d+\.\d+")


def test_double_bounce_goes_to_postmaster(culver):
    """The notice itself is refused: postmaster is told, nobody else."""
    def answer(verb, _argument, _default):
        return b"550 5.1.1 nobody\r\n" if verb == "RCPT" else None

    culver.aliases = f"postmaster: {culver.user}\n"
    with smtp.Sink(answer=answer) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "double", "gone@remote.test")
        notice = culver.wait_event("notified", id=ident)["notice"]
        second = culver.wait_event("notified", id=notice)["notice"]
        culver.wait_event("done", id=second)
        assert len(notices(culver.maildir())) == 1
        assert sink.messages == []
        mails = [c for _, c in sink.commands if c.startswith("MAIL")]
        assert any("<>" in c for c in mails), "the notice has a null reverse-path"


def test_no_bounce_for_a_bounce(culver):
    """Mail from <> that fails: to postmaster, never to anybody outside; and there it ends."""
    def answer(verb, _argument, _default):
        return b"550 5.1.1 nobody\r\n" if verb == "RCPT" else None

    culver.aliases = f"postmaster: {culver.user}\n"
    with smtp.Sink(answer=answer) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "null", "")
        culver.wait_event("failed", id=ident)
        culver.wait_event("done", id=ident)
        assert not [c for _, c in sink.commands if c.startswith("RCPT") and "x@remote.test" not in c]


def test_bounce_of_a_local_failure(culver):
    """An alias that leads to somebody who is not there."""
    culver.aliases = f"ghost: no-such-user-here, {culver.user}\n"
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message(culver.address, ["ghost@local.test"], mail.small("ghost"))
    if reply.code == 250:
        ident = culver.accepted_id(reply)
        culver.wait_event("done", id=ident)
        culver.wait_event("done", id=culver.events("notified", id=ident)[0]["notice"])
        assert len(culver.maildir().by_tag("ghost")) >= 1
        notice, = notices(culver.maildir())
        block = check_notice(notice, "ghost@local.test", r"5\.")
        assert "no-such-user-here" in block["X-Actual-Recipient"]


def test_connection_is_kept_for_the_next_message(culver):
    with smtp.Sink() as sink:
        culver.limit.append("concurrency 1")
        culver.relay_to(sink.port).start()
        with culver.smtp() as client:
            client.ehlo()
            for n in range(20):
                smtp.check(client.message("a@client.test", [f"x{n}@remote.test"], mail.small(f"k{n}")), 250)
        culver.wait_event("done", count=20)
        assert len(sink.messages) == 20
        assert sink.connections < 20


def test_next_hop_without_extensions(culver):
    """No PIPELINING, no SIZE, no 8BITMIME: one by one; 8-bit content is not forced upon it."""
    with smtp.Sink(extensions=()) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "plain", "a@client.test")
        culver.wait_event("done", id=ident)
        assert len(sink.messages) == 1
        assert "SIZE" not in " ".join(c for _, c in sink.commands if c.startswith("MAIL"))


def test_next_hop_that_speaks_only_helo(culver):
    def answer(verb, _argument, _default):
        return b"502 5.5.1 what is EHLO?\r\n" if verb == "EHLO" else None

    with smtp.Sink(answer=answer) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "helo", "a@client.test")
        culver.wait_event("done", id=ident)
        assert any(c.startswith("HELO") for _, c in sink.commands)


def test_mail_of_another_route_does_not_wait(culver):
    """A dead next hop does not hold up the mailboxes."""
    culver.relay_to(peers.free_port()).start()
    for n in range(50):
        submit(culver, [f"x{n}@remote.test"], f"stuck{n}", "a@client.test")
    start = time.monotonic()
    ident = submit(culver, [culver.address], "quick", "a@client.test")
    culver.wait_event("done", 5, id=ident)
    assert time.monotonic() - start < 5
