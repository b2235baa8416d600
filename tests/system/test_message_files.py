"""The message files of the optional data folder come out byte for byte as they went in, by each way that a message can leave.

One message for each file, in one transaction with a recipient for each way: a Maildir of ours, the next hop by DATA, a second Culver by
BDAT (which passes it on by BDAT again, so that its CRLFs are seen), and Dovecot by LMTP.  Sent with CRLF line ends, a missing last one
added.  What holds a NUL or a CR alone gets the answer that smtpd(8) names, and nothing of it is taken.
"""

import collections
import os
import re

import pytest

import mail
import smtp
from culver import block
from test_lmtp import dovecot  # noqa: F401  (a fixture)

# what stands beside the messages: verdicts, licences, parts that a parser should find, and the configuration of whole cases
NO_MESSAGES = re.compile(r"\.(json|xml|out|md|expected)$|(^|/)(LICENSE|COPYING)|_decoded_\d|^mox/importtest\.maildir/dovecot-keywords$"
                         r"|^chasquid/[^/]+/(?!content$|from_._to_.$)")
WAYS = ("maildir", "data", "bdat", "lmtp")
CHUNKING = ("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES", "CHUNKING")
# smtpd(8), "Replies"
REFUSALS = {"550 5.6.0": "a NUL", "550 5.6.11": "a CR alone"}
LEAST = 380  # messages of the folder; fewer are a folder that has lost some
DONE_S = 300


def files(folder):
    """[(name below the folder, content as it is sent)] of each message; how many files are none."""
    found, others = [], 0
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            short = os.path.relpath(path, folder)
            if NO_MESSAGES.search(short):
                others += 1
                continue
            with open(path, "rb") as file:
                content = re.sub(rb"(?<!\r)\n", b"\r\n", file.read())
            found.append((short, content if content.endswith(b"\r\n") else content + b"\r\n"))
    return sorted(found), others


def documented(content):
    """The answer of smtpd(8) to that content; None: it is taken."""
    if re.search(rb"\r(?!\n)|(?<!\r)\n", content):
        return "550 5.6.11"
    return "550 5.6.0" if b"\0" in content else None


def deliver_all(instance, messages, addresses):
    """Sends them over one connection; {number: reply} of those that were refused."""
    refused = {}
    with instance.smtp() as client:
        client.ehlo()
        for number, (_, content) in enumerate(messages):
            reply = client.message("a@client.test", addresses(number), content, "" if content.isascii() else "BODY=8BITMIME")
            if reply.code != 250:
                refused[number] = reply
    return refused


def by_number(letters):
    """{number: [content]} of letters that name their recipient on top."""
    found = collections.defaultdict(list)
    for letter in letters:
        found[int(re.search(rb"^Delivered-To: <?[^+\n]*\+(\d+)@", letter, re.M)[1])].append(letter)
    return found


def of_sink(sink):
    """The same of a next hop."""
    found = collections.defaultdict(list)
    for message in sink.messages:
        for recipient in message.recipients:
            found[int(re.search(r"\+(\d+)@", recipient)[1])].append(message.content)
    return found


def parting(have, wanted):
    """Why these are not the one content that was sent; None when they are."""
    if len(have) != 1:
        return f"{len(have)} arrived"
    if not have[0].endswith(wanted):
        return mail.difference(have[0], wanted)
    top = have[0][:len(have[0]) - len(wanted)]
    # what was put on top is whole header fields, so that nothing of the content was taken for one
    return None if re.fullmatch(rb"([A-Za-z-]+:[^\n]*\n([ \t][^\n]*\n)*)+", top) else f"on top stands {top!r}"


def test_each_message_file_by_each_way(culver, make_culver, dovecot, data):  # noqa: F811
    messages, others = files(os.path.join(data, "messages"))
    if not messages:
        pytest.skip("the data folder has no messages")
    second = make_culver()
    with smtp.Sink() as plain, smtp.Sink(extensions=CHUNKING) as chunked:
        second.relay_to(chunked.port).start()
        with second.smtp() as client:
            assert "CHUNKING" in client.ehlo()
        culver.limit += ["commands 100000", "errors 1000"]
        culver.general += [block("route second.test", [f"smtp 127.0.0.1:{second.port}"]),
                           block("route box.test", [f"lmtp 127.0.0.1:{dovecot.port}"])]
        culver.relay_to(plain.port).start()
        refused = deliver_all(culver, messages, lambda n: [
            f"{culver.user}+{n}@local.test", f"x+{n}@remote.test", f"x+{n}@second.test", f"ann+{n}@box.test"])
        wrong = [f"{name}: {reply} instead of {documented(content) or '250'}" for number, (name, content) in enumerate(messages)
                 for reply in [refused.get(number)] if (reply and f"{reply.code} {reply.status}") != documented(content)]
        assert not wrong, "\n".join(wrong)
        taken = len(messages) - len(refused)
        culver.wait_event("done", DONE_S, count=taken)
        second.wait_event("done", DONE_S, count=taken)
        came = {"maildir": by_number(culver.maildir().letters()), "data": of_sink(plain), "bdat": of_sink(chunked),
                "lmtp": by_number(dovecot.letters("ann"))}
    verbs = {sink: collections.Counter(line.split()[0] for _, line in sink.commands) for sink in (plain, chunked)}
    assert (verbs[plain]["BDAT"], verbs[chunked]["DATA"]) == (0, 0), "a way that is another"
    assert (verbs[plain]["DATA"], verbs[chunked]["BDAT"]) == (taken, taken)
    told = collections.Counter(f"{reply.code} {reply.status}" for reply in refused.values())
    print(f"{len(messages)} message files ({others} files beside them are none), {taken} taken, refused as documented: "
          + (", ".join(f"{REFUSALS[what]} {count}" for what, count in told.items()) or "none"))
    for way in WAYS:
        parted = {}
        for number, (name, content) in enumerate(messages):
            if number in refused:
                assert number not in came[way], f"{name}: refused, and come by {way}"
                continue
            why = parting(came[way][number], mail.lf(content) if way in ("maildir", "lmtp") else content)
            if why:
                parted[name] = why
        print(f"{way}: {taken - len(parted)} of {taken} byte for byte" + "".join(f"\n    {n}: {w}" for n, w in parted.items()))
        wrong += [f"{way}: {name}: {why}" for name, why in parted.items()]
    assert not wrong, "\n".join(wrong)
    assert len(messages) >= LEAST
