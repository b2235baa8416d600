"""`log FILE { format postfix }`: programs that read Postfix's log read ours, and find the same facts."""

import os
import re
import subprocess
import sys

import pytest

import eventlog
import mail
import peers
import smtp

WAIT_S = 60
RELAYER, LISTER, TALKER = "127.0.7.2", "127.0.7.3", "127.0.7.4"
GONE, LATER = b"550 5.1.1 no such user\r\n", b"451 4.3.0 later, please\r\n"


def answer(verb, argument, _default):
    """What the next hop says."""
    if verb != "RCPT":
        return None
    return GONE if "gone@" in argument else LATER if "later@" in argument else None


def tried(culver, source, to):
    """One recipient that is refused."""
    with culver.smtp(source=source) as client:
        client.ehlo()
        client.command("MAIL FROM:<spam@client.test>", 250)
        client.command(f"RCPT TO:<{to}>", 550)
        client.command("QUIT", 221)


@pytest.fixture
def log(culver):
    """What stands in the log after a short day: (path, text)."""
    path = os.path.join(culver.logs, "mail.log")
    with smtp.Sink(answer=answer) as sink:
        culver.relay_to(sink.port)
        culver.outbound.append("retry 1h 1h")
        culver.general.append("relay-from 127.0.0.1")
        culver.start()
        culver.replaced["log"] = f"{path} {{\n    format postfix\n}}"
        culver.write()
        culver.command("reload", check=0)
        lines = eventlog.EventLog(path)
        culver.cleanups.append(lines.close)
        with culver.smtp() as client:
            client.ehlo()
            for to in (culver.address, "far@remote.test", "gone@remote.test", "later@remote.test"):
                smtp.check(client.message(culver.address, [to], mail.small(to)), 250)
            client.command("QUIT", 221)
        culver.named("sendmail", "-i", "far@remote.test", input=b"Subject: local\n\nbody\n", entry=culver.place.users[0], check=0)
        tried(culver, RELAYER, "x@elsewhere.test")
        tried(culver, LISTER, f"nosuchuser@{culver.address.partition('@')[2]}")
        with culver.smtp(source=TALKER) as client:
            client.socket.sendall(b"EHLO client.test\r\nNOOP\r\n")
            client.reply()
        # two letters here (one is the notice), two that went out, one that failed, one that waits
        lines.wait_text(r"status=sent", WAIT_S, 4)
        lines.wait_text(r": removed$", WAIT_S, 5)
        lines.wait_text(r"status=deferred", WAIT_S)
        lines.wait_text(r"disconnect from", WAIT_S, 4)
        assert culver.stop() == 0
    with open(path, encoding="ascii") as file:
        return path, file.read()


def test_each_fact_has_its_line(log, culver):
    _, text = log
    here = re.escape(culver.address)
    for pattern, count in ((r"smtpd\[\d+\]: connect from unknown\[127\.0\.0\.1\]$", 1),
                           (rf"smtpd\[\d+\]: [0-9A-F]+: client=unknown\[127\.0\.0\.1\]$", 4),
                           (rf"qmgr\[\d+\]: [0-9A-F]+: from=<{here}>, size=\d+, nrcpt=1 \(queue active\)$", 4),
                           (rf"local\[\d+\]: [0-9A-F]+: to=<{here}>, relay=local, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(.*\)$", 2),
                           (r"smtp\[\d+\]: [0-9A-F]+: to=<far@remote\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, .*dsn=2\.\d\.\d, status=sent \(250 .*\)$", 2),
                           (r"smtp\[\d+\]: [0-9A-F]+: to=<gone@remote\.test>, .*dsn=5\.1\.1, status=bounced \(host \S+ said: 550 5\.1\.1 no such user.*\)$", 1),
                           (r"smtp\[\d+\]: [0-9A-F]+: to=<later@remote\.test>, .*dsn=4\.3\.0, status=deferred \(host \S+ said: 451 4\.3\.0 later, please.*\)$", 1),
                           (r"bounce\[\d+\]: [0-9A-F]+: sender non-delivery notification: [0-9A-F]+$", 1),
                           (r"pickup\[\d+\]: [0-9A-F]+: uid=\d+ from=<.*>$", 1),
                           (r"improper command pipelining after EHLO from unknown\[127\.0\.7\.4\]$", 1)):
        assert len(re.findall(pattern, text, re.MULTILINE)) == count, f"{pattern} in:\n{text}"
    assert "warning:" not in text
    for line in text.splitlines():
        assert re.match(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d mx postfix/[a-z]+\[\d+\]: ", line), line


def test_fail2ban_finds_who_tries(log):
    path, _ = log
    try:
        root = peers.unpacked("fail2ban", ["fail2ban"], ["usr/bin/fail2ban-regex"])
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    done = subprocess.run([sys.executable, os.path.join(root, "usr/bin/fail2ban-regex"), "--print-all-matched", path,
                           os.path.join(root, "etc/fail2ban/filter.d/postfix.conf")], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.path.join(root, "usr/lib/python3/dist-packages")})
    assert done.returncode == 0, done.stderr
    matched = done.stdout.partition("Matched line(s):")[2]
    # who talks out of turn is told of twice: what he heard, and how it ended
    assert {ip: matched.count(f"[{ip}]") for ip in (RELAYER, LISTER, TALKER)} == {RELAYER: 1, LISTER: 1, TALKER: 2}, done.stdout
    assert "[127.0.0.1]" not in matched


def test_pflogsumm_counts_right(log):
    path, _ = log
    try:
        program, _ = peers.program("pflogsumm", "usr/sbin/pflogsumm")
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    done = subprocess.run(["perl", program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    totals = {m[2]: int(m[1]) for m in re.finditer(r"^\s+(\d+)\s+(received|delivered|deferred|bounced|rejected)\b", done.stdout, re.MULTILINE)}
    # received: from the network and by sendmail; the notice was made here; rejected: also who talks out of turn
    assert totals == {"received": 5, "delivered": 4, "deferred": 1, "bounced": 1, "rejected": 3}, done.stdout
    # the four letters, the notice and the local one
    assert re.search(r"^\s+\d+\s+bytes received$", done.stdout, re.MULTILINE) and not re.search(r"^\s+0\s+senders$", done.stdout, re.MULTILINE)


def test_logcheck_has_nothing_to_report_of_a_quiet_day(log, data):
    path, text = log
    rules = os.path.join(data, "logs/logcheck/ignore.d.server/postfix")
    done = subprocess.run(["grep", "-Evf", rules, path], capture_output=True, text=True, check=False)
    # of Postfix 3.7 the same lines are left: those of master, counts behind `disconnect`, what local has delivered, what was refused
    known = r"postfix/master\[|disconnect from \S+ commands=\d+$|postfix/local\[\d+\]: .*status=sent|said: [45]|from unknown\[127\.0\.7\.4\]"
    assert text and not [line for line in done.stdout.splitlines() if not re.search(known, line)], done.stdout
