"""Our mailq beside the real postqueue -p, over queues of the same messages: the same bytes, where the facts are the same.

What may differ is put aside first, and named: ids (Postfix's have other letters), sizes (each counts its own Received line)
and times; the order of messages (Postfix lists queue by queue and within one as the folder has them, we by id); and the words of
a reason (Postfix: who said it, before, and to which command, behind; we: who, behind).  Postfix has its long queue ids on, since ours are long: its
layout for short ones is another.
"""

import re
import threading

import pytest

import mail
import peers
import postfix
import smtp

LATER, OTHER = "450 4.2.0 come back", "451 4.7.1 not yet, please"
OUR_REASON = r"(.*) \(127\.0\.0\.1\[127\.0\.0\.1\]:\d+\)"
POSTFIX_REASON = r"host 127\.0\.0\.1\[127\.0\.0\.1\] said: (.*) \(in reply to RCPT TO command\)"

# sender: (recipients, size); recipients are in the order in which Postfix asks for them, by domain and name
MESSAGES = {
    "deferred@client.test": (["b-later@a.test", "c-other@a.test", "d-later@a.test", "a-later@b.test"], 3000),
    "": (["later@a.test"], 2_000_000),
    "held@client.test": (["a-later@a.test", "b-other@a.test"], 5000),
    # the first is told while the others wait: no reason is known of those
    "slow@client.test": (["a-later@a.test", "b-slow@a.test", "c-slow@a.test"], 7000),
}


class Hop:
    """The next hop of both: it defers with one of two reasons, or says nothing until told."""

    def __init__(self):
        self.go = threading.Event()
        self.asked = threading.Semaphore(0)
        self.sink = smtp.Sink(answer=self._answer)

    def _answer(self, verb, argument, _default):
        if verb != "RCPT":
            return None
        if "slow" in argument:
            self.asked.release()
            self.go.wait(smtp.REPLY_S)
        return f"{OTHER if 'other' in argument else LATER}\r\n".encode()

    def wait_asked(self):
        """Until somebody waits for an answer about a slow recipient."""
        assert self.asked.acquire(timeout=smtp.REPLY_S)

    def __enter__(self):
        self.sink.start()
        return self

    def __exit__(self, *_):
        self.go.set()
        self.sink.stop()


def fill(port, kind):
    """The same messages for both; what their replies were."""
    replies = {}
    with smtp.Client(port) as client:
        client.ehlo()
        for sender, (recipients, size) in MESSAGES.items():
            replies[sender] = client.message(sender, recipients, mail.small(f"mailq-{kind}", size), pipeline=False)
            smtp.check(replies[sender], 250)
    return replies


def normal(text, reason):
    """{sender: its lines}, the first line and the last, without what may differ; columns stay where they are."""
    lines = text.split("\n")
    assert lines[-1] == "" and lines[-3] == ""
    blocks, total = {}, 0
    for block in "\n".join(lines[1:-3]).split("\n\n"):
        first, *rest = block.split("\n")
        assert [first[at] for at in (17, 26, 46)] == [" "] * 3, first
        ident = re.fullmatch(r"[0-9A-Za-z]+([*!]?) *", first[:17])
        size = re.fullmatch(r" *(\d+)", first[18:26])
        assert ident and size and re.fullmatch(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d", first[27:46]), first
        total += int(size[1])
        blocks[first[47:]] = [ident[1], *(plain(line, reason) for line in rest)]
    sum_line = re.fullmatch(r"-- (\d+) Kbytes in (\d+) Requests?\.", lines[-2])
    assert sum_line and int(sum_line[1]) == total // 1024, f"{total} bytes: {lines[-2]}"
    return lines[0], blocks, lines[-2].replace(sum_line[1], "N", 1)


def plain(line, reason):
    """A reason's line, padded to the same column as before, with the bare reply in it; others as they are."""
    found = re.fullmatch(r"( *)\((.*)\)", line)
    if not found:
        return line
    said = re.fullmatch(f"{reason}|(reason unavailable)", found[2])
    assert said, line
    assert len(found[1]) == max(0, 76 - len(found[2])), f"padding of {line!r}"
    return f"({said[1] or said[2]})"


@pytest.fixture
def hop():
    """Ended, and everybody answered, whatever happens."""
    with Hop() as hop:
        yield hop


@pytest.fixture
def other(hop):
    """A Postfix with the same next hop."""
    try:
        with postfix.Postfix(hop.sink.port) as server:
            yield server
    except peers.Unavailable as reason:
        pytest.skip(str(reason))


def test_mailq_and_postqueue_print_the_same(culver, hop, other):
    culver.outbound.append("retry 1h 1h")
    culver.relay_to(hop.sink.port).start()
    ours = lambda: culver.named("mailq", check=0).stdout.decode()  # noqa: E731
    theirs = lambda: other.postqueue("-p").decode()  # noqa: E731
    assert ours() == theirs() == "Mail queue is empty\n"

    # one message alone: "1 Request", which has no s
    for port in (other.port, culver.port):
        with smtp.Client(port) as client:
            client.ehlo()
            smtp.check(client.message("alone@client.test", ["later@a.test"], mail.small("alone"), pipeline=False), 250)
    culver.wait_event("deferred")
    other.wait_log("status=deferred")
    assert normal(ours(), OUR_REASON) == normal(theirs(), POSTFIX_REASON)

    held = {kind: fill(port, kind)["held@client.test"] for kind, port in (("ours", culver.port), ("theirs", other.port))}
    for _ in ("ours", "theirs"):
        hop.wait_asked()
    deferred = 1 + sum("slow" not in to for recipients, _ in MESSAGES.values() for to in recipients)
    culver.wait_event("deferred", count=deferred)
    other.wait_log("status=deferred", count=deferred)
    culver.command("queue", "hold", culver.accepted_id(held["ours"]), check=0)
    other.postsuper("-h", held["theirs"].text.split()[-1])
    mine, real = normal(ours(), OUR_REASON), normal(theirs(), POSTFIX_REASON)
    assert {sender: lines[0] for sender, lines in real[1].items()} == {
        "alone@client.test": "", "deferred@client.test": "", "MAILER-DAEMON": "", "held@client.test": "!", "slow@client.test": "*"}
    assert "(reason unavailable)" in real[1]["slow@client.test"]
    for sender, lines in real[1].items():
        assert mine[1][sender] == lines
    assert mine == real
