"""Reload without a dropped session; the table of clients goes over; a listener that lost a session is replaced."""

import os
import signal
import threading

import mail
import processes
import smtp

CLIENTS = 8
RELOADS = 20


class Load:
    """Clients that send one message after another, some on one connection, until they are told to end."""

    def __init__(self, culver, count):
        self.culver, self.ending = culver, threading.Event()
        self.sent, self.errors = [], []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(count)]

    def _run(self, number):
        sent = 0
        try:
            while not self.ending.is_set():
                with self.culver.smtp() as client:
                    client.ehlo()
                    for _ in range(1 + number % 4):
                        tag = f"c{number}-{sent}"
                        smtp.check(client.message("a@client.test", [self.culver.address], mail.small(tag)), 250)
                        sent += 1
                        with self.lock:
                            self.sent.append(tag)
                    client.command("QUIT", 221)
        except Exception as wrong:  # whatever a client sees that is no success
            self.errors.append((number, sent, repr(wrong)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)


def test_20_reloads_under_load_and_no_client_sees_an_error(culver):
    culver.start()
    with culver.smtp() as first:
        first.ehlo()
        with Load(culver, CLIENTS) as load:
            for n in range(RELOADS):
                since = culver.mark()
                culver.limit[:] = [f"errors {50 + n}"]
                culver.write()
                culver.command("reload", check=0)
                culver.wait_event("ready", since=since)
        assert not load.errors
        # and one that was there before the first reload goes on
        smtp.check(first.message("a@client.test", [culver.address], mail.small("first")), 250)
        first.command("QUIT", 221)
    culver.wait_event("done", count=len(load.sent) + 1, deadline=60)
    tags = sorted(mail.tag_of(letter) for letter in culver.maildir().letters())
    assert tags == sorted(load.sent + ["first"])
    assert len(load.sent) > RELOADS
    assert not culver.events("session-died") and not culver.events("table-lost")
    # the listeners of former generations have ended with their last session
    for _ in range(100):
        if len([e for e in culver.events("ended", program="smtpd")]) == RELOADS:
            break
        culver.wait_event("ended", program="smtpd", count=RELOADS)
    assert {e["status"] for e in culver.events("ended", program="smtpd")} == {"0"}


def test_limits_hold_across_a_reload(culver):
    culver.limit.append("sessions-per-client 2")
    culver.start()
    old = [culver.smtp() for _ in range(2)]
    for _ in range(2):
        since = culver.mark()
        culver.command("reload", check=0)
        culver.wait_event("ready", since=since)
    refused = culver.smtp(greet=False)
    smtp.check(refused.reply(), 421)
    refused.close()
    since = culver.mark()
    old[0].command("QUIT", 221)
    old[0].close()
    culver.wait_event("disconnected", since=since, reason="quit")
    # its process is looked for, not waited for: the listener before is the one that reaps it
    while True:
        new = culver.smtp(greet=False)
        reply = new.reply()
        if reply.code != 421:
            break
        new.close()
    smtp.check(reply, 220)
    old[1].command("NOOP", 250)
    for client in (old[1], new):
        client.close()


def test_a_session_killed_by_a_signal_replaces_the_listener_and_the_others_go_on(culver):
    culver.start()
    with culver.smtp() as other, culver.smtp() as victim:
        other.ehlo()
        listener = culver.pid("smtpd")
        before = {pid: None for pid in processes.descendants(listener)}
        assert len(before) == 2
        victim.ehlo("victim.test")
        # which one: the session that began last; their lines may come in another order
        culver.wait_event("connected", count=2)
        session = max(culver.events("connected"), key=lambda event: event["session"])
        since = culver.mark()
        os.kill(session.pid, signal.SIGSEGV)
        died = culver.wait_event("session-died", since=since)
        assert int(died["pid"]) == session.pid and int(died["signal"]) == signal.SIGSEGV
        assert died["client"] == session["client"]
        assert victim.ended()
        culver.wait_event("started", since=since, program="smtpd")
        culver.wait_event("serving", since=since, program="smtpd")
        assert culver.pid("smtpd") != listener
        with culver.smtp() as new:
            new.ehlo()
            smtp.check(new.message("a@client.test", [culver.address], mail.small("new")), 250)
        smtp.check(other.message("a@client.test", [culver.address], mail.small("other")), 250)
        culver.wait_event("done", count=2)
        assert not [e for e in culver.events("ended", since=since) if e["program"] == "smtpd"]
        other.command("QUIT", 221)
    ended = culver.wait_event("ended", since=since, program="smtpd")
    assert int(ended["pid"]) == listener and ended["status"] == "80"


def test_local_sessions_outlive_a_reload_too(culver):
    culver.start()
    since = culver.mark()
    culver.command("reload", check=0)
    culver.wait_event("ready", since=since)
    culver.named("sendmail", culver.address, input=b"Subject: after\n\nx\n", check=0, entry=culver.place.users[0])
    culver.wait_event("done")
