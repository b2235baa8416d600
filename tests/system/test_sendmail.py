"""sendmail(1), mailq(1) and who may see what: local users and the socket `submission`."""

import os
import re
import socket
import subprocess

import pytest

import accounts
import mail
import peers
import smtp

LETTER = b"Subject: hello\nX-Tag: %s\n\nfirst line\n.leading dot\nlast line\n"


def caller(culver):
    """Who sends in this mode: an ordinary user."""
    return culver.place.users[0]


def send(culver, *words, letter=None, check=0, entry=None, tag="t"):
    """sendmail with these words as an ordinary user."""
    letter = LETTER % tag.encode() if letter is None else letter
    return culver.named("sendmail", *words, input=letter, check=check, entry=entry or caller(culver))


def only_letter(culver, count=1):
    """The letters of the first user, when that many have come."""
    culver.wait_event("done", count=count)
    letters = culver.maildir().letters()
    assert len(letters) == count
    return letters[-1]


def header(letter):
    return letter.split(b"\n\n", 1)[0]


def body(letter):
    return letter.split(b"\n\n", 1)[1]


def test_a_letter_arrives_complete(culver):
    culver.replaced["origin"] = "local.test"
    culver.start()
    send(culver, "-i", culver.user)
    letter = only_letter(culver)
    uid = caller(culver).pw_uid
    assert f"(uid {uid})".encode() in header(letter)
    assert b"with LOCAL id" in header(letter)
    assert f"Return-Path: <{culver.address}>".encode() in header(letter)
    for field in (b"Date: ", b"Message-ID: <", f"From: {culver.address}".encode()):
        assert re.search(rb"^" + re.escape(field), header(letter), re.M), field
    assert body(letter) == b"first line\n.leading dot\nlast line\n"
    queued = culver.events("queued")[0]
    assert queued["origin"] == "local" and queued["uid"] == str(uid)


def test_what_is_there_is_not_added(culver):
    culver.start()
    send(culver, culver.address, letter=b"From: Me <me@elsewhere.test>\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n"
         b"Message-Id: <x@y>\r\n\r\nbody\r\n")
    top = header(only_letter(culver))
    for field in (b"from:", b"date:", b"message-id:"):
        assert top.lower().count(b"\n" + field) == 1, field


def test_recipients_from_the_header_and_bcc_removed(culver):
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        send(culver, "-t", letter=b"To: One <one@remote.test>, \"Two, the second\"\n <two@remote.test>\n"
             b"Cc: group: three@remote.test, (a (nested) comment) four@remote.test;\n"
             b"Bcc: five@remote.test\nSubject: x\n\nb\n")
        culver.wait_event("done")
        taken = sink.messages[0]
        assert sorted(taken.recipients) == sorted(f"{n}@remote.test" for n in ("one", "two", "three", "four", "five"))
        assert b"five" not in taken.content and b"Bcc" not in taken.content


def test_sender_and_name(culver):
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        send(culver, "-fother@client.test", "-FOther Person", "x@remote.test")
        send(culver, "-f", "<>", "y@remote.test")
        culver.wait_event("done", count=2)
        by = {m.recipients[0]: m for m in sink.messages}
        assert by["x@remote.test"].sender == "other@client.test"
        assert b'From: "Other Person" <other@client.test>\r\n' in by["x@remote.test"].content
        assert by["y@remote.test"].sender == ""


@pytest.mark.parametrize("dots, expected", [((), b"before\n"), (("-i",), b"before\n.\nafter\n"), (("-oi",), b"before\n.\nafter\n")])
def test_a_dot_alone_ends_unless_told(culver, dots, expected):
    culver.start()
    send(culver, *dots, culver.address, letter=b"Subject: x\n\nbefore\n.\nafter\n")
    assert body(only_letter(culver)) == expected


def test_a_letter_without_header_or_line_end(culver):
    culver.start()
    send(culver, culver.address, letter=b"just text\nno line end")
    assert body(only_letter(culver)) == b"just text\nno line end\n"


def test_a_big_letter(culver):
    culver.start()
    text = b"".join(b"%07d " % n + b"x" * 60 + b"\n" for n in range(150000))
    send(culver, "-i", culver.address, letter=b"Subject: big\n\n" + text)
    assert body(only_letter(culver)) == text


