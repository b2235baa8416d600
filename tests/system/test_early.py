"""Early delivery: 250 without an fsync, because everybody has the message already; and every rule of when not.

Where a test needs the wait, `early-delivery 15s` makes it long: what happens is decided by events, not by the clock.
"""

import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

import mail
import smtp

LONG = "early-delivery 15s"


def early(culver, *general, value="15s"):
    """The general line; the test's own lines come after it."""
    culver.replaced["early-delivery"] = value
    culver.general += general
    return culver


def send(culver, recipients, tag, sender="a@client.test", parameters=""):
    """One message; the reply to its data."""
    with culver.smtp() as client:
        client.ehlo()
        if not parameters:
            return client.message(sender, recipients, mail.small(tag))
        client.command(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            client.command(f"RCPT TO:<{recipient}> {parameters}", 250)
        client.command("DATA", 354)
        client.send(smtp.stuff(mail.small(tag)) + b".\r\n")
        return client.reply()


def told(culver, name, ident):
    """How many events of that name there are about the message by now."""
    return len(culver.events(name, id=ident))


def check_early(culver, reply):
    """Everything was said of the message before its 250, and nothing of it is left."""
    smtp.check(reply, 250)
    ident = culver.accepted_id(reply)
    # each program's lines come to the log by a way of their own: what counts is their time
    assert culver.wait_event("done", id=ident).time <= culver.wait_event("accepted", id=ident).time
    assert ident not in " ".join(culver.queue_files())
    return ident


def gate():
    """Two events: `waits` is set when the sink is about to answer the data, which it does once `go` is set."""
    waits, go = threading.Event(), threading.Event()

    def answer(verb, argument, default):
        if verb == ".":
            waits.set()
            assert go.wait(60)
        return None
    return waits, go, answer


def test_delivered_before_250(culver):
    """A relay: log as for queued mail, no file left."""
    with smtp.Sink() as sink:
        early(culver).relay_to(sink.port).start()
        ident = check_early(culver, send(culver, ["x@remote.test"], "one"))
        assert [mail.tag_of(m.content) for m in sink.messages] == ["one"]
        delivered = culver.wait_event("delivered", id=ident)
        assert delivered["to"] == "x@remote.test" and delivered["code"] == "250"
        for name in ("queued", "accepted", "delivered", "done"):
            assert told(culver, name, ident) == 1
        story = culver.command("trace", ident, check=0).stdout
        assert "x@remote.test" in story and "2.0.0 taken" in story


def test_several_messages_of_a_session(culver):
    """FINISHED of one is not taken for that of the next."""
    with smtp.Sink() as sink:
        early(culver).relay_to(sink.port).start()
        with culver.smtp() as client:
            client.ehlo()
            for number in range(20):
                check_early(culver, client.message("a@client.test", ["x@remote.test"], mail.small(f"n{number}")))
        assert [mail.tag_of(m.content) for m in sink.messages] == [f"n{number}" for number in range(20)]


def test_off_is_off(culver):
    """`off` for the route wins over the general line: the sink sees the message only after 250."""
    waits, go, answer = gate()
    with smtp.Sink(answer=answer) as sink:
        early(culver, f"route remote.test {{\n    smtp 127.0.0.1:{sink.port}\n    early-delivery off\n}}").start()
        reply = send(culver, ["x@remote.test"], "off")
        smtp.check(reply, 250)
        assert waits.wait(60)
        go.set()
        culver.wait_event("done", id=culver.accepted_id(reply))


def test_a_route_may_be_early_where_nothing_else_is(culver):
    """A line of the route wins over `off`."""
    with smtp.Sink() as sink:
        early(culver, f"route remote.test {{\n    smtp 127.0.0.1:{sink.port}\n    {LONG}\n}}", value="off").start()
        check_early(culver, send(culver, ["x@remote.test"], "route"))


def test_several_recipients_one_slow(culver):
    """Two places: the wait ends with the route's time, 250 all the same, and the slow one is delivered once."""
    waits, go, answer = gate()
    with smtp.Sink() as fast, smtp.Sink(answer=answer) as slow:
        early(culver, f"route fast.test {{\n    smtp 127.0.0.1:{fast.port}\n}}",
              f"route slow.test {{\n    smtp 127.0.0.1:{slow.port}\n    early-delivery 300ms\n}}").start()
        reply = send(culver, ["x@fast.test", "y@slow.test"], "two")
        smtp.check(reply, 250)
        ident = culver.accepted_id(reply)
        assert waits.wait(60)
        assert told(culver, "done", ident) == 0
        assert any(ident in name for name in culver.queue_files())
        go.set()
        culver.wait_event("done", id=ident)
        assert len(fast.messages) == len(slow.messages) == 1


def test_a_deferral_ends_the_wait(culver):
    """451 of the next hop: 250 of ours without waiting for the end of 15 s, then it goes its way."""
    moods = ["451 4.2.0 not now\r\n"]

    def answer(verb, argument, default):
        return moods.pop().encode() if verb == "." and moods else None

    with smtp.Sink(answer=answer) as sink:
        early(culver).relay_to(sink.port).start()
        reply = send(culver, ["x@remote.test"], "later")
        smtp.check(reply, 250)
        ident = culver.accepted_id(reply)
        deferred = culver.wait_event("deferred", id=ident)
        accepted = culver.wait_event("accepted", id=ident)
        assert accepted.time - deferred.time < 10
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["later"]


def refuse(verb, argument, default):
    """550 for whoever is called bad."""
    return b"550 5.1.1 no such user here\r\n" if verb == "RCPT" and "bad" in argument else None


def test_a_refusal_is_handed_back(culver):
    """All refused: the client hears it in the words of the next hop, nothing stays, no notice is made."""
    with smtp.Sink(answer=refuse) as sink:
        early(culver).relay_to(sink.port).start()
        reply = send(culver, ["bad@remote.test"], "refused", sender=culver.address)
        smtp.check(reply, 550)
        assert "5.1.1" in str(reply) and "no such user here" in str(reply)
        back = culver.wait_event("handed-back")
        refused = culver.wait_event("refused", session=back["session"])
        assert refused["to"] == "bad@remote.test" and refused["code"] == "550"
        culver.expect_empty_spool()
        assert not culver.events("notified") and not culver.maildir().letters()


def test_one_refused_one_taken_is_a_notice(culver):
    """Something was delivered: 250, and the sender is told of the other by a notice."""
    with smtp.Sink(answer=refuse) as sink:
        early(culver).relay_to(sink.port).start()
        reply = send(culver, ["bad@remote.test", "good@remote.test"], "mixed", sender=culver.address)
        smtp.check(reply, 250)
        notified = culver.wait_event("notified", id=culver.accepted_id(reply))
        culver.wait_event("done", id=notified["notice"])
        assert len(sink.messages) == 1 and not culver.events("handed-back")


def test_the_target_of_an_alias_is_not_revealed(culver):
    """The refusal of what an alias stands for is told in general words."""
    def answer(verb, argument, default):
        return b"551 5.1.6 secret@remote.test has moved\r\n" if verb == "RCPT" else None

    with smtp.Sink(answer=answer) as sink:
        culver.aliases = "front: secret@remote.test\n"
        early(culver).relay_to(sink.port).start()
        reply = send(culver, ["front@local.test"], "alias", sender=culver.address)
        smtp.check(reply, 550)
        assert not re.search(r"secret|remote\.test|moved|5\.1\.6", str(reply))
        culver.expect_empty_spool()


def test_success_to_be_told_is_not_early(culver):
    """NOTIFY=SUCCESS: the next hop sees the message only after 250."""
    waits, go, answer = gate()
    with smtp.Sink(answer=answer) as sink:
        early(culver).relay_to(sink.port).start()
        reply = send(culver, ["x@remote.test"], "success", sender=culver.address, parameters="NOTIFY=SUCCESS")
        smtp.check(reply, 250)
        assert waits.wait(60)
        go.set()
        culver.wait_event("notified", id=culver.accepted_id(reply))


def test_more_than_ten_recipients_are_not_early(culver):
    """Also when an alias made them."""
    waits, go, answer = gate()
    with smtp.Sink(answer=answer) as sink:
        culver.aliases = "many: " + ", ".join(f"r{number}@remote.test" for number in range(11)) + "\n"
        early(culver).relay_to(sink.port).start()
        reply = send(culver, ["many@local.test"], "many")
        smtp.check(reply, 250)
        assert waits.wait(60)
        go.set()
        culver.wait_event("done", id=culver.accepted_id(reply))


def test_our_own_address_is_not_early(culver):
    """A smarthost that is this system: 250 at once, no session waits for a session; the loop ends in a refusal."""
    early(culver).relay_to(culver.port).start()
    reply = send(culver, ["x@remote.test"], "self", sender=culver.address)
    smtp.check(reply, 250)
    ident = culver.accepted_id(reply)
    delivered = culver.wait_event("delivered", id=ident)
    accepted = culver.wait_event("accepted", id=ident)
    assert accepted.time <= delivered.time


def test_sessions_that_run_short_do_not_wait(culver):
    """Three of four sessions are not short; with the fourth nobody waits any more."""
    waits, go, answer = gate()
    with smtp.Sink(answer=answer) as sink:
        culver.limit.append("sessions 4")
        early(culver).relay_to(sink.port).start()
        idle = [culver.smtp() for _ in range(3)]
        try:
            reply = send(culver, ["x@remote.test"], "short")
            smtp.check(reply, 250)
            assert waits.wait(60)
        finally:
            go.set()
            for client in idle:
                client.close()
        culver.wait_event("done", id=culver.accepted_id(reply))


def test_the_client_leaves(culver):
    """It does not wait for the answer: the message is delivered once all the same, and nothing stays."""
    waits, go, answer = gate()
    with smtp.Sink(answer=answer) as sink:
        early(culver).relay_to(sink.port).start()
        client = culver.smtp()
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        client.command("RCPT TO:<x@remote.test>", 250)
        client.command("DATA", 354)
        client.send(smtp.stuff(mail.small("gone")) + b".\r\n")
        assert waits.wait(60)
        client.close()
        go.set()
        culver.wait_event("done")
        culver.expect_empty_spool()
        assert [mail.tag_of(m.content) for m in sink.messages] == ["gone"]


@pytest.mark.parametrize("victim", ["session", "queue-manager", "delivery", "all"])
def test_killed_between_the_next_hop_and_250(culver, victim):
    """Whatever dies while the next hop has the message: it is at the sink in the end, once or (RFC 1047) twice."""
    waits, go, answer = gate()
    with smtp.Sink(answer=answer) as sink:
        early(culver).relay_to(sink.port).start()
        client = culver.smtp()
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        client.command("RCPT TO:<x@remote.test>", 250)
        client.command("DATA", 354)
        client.send(smtp.stuff(mail.small("kill")) + b".\r\n")
        assert waits.wait(60)
        queued = culver.wait_event("queued")
        if victim == "all":
            culver.kill_all()
            go.set()
            culver.start()
        elif victim == "session":
            connected = culver.wait_event("connected")
            culver.kill(connected.pid)
            go.set()
        else:
            culver.kill(culver.pid(victim))
            go.set()
            if victim == "queue-manager":
                smtp.check(client.reply(), 250)  # QUEUED was had: fsync, 250
        client.close()
        culver.wait_event("done", id=queued["id"])
        culver.expect_empty_spool()
        assert {mail.tag_of(m.content) for m in sink.messages} == {"kill"} and len(sink.messages) <= 2


@pytest.fixture
def strace():
    """strace, or a skip."""
    found = shutil.which("strace")
    if not found:
        pytest.skip("no strace")
    return found


def syncs(culver, strace, action):
    """Every call by which a process of the instance brings something to the disk during action(): the names."""
    out = os.path.join(culver.logs, "strace")
    words = [strace, "-f", "-e", "trace=fsync,fdatasync,sync,syncfs,msync", "-o", out]
    for pid in sorted(pid for group in culver.pids().values() for pid in group):
        words += ["-p", str(pid)]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    for _ in range(words.count("-p")):
        assert "attached" in tracer.stderr.readline()
    try:
        action()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
        tracer.stderr.close()
    with open(out, encoding="ascii", errors="replace") as file:
        return re.findall(r"^\d+ +(\w*sync\w*)\(", file.read(), re.M)


@pytest.mark.parametrize("value,per_message", [("15s", 0), ("off", 1)])
def test_syncs_of_relayed_mail(culver, strace, value, per_message):
    """None with early delivery, one without."""
    def ten():
        with culver.smtp() as client:
            client.ehlo()
            for number in range(10):
                smtp.check(client.message("a@client.test", ["x@remote.test"], mail.small(f"n{number}")), 250)

    with smtp.Sink() as sink:
        early(culver, value=value).relay_to(sink.port).start()
        assert syncs(culver, strace, ten) == ["fsync"] * 10 * per_message
        culver.wait_event("done", count=10)
        culver.expect_empty_spool()


@pytest.mark.parametrize("value,per_message", [("15s", 1), ("off", 2)])
def test_syncs_of_a_maildir(culver, strace, value, per_message):
    """The mailbox brings its letter to the disk: with early delivery that is the only one."""
    def some():
        mark = culver.mark()
        with culver.smtp() as client:
            client.ehlo()
            for number in range(5):
                smtp.check(client.message("a@client.test", [culver.address], mail.small(f"n{number}")), 250)
        culver.wait_event("done", count=5, since=mark)

    early(culver, value=value).start()
    assert syncs(culver, strace, some) == ["fsync"] * 5 * per_message
    assert len(culver.maildir().letters()) == 5


def test_auto_loses_nothing(culver):
    """`auto`, the default: the first letter shows that the mailbox is quick, or that it is not; both ways nothing is lost."""
    early(culver, value="auto").start()
    for number in range(5):
        reply = send(culver, [culver.address], f"n{number}")
        smtp.check(reply, 250)
        culver.wait_event("done", id=culver.accepted_id(reply))
    assert sorted(map(mail.tag_of, culver.maildir().letters())) == [f"n{number}" for number in range(5)]
