"""postqueue, postsuper and postcat: called and read as the scripts of the world call and read Postfix's."""

import json
import re

import pytest

import peers


@pytest.fixture
def queued(culver):
    """Two messages that wait, the second held: (culver, id, id)."""
    culver.outbound.append("retry 1h 1h")
    culver.relay_to(peers.free_port()).start()
    ids = []
    for name in ("one", "two"):
        culver.named("sendmail", "-i", "-f", "me@client.test", f"x@{name}.test", f"y@{name}.test", check=0,
                     entry=culver.place.users[0], input=b"Subject: hello\n\nbody\n.dot\n")
        for local in "xy":
            ids.append(culver.wait_event("deferred", to=f"{local}@{name}.test")["id"])
    return culver, ids[0], ids[2]


def listed(culver):
    """What postqueue -j says, by id."""
    out = culver.named("postqueue", "-j", check=0).stdout.decode()
    return {one["queue_id"]: one for one in map(json.loads, out.splitlines())}


def test_postqueue_lists_as_postfix_does(queued):
    culver, one, two = queued
    done = culver.named("postsuper", "-h", two, check=0)
    assert done.stderr.decode() == f"postsuper: {two}: placed on hold\npostsuper: Placed on hold: 1 message\n"
    queue = listed(culver)
    assert set(queue) == {one, two}
    assert set(queue[one]) == {"queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", "recipients"}
    assert queue[one]["queue_name"] == "deferred" and queue[two]["queue_name"] == "hold"
    assert queue[one]["sender"] == "me@client.test" and isinstance(queue[one]["arrival_time"], int)
    assert {r["address"] for r in queue[one]["recipients"]} == {"x@one.test", "y@one.test"}
    assert all(r["delay_reason"] for r in queue[one]["recipients"])
    assert culver.named("postqueue", "-p", check=0).stdout == culver.named("mailq", check=0).stdout


def test_postqueue_has_the_queue_tried(queued):
    culver, one, two = queued
    for words, wanted in ((["-i", one], [one]), (["-s", "two.test"], [two]), (["-f"], [one, two])):
        since = culver.mark()
        culver.named("postqueue", *words, check=0)
        for message in wanted:
            culver.wait_event("deferred", since=since, id=message)
    assert culver.named("postqueue", "-i", "nonsense").returncode == 1
    assert culver.named("postqueue").returncode == 1
    assert culver.named("postqueue", "-p", "-f").returncode == 1


def test_postsuper_acts_on_ids_queues_and_lists(queued):
    culver, one, two = queued
    done = culver.named("postsuper", "-h", "ALL", check=0)
    assert done.stderr == b"postsuper: Placed on hold: 2 messages\n"
    done = culver.named("postsuper", "-H", "-", input=f"{one}\nnonsense\n".encode(), check=0)
    assert f"postsuper: {one}: released from hold\n" in done.stderr.decode()
    assert b"warning: invalid mail queue id: nonsense" in done.stderr
    assert listed(culver)[two]["queue_name"] == "hold" and listed(culver)[one]["queue_name"] != "hold"
    done = culver.named("postsuper", "-d", "ALL", "hold", check=0)
    assert done.stderr == b"postsuper: Deleted: 1 message\n"
    assert set(listed(culver)) == {one}
    done = culver.named("postsuper", "-d", one, check=0)
    assert done.stderr.decode() == f"postsuper: {one}: removed\npostsuper: Deleted: 1 message\n"
    assert listed(culver) == {}
    assert culver.named("postsuper", "-Z").returncode == 1


def test_postcat_shows_a_message(queued):
    culver, one, _ = queued
    text = culver.named("postcat", "-q", one, check=0).stdout.decode()
    assert re.match(rf"\*\*\* ENVELOPE RECORDS deferred/{one} \*\*\*\nmessage_size: +\d+ ", text)
    assert "\nsender: me@client.test\n" in text and "\nrecipient: x@one.test\n" in text
    content = text.split(f"*** MESSAGE CONTENTS {one} ***\n")[1]
    assert content.endswith(f"Subject: hello\n\nbody\n.dot\n*** HEADER EXTRACTED {one} ***\n*** MESSAGE FILE END {one} ***\n")
    assert culver.named("postcat", "-q", "0123456789ABC").returncode == 1
    assert b"usage" in culver.named("postcat", one).stderr


def test_stopped_is_said(culver):
    culver.write()
    for words in (["postqueue", "-p"], ["postqueue", "-f"], ["postsuper", "-d", "ALL"]):
        assert culver.named(*words).returncode == 69
