"""The submission port: what a user's mail lacks is added, what is private goes if asked, authors are who they say, and a login has its budget."""

import email
import json
import os
import re
import smtplib
import subprocess

import pytest

import mail
import peers
import smtp
from culver import block
from test_auth import LOGIN, PASSWORD, log_in, prepare, user
from test_message_files import documented, files

CURL_MAIL = "To: somebody@else.test\r\nX-Tag: {}\r\n\r\ntext\r\n"
MARKS = [("Received", "from inside.test ([192.0.2.9]) by gateway.inside.test; Tue, 24 Nov 2026 08:00:00 +0000"),
         ("Bcc", "secret@else.test,\r\n\tother@else.test"), ("X-Originating-IP", "[192.0.2.7]"), ("User-Agent", "Example/1.0"),
         ("X-Mailer", "Example 2"), ("x-php-originating-script", "33:mail.php"), ("Resent-Bcc", "third@else.test")]


def letter(culver, tag):
    """The letter with that tag, parsed, once it has come."""
    return email.message_from_bytes(culver.maildir().one(tag))


def submit(culver, content, sender=LOGIN, login=LOGIN, expect=250):
    """Over a connection of its own; the answer, and the letter's id."""
    with log_in(culver, login) as client:
        reply = client.message(sender, [culver.address], content)
        smtp.check(reply, expect)
    if expect == 250:
        culver.wait_event("done", id=culver.accepted_id(reply))
    return reply


# ---- what is missing ----

def with_swaks(culver, tag):
    peers.swaks(culver.submission, "--auth", "PLAIN", "--auth-user", LOGIN, "--auth-password", PASSWORD, "--from", LOGIN,
                "--to", culver.address, "--data", f"X-Tag: {tag}\\n\\ntext\\n")


