"""Budgets: who floods is held, told of it once, and delays nobody; what is held leaves by command and when there is room."""

import glob
import json
import os
import re
import time

import mail
import smtp

LETTER = b"Subject: budget\nX-Tag: %s\n\ntext\n"


def caller(culver):
    return culver.place.users[0]


def send(culver, tag, *words, entry=None):
    culver.named("sendmail", "-i", *words, input=LETTER % tag.encode(), check=0, entry=entry or caller(culver))


def tags(culver):
    """Of the letters that have arrived, but for notices, in order of name."""
    found = [re.search(rb"^X-Tag: (\w+)", letter, re.M) for letter in culver.maildir().letters() if b"Return-Path: <>" not in letter]
    return sorted(tag[1].decode() for tag in found if tag)


def notices(box):
    return [letter for letter in box.letters() if b"Return-Path: <>" in letter]


def used(culver, uid, **options):
    rows = [json.loads(line) for line in culver.command("budget", "--json", check=0, **options).stdout.splitlines()]
    return {row["sender"]: row for row in rows}.get(f"uid:{uid}")


def with_budget(culver, *lines):
    culver.replaced["origin"] = "local.test"
    uid = caller(culver).pw_uid
    culver.general += [f"budget {uid} {{", *(f"    {line}" for line in lines), "}"]
    return uid


def test_a_flood_is_held_and_nobody_else(culver):
    uid = with_budget(culver, "messages 3/hour 100/day")
    culver.start()
    for n in range(8):
        send(culver, f"flood{n}", culver.address)
    culver.wait_event("held", count=5)
    held = culver.events("held")
    assert len(held) == 5 and all(event["reason"].startswith("over budget: ") for event in held)
    assert held[0]["reason"] == "over budget: 3 messages an hour"
    # another's mail is not delayed
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("other")), 250)
    if culver.place.mode == "root":
        send(culver, "neighbour", culver.address, entry=culver.place.users[1])
        culver.wait_event("queued", uid=str(culver.place.users[1].pw_uid))
    more = 1 if culver.place.mode == "root" else 0
    # 3 of the flood, other, the notice to two, perhaps the neighbour's
    culver.wait_event("done", count=5 + more)
    assert len(culver.events("held")) == 5
    assert [tag for tag in tags(culver) if tag.startswith("flood")] == ["flood0", "flood1", "flood2"]
    assert not more or "neighbour" in tags(culver)
    # told once, to him and to the postmaster
    assert len(culver.events("over-budget", sender=f"uid:{uid}")) == 1
    told = notices(culver.maildir())[0]
    assert b"Status: 4.7.28" in told and b"3 messages an hour" in told and b"is held" in told
    notice, = culver.events("queued", origin="notice")
    assert {event["to"] for event in culver.events("delivered", id=notice["id"])} == {culver.address, "postmaster@local.test"}
    assert len(notices(culver.maildir())) + len(notices(culver.root_mail()) if culver.place.mode == "root" else []) == 2
    # who may see it, and what
    row = used(culver, uid)
    assert (row["messages"]["hour"], row["messages"]["hour_max"], row["messages"]["day_max"], row["held"]) == (3, 3, 100, 5)
    assert row["recipients"]["day"] == 3 and row["bytes"]["day"] > 0 and row["bytes"]["day_max"] == 0
    text = culver.command("budget", check=0).stdout
    assert "3/3" in text and caller(culver).pw_name in text
    if culver.place.mode == "root":
        assert used(culver, uid, entry=caller(culver))["held"] == 5
        assert used(culver, uid, entry=culver.place.users[1]) is None
        assert used(culver, culver.place.users[1].pw_uid, entry=culver.place.users[1])["held"] == 0
    listed = culver.command("queue", check=0).stdout
    assert "3 messages an hour" in listed
    # by one command
    ids = [event["id"] for event in held]
    culver.command("queue", "release", ids[0], check=0)
    culver.wait_event("done", id=ids[0])
    assert used(culver, uid)["messages"]["hour"] == 4
    culver.command("queue", "release", f"user={uid}", check=0)
    for one in ids:
        culver.wait_event("done", id=one)
    assert [tag for tag in tags(culver) if tag.startswith("flood")] == [f"flood{n}" for n in range(8)]
    assert used(culver, uid)["held"] == 0


def test_the_count_is_kept_over_restarts(culver):
    uid = with_budget(culver, "messages 2/hour")
    culver.start()
    send(culver, "a0", culver.address)
    send(culver, "a1", culver.address)
    culver.wait_event("done", count=2)
    culver.stop()
    culver.start()
    assert used(culver, uid)["messages"]["hour"] == 2
    send(culver, "a2", culver.address)
    culver.wait_event("held")
    culver.wait_event("notified")
    # a kill changes nothing: it is held, and nobody is told again
    mark = culver.mark()
    culver.kill(culver.pid("queue-manager"))
    culver.wait_event("replayed", since=mark)
    send(culver, "a3", culver.address)
    culver.wait_event("held", since=mark)
    assert used(culver, uid)["held"] == 2 and used(culver, uid)["messages"]["hour"] == 2
    assert tags(culver) == ["a0", "a1"]
    assert len(culver.events("over-budget")) == 1
    # the hour is over: what was counted is gone, and what is held leaves by itself
    culver.stop()
    for path in glob.glob(os.path.join(culver.spool, "budget.*")):
        os.unlink(path)
    culver.start()
    culver.wait_event("released", count=2)
    deadline = time.monotonic() + 60
    while tags(culver) != ["a0", "a1", "a2", "a3"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert used(culver, uid)["held"] == 0


def test_a_greater_budget_lets_go_at_a_reload(culver):
    uid = with_budget(culver, "recipients 2/day", "bytes 1M/hour")
    culver.start()
    send(culver, "wide", culver.address, f"{culver.user}+a@local.test", f"{culver.user}+b@local.test", f"{culver.user}+c@local.test")
    culver.wait_event("held", reason="over budget: 2 recipients a day")
    send(culver, "small", culver.address)  # what never fits delays nobody
    culver.wait_event("delivered", to=culver.address)
    culver.general[-3] = "    recipients 200/day"
    culver.write()
    culver.command("reload", check=0)
    culver.wait_event("released")
    culver.wait_event("delivered", to=f"{culver.user}+c@local.test")
    assert used(culver, uid)["recipients"]["day"] >= 4


def test_a_letter_larger_than_the_budget_waits_for_the_administrator(culver):
    uid = with_budget(culver, "bytes 2K/hour")
    culver.start()
    culver.named("sendmail", "-i", culver.address, input=b"Subject: big\nX-Tag: big\n\n" + b"x" * 900 + b"\n" + b"y" * 900 +
                 b"\n" + b"z" * 900 + b"\n", check=0, entry=caller(culver))
    culver.wait_event("held", reason="over budget: 2K bytes an hour")
    send(culver, "little", culver.address)
    culver.wait_event("done", count=2)  # that, and the notice
    assert "little" in tags(culver)
    assert used(culver, uid)["held"] == 1
    culver.command("queue", "release", "all", check=0)
    culver.wait_event("released")
    deadline = time.monotonic() + 60
    while "big" not in tags(culver):
        assert time.monotonic() < deadline
        time.sleep(0.05)