def test_statuses(culver):
    culver.start()
    assert send(culver, check=64).stderr
    send(culver, "-Z", check=64)
    send(culver, "-bz", check=64)
    send(culver, "-t", check=65)
    send(culver, "-t", letter=b"To: a b c\n\nx\n", check=65)
    refused = send(culver, "no-such-user-here@local.test", culver.address, check=67)
    assert b"no-such-user-here" in refused.stderr and b"550" in refused.stderr
    send(culver, culver.address, letter=b"Subject: x\n\n" + b"nul \0 here\n", check=65)
    assert not culver.events("queued")
    # options of other programs, that say nothing here
    send(culver, "-oem", "-odi", "-B8BITMIME", "-Am", "-G", "-h", "5", "-m", "-n", "-U", "--", culver.address)
    only_letter(culver)


def test_stopped_is_75_at_once(culver):
    culver.write()
    send(culver, culver.address, check=75)
    done = culver.named("sendmail", "-bs", input=b"", check=75, entry=caller(culver))
    assert done.stdout.startswith(b"421 ")
    assert culver.named("mailq", entry=caller(culver)).returncode == 69


def test_smtp_on_standard_input(culver):
    culver.start()
    talk = (f"EHLO x\r\nMAIL FROM:<me>\r\nRCPT TO:<{culver.address}>\r\nDATA\r\n").encode()
    # DATA ends a group of commands: what follows must wait for its answer, so this caller is one that does
    ours = subprocess.Popen(
        [*(peers.as_user(caller(culver))), os.path.join(culver.place.folder, "names", "sendmail"), "-bs"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**culver.environment(), "CULVER_RUNTIME": culver.runtime})
    try:
        assert ours.stdout.readline().startswith(b"220 ")
        ours.stdin.write(b"EHLO x\r\n")
        ours.stdin.flush()
        while not ours.stdout.readline().startswith(b"250 "):
            pass
        for line, code in ((talk.split(b"\r\n")[1], b"250"), (talk.split(b"\r\n")[2], b"250"), (b"DATA", b"354"),
                           (b"Subject: s\r\n\r\nhi\r\n.", b"250"), (b"QUIT", b"221")):
            ours.stdin.write(line + b"\r\n")
            ours.stdin.flush()
            assert ours.stdout.readline().startswith(code), line
    finally:
        ours.stdin.close()
        assert ours.wait(20) == 0
        ours.stdout.close()
    assert body(only_letter(culver)) == b"hi\n"


def test_newaliases_says_so(culver):
    culver.write()
    assert culver.named("newaliases", check=0, entry=caller(culver)).stdout
    assert culver.named("sendmail", "-bi", check=0, entry=caller(culver)).stdout


# ---- mailq ----

def parse(text):
    """What the programs in the world read out of it: {id: (status, size, sender, [(recipient, reason)])} and the sum."""
    lines = text.split("\n")
    if lines == ["Mail queue is empty", ""]:
        return {}, None
    assert re.fullmatch(r"-+Queue ID-+ +--Size-- -+Arrival Time-+ -+Sender/Recipient-+", lines[0])
    queue, at, reason = {}, None, ""
    for line in lines[1:-2]:
        found = re.fullmatch(r"([0-9A-F]+)([*!]?) +(\d+) ([A-Z]\w\w [A-Z]\w\w [ \d]\d \d\d:\d\d:\d\d) +(\S+)", line)
        if found:
            at = queue.setdefault(found[1], (found[2], int(found[3]), found[5], []))
            reason = ""
        elif re.fullmatch(r" *\(.*\)", line):
            reason = line.strip()[1:-1]
        elif line:
            at[3].append((line.strip(), reason))
    total = re.fullmatch(r"-- (\d+) Kbytes in (\d+) Requests?\.", lines[-2])
    assert total, lines[-2]
    return queue, (int(total[1]), int(total[2]))