def with_msmtp(culver, tag):
    done = subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={culver.submission}", "--auth=plain", "--tls=off", f"--user={LOGIN}",
         "--add-missing-date-header=off", "--add-missing-from-header=off", f"--passwordeval=printf '%s\\n' '{PASSWORD}'", f"--from={LOGIN}",
         culver.address], input=f"X-Tag: {tag}\n\ntext\n".encode(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def with_smtplib(culver, tag):
    with smtplib.SMTP("127.0.0.1", culver.submission) as client:
        client.login(LOGIN, PASSWORD)
        client.sendmail(LOGIN, [culver.address], f"X-Tag: {tag}\r\n\r\ntext\r\n")


def with_curl(culver, tag):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{culver.submission}", "--user", f"{LOGIN}:{PASSWORD}", "--mail-from", LOGIN,
         "--mail-rcpt", culver.address, "--upload-file", "-"], input=CURL_MAIL.format(tag).encode(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def with_snail(culver, tag):
    where = f"smtp://{LOGIN.replace('@', '%40')}:{PASSWORD.replace(' ', '%20').replace(',', '%2C').replace('=', '%3D')}@127.0.0.1:{culver.submission}"
    done = subprocess.run(
        ["s-nail", "-:/", "-Sv15-compat", "-Ssendwait", "-Ssmtp-config=-all,ehlo,plain", f"-Smta={where}", f"-Sfrom={LOGIN}", "-C", f"X-Tag: {tag}",
         "-s", "by s-nail", culver.address],
        input=b"text\n", capture_output=True, check=False, timeout=60, env={**os.environ, "HOME": culver.folder})
    assert done.returncode == 0, done.stderr.decode()


def with_mutt(culver, tag):
    where = f"smtp://{LOGIN.replace('@', '%40')}@127.0.0.1:{culver.submission}"
    done = subprocess.run(
        ["mutt", "-n", "-F", "/dev/null", "-e", f"set smtp_url='{where}'", "-e", f"set smtp_pass='{PASSWORD}'", "-e", "set smtp_authenticators=plain",
         "-e", "set ssl_starttls=no ssl_force_tls=no", "-e", "unset record", "-e", f"set from={LOGIN}", "-e", "set use_envelope_from", "-e", f"my_hdr X-Tag: {tag}",
         "-s", "by mutt", culver.address],
        input=b"text\n", capture_output=True, check=False, timeout=60, env={**os.environ, "HOME": culver.folder})
    assert done.returncode == 0, done.stderr.decode()


CLIENTS = {"swaks": with_swaks, "msmtp": with_msmtp, "smtplib": with_smtplib, "curl": with_curl, "s-nail": with_snail, "mutt": with_mutt}


def test_each_client_sends_whole_letters_as_himself(culver):
    """Whatever a program leaves away is there once, and with every promise demanded they can all send."""
    prepare(culver, "private-headers remove", "from-alignment reject").start()
    for name, send in CLIENTS.items():
        tag = f"by-{name}"
        since = culver.mark()
        send(culver, tag)
        culver.wait_event("done", since=since)
        came = letter(culver, tag)
        for field in ("Date", "Message-ID", "From"):
            assert len(came.get_all(field, [])) == 1, (name, field, came.items())
        assert LOGIN in came["From"] and "User-Agent" not in came and "X-Mailer" not in came, name
        assert len(came.get_all("Received")) == 1 and "127.0.0.1" not in came["Received"], name


def test_what_is_missing_is_added_for_users_alone(culver):
    """From is the sender; that of a receipt, who has none, the login.  What is there stays; a stranger's letter stays as it is."""
    prepare(culver).start()
    submit(culver, b"X-Tag: bare\r\n\r\ntext\r\n", sender="ann+list@local.test")
    came = letter(culver, "bare")
    assert came["From"] == "ann+list@local.test" and re.fullmatch(r"<[0-9A-F]+@[^>]+>", came["Message-ID"])
    submit(culver, b"X-Tag: receipt\r\n\r\ntext\r\n", sender="")
    assert letter(culver, "receipt")["From"] == LOGIN
    whole = mail.small("whole")
    submit(culver, whole)
    top = mail.below(culver.maildir().one("whole"), mail.lf(whole))
    assert b"Received: from client.test ([127.0.0.1])" in top and not re.search(rb"^(Date|From|Message-ID):", top, re.M)
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", [culver.address], b"X-Tag: stranger\r\n\r\ntext\r\n")
    culver.wait_event("done", id=culver.accepted_id(reply))
    came = letter(culver, "stranger")
    assert (came["From"], came["Date"], came["Message-ID"]) == (None, None, None)


# ---- what is private ----

def marked(tag):
    """A letter that tells much of its sender; and what of it does not."""
    fields = [("From", f"Ann <{LOGIN}>"), ("Date", "Tue, 24 Nov 2026 08:00:00 +0000"), ("Message-ID", f"<{tag}@client.test>"), ("X-Tag", tag),
              ("X-Mailing", "kept"), ("To", "somebody@else.test")]
    every = fields[:3] + MARKS[:4] + fields[3:] + MARKS[4:]
    body = "\r\nBcc: of the text\r\nX-Mailer: too\r\n"
    return ["".join(f"{name}: {value}\r\n" for name, value in some).encode() + body.encode() for some in (every, fields)]


def test_private_fields_go_where_the_address_says_so(culver):
    """At one submission address, and not at the other; by DATA and by BDAT; a hop stays one."""
    prepare(culver)
    shy = peers.free_port()
    culver.general.append(block(f"listen 127.0.0.1:{shy} submission", ["private-headers remove"]))
    culver.start()
    open_port = culver.submission
    every, few = marked("open")
    submit(culver, every)
    top = mail.below(culver.maildir().one("open"), mail.lf(every))
    assert b"client.test ([127.0.0.1])" in top
    culver.submission = shy
    every, few = marked("shy")
    submit(culver, every)
    came = culver.maildir().one("shy")
    for name, value in MARKS:
        assert value.split()[0].encode() not in came, name
    head, _, body = came.partition(b"\n\n")
    assert body == b"Bcc: of the text\nX-Mailer: too\n"
    assert b"127.0.0.1" not in head and b"client.test (" not in head and b"Received: (removed);" in head
    rest = re.sub(rb"^(Return-Path|Delivered-To|X-Original-To|Received):[^\n]*\n([ \t][^\n]*\n)*", b"", head + b"\n", flags=re.M)
    assert rest == mail.lf(few).partition(b"\n\n")[0] + b"\n"
    assert len(re.findall(rb"^Received:", head, re.M)) == 2
    # the same in pieces that end anywhere
    every, few = marked("pieces")
    with log_in(culver) as client:
        client.command(f"MAIL FROM:<{LOGIN}>", 250)
        client.command(f"RCPT TO:<{culver.address}>", 250)
        for at in range(0, len(every), 7):
            part = every[at:at + 7]
            client.send(f"BDAT {len(part)}\r\n".encode() + part)
            smtp.check(client.reply(), 250)
        reply = client.command("BDAT 0 LAST", 250)
    culver.wait_event("done", id=culver.accepted_id(reply))
    assert culver.maildir().one("pieces").endswith(mail.lf(few).partition(b"X-Mailing")[2])
    assert b"secret@else.test" not in culver.maildir().one("pieces")
    # nobody who has not logged in is changed, and a circle ends all the same
    culver.submission = open_port
    circle = b"".join(b"Received: x\r\n" for _ in range(200)) + b"\r\n"
    culver.submission = shy
    assert submit(culver, circle, expect=554).status == "5.4.6"


# ---- who wrote it ----

AUTHORS = {
    f"From: {LOGIN}": 250,
    f"From: Ann Example <{LOGIN}>": 250,
    f"from: =?utf-8?q?ceo=40else=2Etest?= <{LOGIN}>": 250,
    f"From: \"ceo@else.test\" <{LOGIN}> (really)": 250,
    "From: Ann <\"ann\"@Local.Test>": 250,
    "From: ann+news@local.test": 250,
    f"From:\r\n folded\r\n\t<{LOGIN}>": 250,
    "From: sales@local.test": 250,
    f"From: Both: {LOGIN}, sales@local.test;\r\nSender: {LOGIN}": 250,
    f"From: {LOGIN}\r\nSender: sales@local.test": 250,
    "Subject: no From at all": 250,
    f"Froms: ceo@else.test\r\nFrom: {LOGIN}": 250,
    "From: ceo@else.test": 550,
    f"From: {LOGIN} <ceo@else.test>": 550,
    f"From: <{LOGIN}> <ceo@else.test>": 550,
    f"From: <{LOGIN}> ceo@else.test": 550,
    f"From: {LOGIN}, ceo@else.test\r\nSender: {LOGIN}": 550,
    f"From: {LOGIN}, sales@local.test": 550,
    f"From: {LOGIN}, sales@local.test\r\nSender: {LOGIN}, sales@local.test": 550,
    f"From: {LOGIN}\r\nFrom: ceo@else.test": 550,
    f"From: {LOGIN}\r\nFROM : ceo@else.test": 550,
    "From                                                   : ceo@else.test": 550,
    f"From: {LOGIN}\r\nSender: ceo@else.test": 550,
    "From: nobody at all": 550,
    "From: ann": 550,
    "From: <>": 550,
    "From: undisclosed:;": 550,
    "From:": 550,
    "From: list@local.test": 550,
    f"From: <@else.test:{LOGIN}>": 550,
    "From: ann@local.test.else.test": 550,
    "From: (comment ann@local.test": 550,
    "From: " + f"{LOGIN}, " * 30 + LOGIN + f"\r\nSender: {LOGIN}": 550,
    "From: " + "x" * 900 + "\r\n" + (" " + "x" * 900 + "\r\n") * 20 + f" <{LOGIN}>": 550,
}


def test_authors_are_addresses_of_the_login(culver):
    table = os.path.join(culver.folder, "senders")
    with open(table, "w", encoding="ascii") as file:
        file.write(f"sales@local.test {LOGIN}\nlist@local.test carl\n")
    os.chmod(table, 0o644)
    culver.auth.append(f"senders {table}")
    culver.limit += ["errors 1000"]
    prepare(culver, "from-alignment reject")
    culver.start()
    with log_in(culver) as client:
        for header, code in AUTHORS.items():
            reply = client.message(LOGIN, [culver.address], header.encode() + b"\r\nTo: x@y.test\r\n\r\nFrom: ceo@else.test\r\n")
            assert reply.code == code, (header[:80], reply)
            assert code == 250 or reply.status in ("5.6.0", "5.7.1"), (header[:80], reply)
    # strangers' mail has its own authors
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("stranger")), 250)
    # a table that does not answer refuses nobody for good
    os.unlink(table)
    with log_in(culver) as client:
        while (reply := client.message(LOGIN, [culver.address], b"From: sales@local.test\r\n\r\n")).code == 250:
            pass  # the table is looked at once a second
        assert reply.code == 451, reply
        smtp.check(client.message(LOGIN, [culver.address], f"From: {LOGIN}\r\n\r\n".encode()), 250)


