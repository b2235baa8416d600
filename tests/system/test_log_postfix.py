"""`log FILE { format postfix }`: programs that read Postfix's log read ours, and find the same facts."""

import base64
import glob
import os
import re
import subprocess
import sys

import pytest
import yaml

import eventlog
import grok
import mail
import peers
import smtp

WAIT_S = 60
RELAYER, LISTER, TALKER, BROWSER, GUESSER = (f"127.0.7.{n}" for n in range(2, 7))
HASTY = base64.b64encode(b"\0ann@mx.culver.test\0secret")  # a password that is said before it is asked for
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
        culver.submission = peers.free_port()
        culver.general.append(f"listen 127.0.0.1:{culver.submission} submission")
        culver.auth.append("clear yes")
        culver.write()
        culver.command("user", "add", "ann@mx.culver.test", input="secret\n", check=0)
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
            client.socket.sendall(b"EHLO client.test\r\nAUTH PLAIN " + HASTY + b"\r\n")
            client.reply()
        with culver.smtp(source=BROWSER) as client:
            client.command("GET / HTTP/1.1", 554)
        with smtp.Client(culver.submission, source=GUESSER) as client:
            client.ehlo()
            client.command("AUTH PLAIN " + base64.b64encode(b"\0ann@mx.culver.test\0guess").decode(), 535)
            client.command("QUIT", 221)
        # two letters here (one is the notice), two that went out, one that failed, one that waits
        lines.wait_text(r"status=sent", WAIT_S, 4)
        lines.wait_text(r": removed$", WAIT_S, 5)
        lines.wait_text(r"status=deferred", WAIT_S)
        lines.wait_text(r"disconnect from", WAIT_S, 6)
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
                           (r"improper command pipelining after EHLO from unknown\[127\.0\.7\.4\]: AUTH$", 1),
                           (r"warning: non-SMTP command from unknown\[127\.0\.7\.5\]: GET / HTTP/1\.1$", 1)):
        assert len(re.findall(pattern, text, re.MULTILINE)) == count, f"{pattern} in:\n{text}"
    assert HASTY.decode() not in text
    assert len(re.findall(r"warning: (?!non-SMTP command|unknown\[.*SASL)", text)) == 0, text
    for line in text.splitlines():
        assert re.match(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d mx postfix/(submission/)?[a-z]+\[\d+\]: ", line), line


def fail2ban(path, *rules):
    """How often each of those who tried is found in the log by a filter of fail2ban."""
    try:
        root = peers.unpacked("fail2ban", ["fail2ban"], ["usr/bin/fail2ban-regex"])
    except peers.Unavailable as reason:
        pytest.skip(str(reason))
    rules = [word.replace("DEBIAN", os.path.join(root, "etc/fail2ban/filter.d")) for word in rules]
    done = subprocess.run([sys.executable, os.path.join(root, "usr/bin/fail2ban-regex"), "--print-all-matched", path, *rules],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.path.join(root, "usr/lib/python3/dist-packages")})
    assert done.returncode == 0, done.stderr
    matched = done.stdout.partition("Matched line(s):")[2]
    assert "[127.0.0.1]" not in matched
    return {ip: matched.count(f"[{ip}]") for ip in (RELAYER, LISTER, TALKER, BROWSER, GUESSER) if f"[{ip}]" in matched}


def test_fail2ban_finds_who_tries(log):
    # who talks out of turn is told of twice: what he heard, and what he said
    assert fail2ban(log[0], "DEBIAN/postfix.conf") == {RELAYER: 1, LISTER: 1, TALKER: 2}
    assert fail2ban(log[0], "DEBIAN/postfix.conf[mode=auth]") == {GUESSER: 1}


def test_filters_of_others_find_who_tries(log, data):
    """Those of mail-in-a-box and iRedMail, with fail2ban."""
    logs = os.path.join(data, "logs")
    assert fail2ban(log[0], os.path.join(logs, "mailinabox/conf/fail2ban/filter.d/miab-postfix-submission.conf")) == {GUESSER: 1}
    assert fail2ban(log[0], os.path.join(logs, "iredmail/filter.d/postfix.iredmail.conf")) == {RELAYER: 1, GUESSER: 1}


