"""postqueue, postsuper and postcat: called and read as the scripts of the world call and read Postfix's."""

import json
import os
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
    header = culver.named("postcat", "-h", "-q", one, check=0).stdout
    body = culver.named("postcat", "-bq", one, check=0).stdout
    both = culver.named("postcat", "-bhq", one, check=0).stdout
    assert b"\nSubject: " in header and b"sender:" not in header and b"\n\n*** HEADER" in header
    assert b"Subject: " not in body and b"\n\n" not in body
    first, last = b"*** MESSAGE CONTENTS %s ***\n" % one.encode(), b"*** HEADER EXTRACTED"
    assert both == first + header[len(first):header.index(last)] + body[len(first):]
    assert culver.named("postcat", "-q", "0123456789ABC").returncode == 1
    assert b"usage" in culver.named("postcat", one).stderr


def test_stopped_is_said(culver):
    culver.write()
    for words in (["postqueue", "-p"], ["postqueue", "-f"], ["postsuper", "-d", "ALL"]):
        assert culver.named(*words).returncode == 69


def test_an_empty_queue_is_no_failure(culver):
    culver.start()
    for words in (["sendmail", "-q"], ["postqueue", "-f"], ["sendmail", "-q15m"]):
        done = culver.named(*words, check=0)
        assert done.stdout == b"" and done.stderr == b""
    assert culver.named("postqueue", "-j", check=0).stdout == b""
    assert culver.named("postsuper", "-d", "ALL", check=0).stderr == b""


def test_postconf_reads(culver):
    culver.replaced["origin"] = "local.test"
    culver.general += ["relay-from 192.0.2.0/24 [2001:db8::]/32", "domain backup.test {\n    relay 127.0.0.1:2526\n}"]
    culver.limit.append("message-size 20M")
    culver.relay_to(2525).write()

    def postconf(*words, check=0):
        return culver.named("postconf", "-c", culver.folder, *words, check=check)

    assert postconf("-h", "queue_directory").stdout.decode() == culver.spool + "\n"
    lines = dict(line.split(" = ", 1) for line in postconf().stdout.decode().splitlines())
    assert lines["myorigin"] == "local.test" and lines["message_size_limit"] == str(20 << 20)
    assert lines["mynetworks"] == "192.0.2.0/24 [2001:db8::]/32" and lines["relayhost"] == "[127.0.0.1]:2525"
    assert "local.test" in lines["mydestination"].split(", ") and lines["relay_domains"] == "backup.test"
    assert lines["mail_version"].startswith("Culver ") and lines["recipient_delimiter"] == "+"
    assert postconf("-n", "myorigin").stdout == b"myorigin = local.test\n"
    assert b"unknown parameter" in postconf("smtpd_banner", check=1).stderr
    assert b"it only reads" in postconf("-e", "myorigin=x", check=1).stderr


def test_postmap_and_postalias_ask_text_tables(culver):
    culver.write()
    table, aliases = (os.path.join(culver.folder, name) for name in ("table", "names"))
    with open(table, "w", encoding="ascii") as file:
        file.write("# a comment\nann@x.test   ann\nbob@x.test bob,\n\n  carl\n@y.test nobody\n")
    with open(aliases, "w", encoding="ascii") as file:
        file.write("postmaster: root\nList:  a@x.test,\n\tb@x.test\n")
    ask = culver.named
    assert ask("postmap", "-q", "ANN@x.test", f"hash:{table}", check=0).stdout == b"ann\n"
    assert ask("postmap", "-q", "bob@x.test", table, check=0).stdout == b"bob,  carl\n"
    assert ask("postmap", "-q", "nobody@x.test", table, check=1).stdout == b""
    assert ask("postalias", "-q", "list", f"hash:{aliases}", check=0).stdout == b"a@x.test,\tb@x.test\n"
    assert ask("postmap", f"hash:{table}", check=0).stdout == b""
    assert ask("postalias", aliases, check=0).stdout == b""
    assert b"only text tables" in ask("postmap", "-q", "x", "ldap:/x", check=1).stderr
    assert ask("postmap", "/nowhere", check=1).stderr and ask("postmap", check=1).stderr


def test_qshape_counts_by_domain_and_age(queued):
    culver, one, _ = queued
    lines = culver.named("qshape", "deferred", check=0).stdout.decode().splitlines()
    assert lines[0].split() == ["T", "5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"]
    assert [line.split() for line in lines[1:]] == [[name, n, n, *"000000000"] for name, n in
                                                    (("TOTAL", "4"), ("one.test", "2"), ("two.test", "2"))]
    assert len({len(line) for line in lines}) == 1
    lines = culver.named("qshape", "-s", "deferred", "hold", check=0).stdout.decode().splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["TOTAL", "4"], ["client.test", "4"]]
    culver.named("postsuper", "-h", one, check=0)
    assert "one.test" not in culver.named("qshape", "deferred", check=0).stdout.decode()
    assert "one.test" in culver.named("qshape", "hold", check=0).stdout.decode()
    assert culver.named("qshape", check=0).stdout.decode().splitlines()[1].split()[:2] == ["TOTAL", "0"]
    assert culver.named("qshape", "corrupt").returncode == 1