def sent_by(culver, entry, header, tag):
    """The exit status of sendmail(1) with that letter."""
    return culver.named("sendmail", "-i", culver.address, entry=entry, input=f"{header}\nX-Tag: {tag}\n\ntext\n".encode()).returncode


def test_users_of_this_host_write_as_themselves(culver):
    """By uid: the name of the user at our domains, and what the table says of it; root is not held to it."""
    entry = culver.place.users[0]
    table = os.path.join(culver.folder, "senders")
    with open(table, "w", encoding="ascii") as file:
        file.write(f"web@shop.test uid:{entry.pw_uid}\nother@shop.test uid:1{entry.pw_uid}\n")
    os.chmod(table, 0o644)
    culver.replaced["origin"] = "local.test"
    culver.general += ["from-alignment reject", "private-headers remove"]
    culver.auth.append(f"senders {table}")
    culver.start()
    name = entry.pw_name
    for number, (header, is_fine) in enumerate({
            f"From: {name}@local.test": True, f"From: Me <{name}+x@local.test>": True, f"From: {name}": True, "From: web@shop.test": True,
            "Subject: none": True, "From: other@shop.test": False, "From: root@local.test": False, "From: root": False,
            f"From: {name}@shop.test": False}.items()):
        assert (sent_by(culver, entry, header, f"n{number}") == 0) == is_fine, header
    culver.wait_event("done", count=5)
    came = culver.maildir().one("n0")
    assert f"uid {entry.pw_uid}".encode() not in came and came.count(b"Received: ") == 1
    if culver.place.mode == "root":
        assert culver.named("sendmail", "-i", culver.address, input=b"From: web@shop.test\nX-Tag: root\n\ntext\n").returncode == 0