def crowdsec(data):
    """The grok patterns of crowdsec's parser: what it takes from a line, in their order, None for a line that it leaves."""
    with open(os.path.join(data, "logs/crowdsec/parsers/s01-parse/crowdsecurity/postfix-logs.yaml"), encoding="utf-8") as file:
        rules = yaml.safe_load(file)
    groks = [grok.Grok(node["grok"]["pattern"], rules["pattern_syntax"]) for node in rules["nodes"]]

    def parse(text):
        return next((fields for fields in (one.fields(text) for one in groks) if fields is not None), None)
    return parse


def test_crowdsec_finds_who_tries(log, data):
    parse, samples = crowdsec(data), 0
    for path in glob.glob(os.path.join(data, "logs/crowdsec/tests/postfix-*/*.log")):
        with open(path, encoding="utf-8") as file:
            for text in (line.partition("]: ")[2] for line in file):
                if re.match(r"(NOQUEUE: reject|warning: .*(SASL|non-SMTP)|lost connection)", text):
                    assert parse(text)["remote_addr"], text
                    samples += 1
    print(f"lines of crowdsec's samples: {samples} parsed")
    assert samples
    found = [fields["remote_addr"] for fields in map(parse, (line.partition("]: ")[2] for line in log[1].splitlines())) if fields]
    assert {ip: found.count(ip) for ip in set(found)} == {RELAYER: 1, LISTER: 1, TALKER: 1, BROWSER: 1, GUESSER: 1}


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
    known = r"postfix/master\[|disconnect from \S+ commands=\d+$|postfix/local\[\d+\]: .*status=sent|said: [45]|from unknown\[127\.0\.7\.4\]|SASL PLAIN"
    assert text and not [line for line in done.stdout.splitlines() if not re.search(known, line)], done.stdout


def programs_patterns(data):
    """The pattern of each of Postfix's programs, and what else the file names."""
    patterns = grok.read(os.path.join(data, "logs/grok/postfix.grok"))
    return {name.removeprefix("POSTFIX_").lower(): name for name in patterns}, patterns


def test_grok_patterns_are_read_as_their_samples_say(data):
    """Else what follows would say nothing."""
    _, patterns = programs_patterns(data)
    cases = sorted(glob.glob(os.path.join(data, "logs/grok/test/*.yaml")))
    wrong = []
    for path in cases:
        with open(path, encoding="utf-8") as file:
            case = yaml.safe_load(file)
        got = grok.Grok(case["pattern"], patterns).fields(case["data"]) or {}
        wrong += [(os.path.basename(path), name, word, got.get(name)) for name, word in (case["results"] or {}).items() if got.get(name) != str(word)]
    print(f"grok samples: {len(cases)}, {len({name for name, *_ in wrong})} of them read otherwise")
    assert cases and not wrong


def test_grok_patterns_find_the_facts_in_each_line(log, data):
    names, patterns = programs_patterns(data)
    groks = {name: grok.Grok(f"^%{{{pattern}}}$", patterns) for name, pattern in names.items()}
    facts, unread = [], []
    for line in log[1].splitlines():
        program, text = re.match(r".* postfix/(?:submission/)?([a-z]+)\[\d+\]: (.*)", line).groups()
        fields = groks[program].fields(text)
        # a warning in Postfix's own words is told of as such; ours have no `name=value` in them
        if fields is None or ("postfix_message_level" in fields and not re.search("non-SMTP command|SASL PLAIN", text)):
            unread.append(line)
        else:
            facts.append((program, fields))
    print(f"lines read by grok patterns: {len(facts)} of {len(facts) + len(unread)}")
    assert not unread, "\n".join(unread)
    for program, wanted, count in (("smtpd", {"postfix_action": "reject", "postfix_status_code": "550", "postfix_client_ip": RELAYER}, 1),
                                   ("smtpd", {"postfix_action": "reject", "postfix_status_code_enhanced": "5.1.1", "postfix_client_ip": LISTER}, 1),
                                   ("smtp", {"postfix_status": "sent"}, 2), ("smtp", {"postfix_status": "bounced"}, 1),
                                   ("smtp", {"postfix_status": "deferred"}, 1), ("local", {"postfix_status": "sent"}, 2),
                                   ("bounce", {"postfix_bounce_recipient": "sender", "postfix_bounce_reason": "non-delivery"}, 1),
                                   ("qmgr", {"postfix_message": "removed"}, 5)):
        found = [fields for name, fields in facts if name == program and wanted.items() <= fields.items()]
        assert len(found) == count, f"{program} {wanted}: {found}"
