"""Recipients that the next hop alone knows (`recipients verify`): asked for at RCPT, kept, and never a reason to lose mail."""

import json
import os
import signal
import socket
import sqlite3
import time

import certificates
import exim
import mail
import peers
import postfix
import pytest
import smtp
from dovecot import Taker

DOMAIN = "shop.test"
NAMES = 3000  # of a dictionary


def knows(*names, others=b"550 5.1.1 no such user\r\n"):
    """An `answer` of smtp.Sink: RCPT of these local parts is taken."""
    def answer(verb, argument, _default):
        if verb == "RCPT" and not any(f"<{name}@" in argument for name in names):
            return others
        return None
    return answer


def verified(culver, port, *lines, domain=DOMAIN):
    """Starts with that domain behind that port."""
    culver.general += [f"domain {domain} {{", f"    relay 127.0.0.1:{port}", "    recipients verify", *lines, "}"]
    return culver.start()


def rcpt(culver, *names, domain=DOMAIN, sender="a@client.test"):
    """The replies to RCPT, in one session."""
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.command(f"MAIL FROM:<{sender}>"), 250)
        replies = [client.command(f"RCPT TO:<{name}@{domain}>") for name in names]
        client.command("QUIT")
    return replies


def until_taken(culver, name):
    """Comes again and again until the name is taken; the codes."""
    codes, end = [], time.monotonic() + 60
    while codes[-1:] != [250]:
        assert time.monotonic() < end, codes
        codes.append(rcpt(culver, name)[0].code)
    return codes


def asked(sink, name):
    """How often the next hop was asked for that name."""
    return sum(1 for _, line in sink.commands if line.startswith("RCPT") and f"<{name}@" in line)