# ---- how much ----

def used(culver):
    """{sender: row} of culver budget."""
    return {row["sender"]: row for row in map(json.loads, culver.command("budget", "--json", check=0).stdout.splitlines())}


def test_a_login_has_a_budget_that_survives(culver):
    """Held, told of once, kept over a kill, no other's, and released by its name."""
    culver.replaced["origin"] = "local.test"
    prepare(culver, block("budget Ann@Local.Test 7", ["messages 2/hour"]))
    user(culver, "add", "uid:7", password=PASSWORD)
    culver.start()
    ids = []
    with log_in(culver) as client:
        for number in range(4):
            reply = client.message(LOGIN, [culver.address], mail.small(f"flood{number}", 600))
            smtp.check(reply, 250)
            ids.append(culver.accepted_id(reply))
    culver.wait_event("held", count=2)
    assert culver.events("held")[0]["reason"] == "over budget: 2 messages an hour"
    culver.wait_event("over-budget", sender=LOGIN)
    assert (used(culver)[LOGIN]["messages"]["hour"], used(culver)[LOGIN]["held"]) == (2, 2)
    # a login that is called as a user of this host is written has nothing of his
    for number in range(3):
        submit(culver, mail.small(f"seven{number}", 600), sender="", login="uid:7")
    assert used(culver)["login:uid:7"]["messages"]["hour"] == 3 and "uid:7" not in used(culver)
    culver.wait_event("notified")
    culver.stop()
    culver.start()
    mark = culver.mark()
    culver.kill(culver.pid("queue-manager"))
    culver.wait_event("replayed", since=mark)
    assert (used(culver)[LOGIN]["messages"]["hour"], used(culver)[LOGIN]["held"]) == (2, 2)
    with log_in(culver) as client:
        ids.append(culver.accepted_id(client.message(LOGIN, [culver.address], mail.small("flood4", 600))))
    culver.wait_event("held", id=ids[4], since=mark)
    assert len(culver.events("over-budget")) == 1
    came = [mail.tag_of(one) for one in culver.maildir().letters() if b"Return-Path: <>" not in one]
    assert sorted(tag for tag in came if tag.startswith("flood")) == ["flood0", "flood1"]
    listed = culver.command("queue", "--json", f"login={LOGIN}", check=0).stdout
    assert len(listed.splitlines()) == 3
    assert culver.command("queue", "login=uid:*").returncode == 1
    # what came by a login is nobody's but the administrator's
    if culver.place.mode == "root":
        for entry in culver.place.users:
            assert culver.command("queue", "show", ids[2], entry=entry).returncode == 1
            assert culver.command("queue", "remove", ids[2], entry=entry).returncode == 1
    culver.command("queue", "release", f"login={LOGIN}", check=0)
    for one in ids[2:]:
        culver.wait_event("done", id=one)
    assert used(culver)[LOGIN]["held"] == 0 and used(culver)[LOGIN]["messages"]["hour"] == 5