def test_mailq_prints_what_postfix_prints(culver):
    culver.outbound.append("retry 1h 1h")
    culver.relay_to(peers.free_port()).start()
    assert culver.named("mailq", check=0).stdout == b"Mail queue is empty\n"
    send(culver, "x@remote.test", "y@remote.test")
    one = culver.wait_event("deferred", to="x@remote.test")["id"]
    culver.wait_event("deferred", to="y@remote.test")
    send(culver, "-f", "", "z@remote.test")
    two = culver.wait_event("deferred", to="z@remote.test")["id"]
    culver.command("queue", "hold", two, check=0)
    text = culver.named("mailq", check=0).stdout.decode()
    queue, total = parse(text)
    assert set(queue) == {one, two} and total[1] == 2
    assert queue[one][0] == "" and queue[two][0] == "!"
    assert queue[two][2] == "MAILER-DAEMON"
    assert {r for r, _ in queue[one][3]} == {"x@remote.test", "y@remote.test"}
    assert all(reason for _, reason in queue[one][3])
    # column by column, as Postfix's own source lays long queue ids out
    assert text.splitlines()[0] == "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------"
    for line in text.splitlines():
        if line.startswith(one):
            assert line[17] == " " and line[26] == " " and line[46] == " "
    assert "\n" + " " * 47 + "x@remote.test\n" in text


def test_the_sum_of_another_listing_is_read_alike(data):
    """The parser above reads real listings, too: so what it finds in ours means something."""
    for name in ("mackerel-plugin-postqueue/postqueue_output.txt", "pymailq/mailq.sample"):
        with open(os.path.join(data, "queue-listings", name), encoding="utf-8") as file:
            text = file.read().rstrip("\n") + "\n"
        if not re.search(r"^-- \d+ Kbytes in \d+ Requests?\.$", text, re.M):
            text += "-- 1 Kbytes in 1 Request.\n"
        queue, _ = parse(text)
        assert len(queue) > 3
        assert all(recipients for _, _, _, recipients in queue.values())


# ---- whose is what ----

def test_users_see_only_their_own(culver):
    if culver.place.mode != "root":
        pytest.skip("there is no second user in this mode")
    culver.outbound.append("retry 1h 1h")
    culver.relay_to(peers.free_port()).start()
    ann, bob = culver.place.users[:2]
    send(culver, "x@remote.test", entry=ann)
    hers = culver.wait_event("deferred")["id"]
    send(culver, "y@remote.test", entry=bob)
    his = culver.wait_event("deferred", to="y@remote.test")["id"]
    for listing in (lambda who: culver.named("mailq", entry=who).stdout.decode(),
                    lambda who: culver.command("queue", entry=who).stdout):
        assert hers in listing(ann) and his not in listing(ann)
        assert his in listing(bob) and hers not in listing(bob)
        assert hers in listing(None) and his in listing(None)
    assert culver.command("queue", "show", hers, entry=ann).returncode == 0
    assert culver.command("queue", "show", hers, entry=bob).returncode == 1
    assert "deferred" in culver.command("trace", hers, entry=ann).stdout
    assert culver.command("trace", hers, entry=bob).returncode == 1
    assert culver.command("queue", "hold", hers, entry=ann).returncode == 1
    assert culver.command("queue", "remove", "all", entry=bob).returncode == 0
    culver.wait_event("removed", id=his)
    assert hers in culver.command("queue", check=0).stdout


def test_nobody_else_speaks_for_a_user(culver):
    """The network's door takes no word for a uid, and the session of a user says the one that the kernel told."""
    culver.start()
    send(culver, culver.address)
    assert culver.wait_event("accepted")["client"] == f"uid:{caller(culver).pw_uid}"
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("net")), 250)
    culver.wait_event("done", count=2)
    assert culver.events("queued", origin="network")[0].get("uid") is None


def test_relaying_is_for_local_users(culver):
    with smtp.Sink() as sink:
        culver.general.append("relay-from 192.0.2.0/24")
        culver.relay_to(sink.port).start()
        send(culver, "x@remote.test")
        culver.wait_event("done")
        with culver.smtp() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@client.test>", 250)
            client.command("RCPT TO:<x@remote.test>", 550)
        assert len(sink.messages) == 1


def test_hostile_bytes_at_the_submission_socket(culver):
    culver.start()

    def throw():
        for data in (b"\0" * 100000, b"EHLO\r\n" * 5000, os.urandom(65536)):
            ours = socket.socket(socket.AF_UNIX)
            ours.settimeout(10)
            ours.connect(os.path.join(culver.runtime, "submission"))
            try:
                ours.sendall(data)
                while ours.recv(65536):
                    pass
            except (ConnectionError, socket.timeout):
                pass
            ours.close()

    accounts.call_as(caller(culver), throw)
    assert not culver.events("session-died")
    send(culver, culver.address)
    only_letter(culver)