def listing(culver, *words):
    """`culver verified --json`."""
    done = culver.command("verified", *words, "--json")
    return {row["address"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_who_is_there_is_taken_and_who_is_not_is_refused(culver):
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        there, not_there = rcpt(culver, "ann", "nobody")
        assert there.code == 250
        assert (not_there.code, not_there.status) == (550, "5.1.1")
        assert "no such user" not in not_there.text, "what the next hop says is for the log"
        # no probe went as far as DATA, and it has no sender
        assert not sink.messages
        assert all("<>" in line for _, line in sink.commands if line.startswith("MAIL"))
        assert not any(line.startswith("DATA") for _, line in sink.commands)
        # the session's story has who said so
        told = culver.wait_event("verified", to=f"nobody@{DOMAIN}")
        assert told["outcome"] == "refused" and told["code"] == "550" and f":{sink.port}" in told["host"]
        trace = culver.command("trace", told["session"]).stdout
        assert "no such user" in trace
        # mail for who is there goes there
        with culver.smtp() as client:
            client.ehlo()
            ident = culver.accepted_id(client.message("a@client.test", [f"ann@{DOMAIN}"], mail.small("ann")))
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["ann"]


def test_an_answer_is_kept_over_a_restart_and_can_be_forgotten(culver):
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        rcpt(culver, "ann", "nobody")
        culver.stop()
        culver.start()
        assert [r.code for r in rcpt(culver, "ann", "nobody", "ann", "nobody")] == [250, 550, 250, 550]
        assert asked(sink, "ann") == asked(sink, "nobody") == 1
        rows = listing(culver)
        assert rows[f"ann@{DOMAIN}"]["outcome"] == "taken"
        assert rows[f"nobody@{DOMAIN}"]["outcome"] == "refused" and rows[f"nobody@{DOMAIN}"]["code"] == 550
        assert list(listing(culver, f"ann@{DOMAIN}")) == [f"ann@{DOMAIN}"]
        assert f"nobody@{DOMAIN}" in culver.command("verified").stdout
        # somebody made that mailbox
        sink.answer = None
        assert rcpt(culver, "nobody")[0].code == 550
        culver.command("verified", "forget", f"nobody@{DOMAIN}")
        assert rcpt(culver, "nobody")[0].code == 250
        culver.command("verified", "forget", "all")
        assert not listing(culver)


def test_what_is_old_is_asked_for_again_behind_the_back_of_who_comes(culver):
    culver.verify += ["negative 1h 100ms", "positive 1h 100ms"]
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        assert [r.code for r in rcpt(culver, "ann", "nobody")] == [250, 550]
        culver.wait_event("probed", count=2)
        # made meanwhile: the old answer once more, and then the new one
        sink.answer = None
        codes = until_taken(culver, "nobody")
        assert codes[0] == 550
        culver.wait_event("verified", to=f"nobody@{DOMAIN}", outcome="taken")
        told = [(e["kept"], e["outcome"]) for e in culver.events("verified", to=f"nobody@{DOMAIN}")]
        assert told[0] == ("0", "refused") and set(told[1:-1]) == {("1", "refused")} and told[-1] == ("1", "taken")


def test_what_has_ended_is_asked_for_anew(culver):
    culver.verify += ["negative 100ms", "positive 100ms"]
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        assert rcpt(culver, "nobody")[0].code == 550
        sink.answer = None
        until_taken(culver, "nobody")
        # asked anew, and waited for
        culver.wait_event("verified", to=f"nobody@{DOMAIN}", outcome="taken", kept="0")


@pytest.mark.parametrize("word, code", [("accept", 250), ("defer", 450)])
def test_where_nobody_can_be_asked_mail_is_taken_or_waits(culver, word, code):
    culver.verify += [f"unknown {word}"]
    port = peers.free_port()
    verified(culver, port)
    assert rcpt(culver, "ann")[0].code == code
    assert not listing(culver), "nothing was learned"


@pytest.mark.parametrize("reply", [b"450 4.2.0 greylisted\r\n", b"421 4.3.2 not now\r\n", b"550 5.7.1 your sender is not liked\r\n", b"nonsense\r\n", "close"])
def test_what_is_no_refusal_of_the_recipient(culver, reply):
    with smtp.Sink(answer=knows(others=reply)) as sink:
        verified(culver, sink.port)
        assert rcpt(culver, "ann")[0].code == 250
        assert not listing(culver)


def test_a_slow_next_hop_keeps_one_session_waiting_and_nobody_else(culver):
    culver.verify += ["wait 1s"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        verified(culver, silent.getsockname()[1])
        with culver.smtp() as slow, culver.smtp() as quick:
            slow.ehlo()
            slow.command("MAIL FROM:<a@client.test>")
            slow.send(f"RCPT TO:<ann@{DOMAIN}>\r\n")
            quick.ehlo()
            smtp.check(quick.message("a@client.test", [culver.address], mail.small("quick")), 250)
            assert slow.reply().code == 250
        culver.wait_event("verify-silent")


def test_one_address_is_one_probe(culver):
    """Many ask at once, while the next hop has not answered the first."""
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        clients = [culver.smtp() for _ in range(10)]
        for client in clients:
            client.ehlo()
            client.command("MAIL FROM:<a@client.test>")
        for client in clients:
            client.send(f"RCPT TO:<ann@{DOMAIN}>\r\n")
        assert [client.reply().code for client in clients] == [250] * 10
        for client in clients:
            client.close()
        assert asked(sink, "ann") == 1


def test_a_dictionary_beside_good_mail(culver):
    """Thousands of names: few connections, the good address stays known, good mail goes through."""
    culver.limit.append("errors 100000")
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        assert rcpt(culver, "ann")[0].code == 250
        with culver.smtp() as attacker, culver.smtp() as good:
            attacker.ehlo()
            attacker.command("MAIL FROM:<x@bad.test>", 250)
            good.ehlo()
            for start in range(0, NAMES, 250):
                attacker.send("".join(f"RCPT TO:<n{n}@{DOMAIN}>\r\n" for n in range(start, start + 250)))
                smtp.check(good.message("a@client.test", [f"ann@{DOMAIN}"], mail.small(f"good{start}")), 250)
                assert {attacker.reply().code for _ in range(250)} == {550}
        culver.wait_event("done", count=NAMES // 250)
        assert len(sink.messages) == NAMES // 250
        probes = {number for number, line in sink.commands if line == f"RCPT TO:<n1@{DOMAIN}>"}
        assert len(probes) == 1 and sink.connections <= 4 + 1 + NAMES // 250, "few connections"
        rows = listing(culver)
        assert rows[f"ann@{DOMAIN}"]["outcome"] == "taken" and len(rows) == NAMES + 1


def test_an_alias_that_leads_there(culver):
    culver.aliases = f"ghost: nobody@{DOMAIN}\nfriend: ann@{DOMAIN}\nboth: nobody@{DOMAIN}, {culver.user}\n"
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        codes = [r.code for r in rcpt(culver, "ghost", "friend", "both", domain="local.test")]
        assert codes == [550, 250, 250]


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_a_dovecot_that_knows_its_users(culver, way):
    """By LMTP: where the users stand with Dovecot alone."""
    try:
        dovecot = Taker(culver.place.users[0])
    except peers.Unavailable as why:
        pytest.skip(str(why))
    with dovecot:
        hop = f"127.0.0.1:{dovecot.port}" if way == "tcp" else dovecot.socket
        culver.general += ["domain box.test {", f"    deliver lmtp {hop}", "    recipients verify", "}"]
        culver.start()
        assert [r.code for r in rcpt(culver, "ann", "nobody", domain="box.test")] == [250, 550]
        with culver.smtp() as client:
            client.ehlo()
            ident = culver.accepted_id(client.message("a@client.test", ["ann@box.test"], mail.small("ann")))
        culver.wait_event("done", id=ident)
        assert len(dovecot.letters("ann")) == 1


def test_a_next_hop_without_the_tls_that_is_demanded_is_asked_nothing(culver):
    """As a delivery would say nothing to it."""
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port, "    tls required")
        assert rcpt(culver, "nobody")[0].code == 250
        told = culver.wait_event("verified", to=f"nobody@{DOMAIN}")
        assert told["outcome"] == "unknown" and "TLS" in told["reply"]
        assert not asked(sink, "nobody") and not any(line.startswith("MAIL") for _, line in sink.commands)


def test_a_probe_speaks_tls_as_a_delivery_does(culver):
    """Where the next hop has STARTTLS nothing of the envelope goes in the clear."""
    authority = certificates.Authority(culver.folder)
    with smtp.Sink(answer=knows("ann"), tls=certificates.server_context(authority.issue("hop", ["hop.test"]))) as sink:
        verified(culver, sink.port, "    tls required")
        assert [r.code for r in rcpt(culver, "ann", "nobody")] == [250, 550]
        lines = [line for _, line in sink.commands]
        assert len(sink.handshakes) == 1 and lines.index("STARTTLS") < min(n for n, line in enumerate(lines) if line.startswith("MAIL"))


def test_kill_and_a_damaged_database(culver):
    with smtp.Sink(answer=knows("ann")) as sink:
        verified(culver, sink.port)
        assert rcpt(culver, "ann")[0].code == 250
        since = culver.log.mark()
        culver.kill(culver.pid("verify"))
        culver.wait_event("serving", program="verify", since=since)
        assert rcpt(culver, "ann", "nobody")[1].code == 550
        assert asked(sink, "ann") == 1
        culver.stop()
        path = os.path.join(culver.verified_path, "verified.db")
        with open(path, "r+b") as file:
            file.write(b"this is no database at all, whatever it was")
        culver.start()
        culver.wait_event("verified-damaged")
        assert [r.code for r in rcpt(culver, "ann", "nobody")] == [250, 550]
        assert asked(sink, "ann") == 2
        assert os.path.exists(path + ".damaged")
        assert sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("SELECT count(*) FROM verified").fetchone() == (2,)


def test_verify_is_gone(culver):
    """Nobody answers: as if the next hop could not be asked."""
    culver.verify += ["wait 1s"]
    with smtp.Sink(answer=knows()) as sink:
        verified(culver, sink.port)
        pid = culver.pid("verify")
        os.kill(pid, signal.SIGSTOP)
        try:
            assert rcpt(culver, "nobody")[0].code == 250
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_place_that_takes_everybody_is_noted(culver):
    culver.limit.append("recipients 1000")
    with smtp.Sink() as sink:
        verified(culver, sink.port)
        rcpt(culver, *[f"n{n}" for n in range(101)])
        told = culver.wait_event("next-hop-takes-all", domain=DOMAIN)
        assert told["recipients"] == "100"


STRANGERS = {"postfix": postfix.Postfix, "exim": exim.Exim}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_real_next_hop(culver, name):
    """Postfix and Exim say who is there."""
    try:
        stranger = STRANGERS[name](next_hop=peers.free_port(), replies={"nobody": "550 5.1.1 no such user", "later": "450 4.2.0 later"})
    except peers.Unavailable as why:
        pytest.skip(str(why))
    with stranger:
        verified(culver, stranger.port, domain="remote.test")
        codes = [r.code for r in rcpt(culver, "ann", "nobody", "later", domain="remote.test")]
        assert codes == [250, 550, 250]
        rows = listing(culver)
        assert rows["nobody@remote.test"]["code"] == 550 and "later@remote.test" not in rows