# ---- EXPN ----

def test_listed_logins_may_ask_whom_an_address_stands_for(culver):
    """From anywhere once they have logged in; each is counted for himself, over all of his connections."""
    culver.aliases = f'list: {culver.user}, other@remote.test, "|/bin/secret"\n'
    culver.limit.append("expn-per-hour 3")
    prepare(culver, f"expn-logins {LOGIN.upper()} uid:0")
    user(culver, "add", "carl", password=PASSWORD)
    user(culver, "add", "uid:0", password=PASSWORD)
    culver.start()
    with log_in(culver) as client:
        for _ in range(2):
            reply = client.command("EXPN list@local.test", 250)
            assert len(reply.lines) == 2 and "secret" not in str(reply.lines)
    with log_in(culver, "uid:0") as client:
        client.command("EXPN list@local.test", 250)
    with log_in(culver, "carl") as client:
        client.command("EXPN list@local.test", 502)
    with log_in(culver, source="127.0.3.1") as client:
        client.command("EXPN list@local.test", 250)
        client.command("EXPN list@local.test", 450)
    with culver.smtp() as client:
        client.ehlo()
        client.command("EXPN list@local.test", 502)


# ---- the messages of the world ----

def test_message_files_are_changed_as_documented_and_no_further(culver, data):
    """Each message of the data folder by a login: byte for byte below the fields put on top, and those are the ones it lacks."""
    messages, _ = files(os.path.join(data, "messages"))
    if not messages:
        pytest.skip("the data folder has no messages")
    culver.limit += ["commands 100000", "errors 1000"]
    prepare(culver).start()
    taken, wrong = {}, []
    with log_in(culver) as client:
        for name, content in messages:
            reply = client.message(LOGIN, [culver.address], content, "" if content.isascii() else "BODY=8BITMIME")
            if reply.code == 250:
                taken[culver.accepted_id(reply)] = (name, content)
            elif f"{reply.code} {reply.status}" != documented(content):
                wrong.append(f"{name}: {reply}")
    culver.wait_event("done", 300, count=len(taken))
    for came in culver.maildir().letters():
        number = re.search(rb" id ([0-9A-F]{13,})", came)[1].decode()
        name, content = taken.pop(number)
        stored = mail.lf(content)
        if not came.endswith(stored):
            wrong.append(f"{name}: {mail.difference(came, stored)}")
            continue
        top = came[:len(came) - len(stored)]
        head = stored[:1] == b"\n" and b"" or stored.partition(b"\n\n")[0] + b"\n"
        lacks = [field for field in ("Date", "From", "Message-ID") if not re.search(rf"^{field}[ \t]*:".encode(), head, re.M | re.I)]
        added = [field.decode() for field in re.findall(rb"^(Date|From|Message-ID):", top, re.M)]
        if sorted(lacks) != sorted(added):
            wrong.append(f"{name}: lacks {lacks}, got {added}")
    print(f"{len(messages)} message files by a login: {len(messages) - len(wrong)} as documented")
    assert not wrong, "\n".join(wrong)
    assert not taken
