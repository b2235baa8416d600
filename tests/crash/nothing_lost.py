#!/usr/bin/python3
"""Nothing accepted is lost: every program is killed (SIGKILL) while at least 20 sessions bring mail.

    nothing_lost.py [--messages 2000] [--mode user|root|both] [--early off|TIME|both] [--sessions 20] [--seed N]

Run by `make crash` and `make crash-short`.  Each client writes each 250 (tag and id) to a file, flushed, before it
sends on; some bring theirs by sendmail(1), whose exit status 0 is a 250.  Between the first and the last message each
program, some of its sessions or agents, master and all at once are killed; the times in the log prove it.  At the
end every 250 must have arrived where it was to go (ways.py) or, where the next hop refused, as a notice.
Each run is made without early delivery (a 250 means: in the spool) and with it (a 250 means: in the spool, or already
there); then a client may be told the refusal itself, which is the end of that message.

A message may arrive twice in one window only: its delivery was under way when something was killed that delivers or
that notes deliveries (queue-manager, delivery, local, bounce, master).  Such doubles are counted; any other is a failure.
A message whose 250 was lost with its connection is sent again under another tag, so it never looks like a double.
"""

import argparse
import collections
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import culver as helper  # noqa: E402
import eventlog  # noqa: E402
import mail  # noqa: E402
import processes  # noqa: E402
import smtp  # noqa: E402
import ways  # noqa: E402

WINDOW_S = 0.5  # how near to a kill a first arrival must be to count as "under way"
MAY_SEE = {"421", "451"}  # what a client may be told while programs die; it may also lose its connection
DOUBLING = {"queue-manager", "delivery", "local", "bounce", "master", "all"}
SLOW_SESSIONS = 3  # always in the middle of a message, so that a kill finds files without `queued`
READY_S = 60
DIED_S = 10
DRAIN_S = 120
EXTRA_ROUNDS = 5
SERVICES = ["smtpd", "submit", "queue-manager", "delivery", "local", "bounce", "lookup", "resolver", "auth", "verify", "log"]
BY_SENDMAIL = 7  # one message in that many; no divisor of ten, so that each way gets some (ways.WAY)
EX_TEMPFAIL = 75


class Traffic:
    """The clients: numbered messages until all are accepted; gates keep them from being ready before the last kill."""

    def __init__(self, instance, recipient, messages, sessions, folder):
        self.instance, self.recipient, self.messages, self.sessions = instance, recipient, messages, sessions
        self.written = open(os.path.join(folder, "accepted"), "a", encoding="ascii")
        self.lock = threading.Condition()
        self.next_number = 0
        self.accepted = {}  # tag -> id
        self.refused = 0  # told to the client: nobody owes anything
        self.failures = collections.Counter()
        self.limit = 0  # no message above this number is begun
        self.up = threading.Event()
        self.up.set()
        self.stopped = False
        self.slow_in_data = 0
        self.by_sendmail = 0
        self.wrong = None
        self.threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(sessions)]
        self.threads += [threading.Thread(target=self._slow, args=(n,), daemon=True) for n in range(SLOW_SESSIONS)]

    def start(self):
        """All sessions begin."""
        for thread in self.threads:
            thread.start()

    def allow(self, limit):
        """Messages up to that number may be sent."""
        with self.lock:
            self.limit = limit
            self.lock.notify_all()

    def wait_accepted(self, count, deadline=READY_S):
        """Until that many have their 250."""
        with self.lock:
            good = self.lock.wait_for(lambda: self.wrong or len(self.accepted) + self.refused >= count, deadline) and not self.wrong
        assert good, self.wrong or f"only {len(self.accepted)} of {count} messages accepted after {deadline} s: {self.failures}"

    def finish(self):
        """The clients end."""
        with self.lock:
            self.stopped = True
            self.lock.notify_all()
        self.up.set()
        for thread in self.threads:
            thread.join(READY_S)
        self.written.close()

    def _number(self):
        """The next message's number; None at the end."""
        with self.lock:
            self.lock.wait_for(lambda: self.stopped or self.next_number < min(self.limit, self.messages))
            if self.stopped:
                return None
            self.next_number += 1
            return self.next_number - 1

    def content(self, number, tag):
        """1 to 40 KB, the same for the same tag."""
        return mail.small(tag, random.Random(tag).choice([1200, 4000, 12000, 40000]))

    def _record(self, tag, ident):
        """The 250 is in the file before anything else is done."""
        with self.lock:
            self.written.write(f"{tag} {ident}\n")
            self.written.flush()
            self.accepted[tag] = ident
            self.lock.notify_all()

    def _was_refused(self):
        with self.lock:
            self.refused += 1
            self.lock.notify_all()

    def _end(self, why):
        """What no client may see: the run ends."""
        with self.lock:
            self.wrong = why
            self.lock.notify_all()
        raise SystemExit(why)

    def _failed(self, why):
        with self.lock:
            self.failures[why] += 1

    def _sendmail(self, number, tag):
        """sendmail(1) as a user; whether it says that the message is taken."""
        try:
            done = self.instance.named("sendmail", "-v", "-i", "-f", self.instance.address, self.recipient(number),
                                       input=mail.lf(self.content(number, tag)), entry=self.instance.place.users[0])
        except subprocess.TimeoutExpired:
            self._end(f"{tag}: sendmail hangs")
        if done.returncode == 0:
            self._record(tag, re.search(rb"<<< 250 .*\b([0-9A-F]{13,})\b", done.stderr)[1].decode())
            with self.lock:
                self.by_sendmail += 1
            return True
        if b"<<< 550 " in done.stderr and self.recipient(number).startswith("refused"):
            self._was_refused()
            return True
        # a negative one: it was killed with all the others
        self._failed(f"sendmail {done.returncode}")
        if done.returncode > 0 and done.returncode != EX_TEMPFAIL:
            self._end(f"{tag}: sendmail: {done.returncode}: {done.stderr}")
        return False

    def _open(self, submission=False):
        door = self.instance.socket_path("submission") if submission else self.instance.port
        client = smtp.Client(door, timeout=READY_S, greet=False)
        reply = client.reply()
        smtp.check(reply, 220)
        client.ehlo()
        return client

    def _client(self, _):
        client = None
        while (number := self._number()) is not None:
            attempt = 0
            while True:
                tag = f"m{number}-{attempt}"
                attempt += 1
                try:
                    if number % BY_SENDMAIL == 0:
                        self.up.wait(READY_S)
                        if self._sendmail(number, tag):
                            break
                        continue
                    if client is None:
                        self.up.wait(READY_S)
                        client = self._open()
                    reply = client.message(self.instance.address, [self.recipient(number)], self.content(number, tag))
                    if reply.code == 250:
                        self._record(tag, self.instance.accepted_id(reply))
                        break
                    if reply.code == 550 and self.recipient(number).startswith("refused"):
                        self._was_refused()
                        break
                    self._failed(str(reply.code))
                    if reply.code >= 500:
                        self._end(f"{tag}: {reply}")
                except (OSError, smtp.Closed, smtp.Unexpected) as problem:
                    self._failed(trouble(problem))
                    if client:
                        client.close()
                    client = None
        if client:
            client.close()

    def _slow(self, number):
        """Half a message, then what the server does about it; accepted ones count like all others.  The first goes to `submit`."""
        turn = 0
        while not self.stopped:
            tag = f"slow{number}-{turn}"
            turn += 1
            client = None
            try:
                self.up.wait(READY_S)
                client = self._open(submission=number == 0)
                client.command(f"MAIL FROM:<{self.instance.address}>", 250)
                client.command(f"RCPT TO:<{self.instance.address}>", 250)
                client.command("DATA", 354)
                content = self.content(0, tag)
                client.send(content[:len(content) // 2])
                with self.lock:
                    self.slow_in_data += 1
                    self.lock.notify_all()
                try:
                    # until it is cut off, or for a while: the wait is for the server's word
                    client.socket.settimeout(random.Random(tag).uniform(0.5, 3))
                    try:
                        client.reply()
                    except socket.timeout:
                        pass
                finally:
                    with self.lock:
                        self.slow_in_data -= 1
                client.close()
                client = None
            except (OSError, smtp.Closed, smtp.Unexpected) as problem:
                self._failed(trouble(problem))
            finally:
                if client:
                    client.close()

    def wait_slow(self):
        """Until at least one session is in the middle of its data."""
        with self.lock:
            return self.lock.wait_for(lambda: self.slow_in_data > 0, READY_S)


def trouble(problem):
    """Its name for the count: the code of a reply, else what happened to the connection."""
    return str(problem.reply.code) if isinstance(problem, smtp.Unexpected) else type(problem).__name__


class Killer:
    """Kills, waits until what was killed is back, and remembers when."""

    def __init__(self, instance, traffic):
        self.instance, self.traffic = instance, traffic
        self.kills = []  # (time, what)
        self.replays = []

    def _note(self, what):
        self.kills.append((time.time(), what))

    def program(self, name):
        """The process that master started."""
        since = self.instance.mark()
        pid = self.instance.pid(name)
        self._note(name)
        self.instance.kill(pid)
        self.instance.wait_event("started", READY_S, since=since, program=name)
        if name == "queue-manager":
            self._replayed(since)

    def child(self, name):
        """A session or an agent; False when there is none right now."""
        main = self.instance.pid(name)
        below = processes.descendants(main)
        # sessions outlive a listener that was killed: those count too
        pids = below or [pid for pid in self.instance.pids().get(name, []) if pid != main]
        if not pids:
            return False
        since = self.instance.mark()
        self._note(name)
        self.instance.kill(pids[-1])
        if name in ("smtpd", "submit") and below:
            try:
                self.instance.wait_event("session-died", DIED_S, since=since)
            except eventlog.NoEvent:
                return False  # it had come to its end by itself just then
        return True

    def everything(self, master_only=False):
        """master alone (the others end with it), or all at once; then it is started again."""
        self.traffic.wait_slow()
        self.traffic.up.clear()
        # what master started ends with it; sessions and agents may end in their own time
        services = [pid for name, pid in self.instance.mains().items() if name != "master"]
        watches = [processes.Watch(pid) for pid in services if processes.alive(pid)]
        self._note("master" if master_only else "all")
        if master_only:
            self.instance.kill(self.instance.process.pid)
            self.instance.process.wait()
            self.instance.process = None
        else:
            self.instance.kill(*self.instance.orphans())
            self.instance.kill_all()
        for watch in watches:
            assert watch.wait(READY_S), f"{watch.pid} outlives its master"
            watch.close()
        since = self.instance.mark()
        self.instance.start()
        self._replayed(since)
        self.traffic.up.set()

    def _replayed(self, since):
        event = self.instance.wait_event("replayed", READY_S, since=since)
        self.replays.append((int(event["queued"]), int(event["unqueued"]), int(event["damaged"])))


def schedule():
    """What is killed, in order: (function name, argument)."""
    plan = []
    for name in SERVICES:
        plan.append(("program", name))
    plan += [("child", "smtpd"), ("child", "submit"), ("child", "delivery"), ("child", "local"), ("child", "bounce")]
    plan += [("everything", True), ("program", "queue-manager"), ("everything", False), ("everything", False)]
    return plan


def drain(instance):
    """Until the queue is empty: each round waits for another message to be done."""
    until = time.monotonic() + DRAIN_S
    while True:
        since = instance.mark()
        rows = [json.loads(line) for line in instance.command("status", "--json", check=0).stdout.splitlines()]
        queue = next(row for row in rows if row.get("kind") == "queue")
        if queue["messages"] == 0:
            return
        assert time.monotonic() < until, f"the queue does not empty: {queue}"
        try:
            instance.command("queue", "retry", "all")
            instance.log.wait("done", 5, since=since)
        except eventlog.NoEvent:
            pass


def run(place, messages, sessions, early):
    """One run in one place; prints its numbers and returns whether all is well."""
    instance = helper.Culver(place)
    instance.replaced["early-delivery"] = early
    instance.outbound.append("retry 200ms 1s")
    instance.limit += ["sessions-per-client 200", "concurrency 5", "errors 1000"]
    with ways.Ways(instance) as there:
        try:
            instance.start()
            instance.named("sendmail", "-bi")  # its name is there before the clients share it
            traffic = Traffic(instance, there.recipient, messages, sessions, instance.logs)
            killer = Killer(instance, traffic)
            traffic.start()
            plan = schedule()
            step = messages // (len(plan) + 1)
            for n, (kind, argument) in enumerate(plan, 1):
                # the kill comes while the sessions are busy with the messages of this stage
                traffic.allow(n * step)
                traffic.wait_accepted(max(1, n * step - step // 2))
                kill(killer, kind, argument)
            for _ in range(EXTRA_ROUNDS):
                if sum(r[0] for r in killer.replays) and sum(r[1] for r in killer.replays):
                    break
                killer.everything()
            traffic.allow(messages)
            traffic.wait_accepted(messages, 300)
            traffic.finish()
            drain(instance)
            return report(instance, there, traffic, killer, early)
        except BaseException:
            print(f"---- end of the log\n{instance.log.tail()}\n---- stderr\n{instance.stderr()[-3000:]}", file=sys.stderr)
            raise
        finally:
            instance.close()


def kill(killer, kind, argument):
    """One line of the plan; a child that does not exist right now is waited for by its traffic, then left out."""
    if kind == "child":
        if not killer.child(argument):
            print(f"  no child of {argument} at that moment")
    elif kind == "everything":
        killer.everything(argument)
    else:
        killer.program(argument)


def is_under_way(times, kills, delivered):
    """Whether each arrival but the last was near a kill, before the next one, and not yet noted as delivered at the kill."""
    return all(any(abs(at - kill) <= WINDOW_S and kill <= later and not any(noted < kill for noted in delivered[:n + 1])
                   for kill in kills)
               for n, (at, later) in enumerate(zip(times, times[1:])))


def report(instance, there, traffic, killer, early):
    """Compares what was promised with what came."""
    with open(os.path.join(instance.logs, "accepted"), encoding="ascii") as file:
        promised = dict(line.split() for line in file)
    found, came_by, unjust = there.arrivals()
    lost = sorted(tag for tag in promised if tag not in found)
    twice = {tag: sorted(times) for tag, times in found.items() if len(times) > 1}
    near = [at for at, what in killer.kills if what in DOUBLING]
    noted = collections.defaultdict(list)
    for event in instance.events("delivered"):
        noted[event["id"]].append(event.time)
    outside = {tag: times for tag, times in twice.items() if not is_under_way(times, near, noted[promised.get(tag)])}
    unkind = {why for why in traffic.failures if why.isdigit() and why not in MAY_SEE}
    # a way that nothing went was not tested
    unused = [way for way in ("smarthost", "user", "virtual", *(["notice"] if early == "off" else []), *(["mx"] if there.name_server else []),
                              *(["lmtp"] if there.dovecot else [])) if not came_by[way]]
    unpromised = sum(tag not in promised for tag in found)
    accepted = [e.time for e in instance.events("accepted")]
    first, last = min(accepted), max(accepted)
    between = all(first < at < last for at, _ in killer.kills)
    queued, unqueued, damaged = (sum(r[n] for r in killer.replays) for n in range(3))
    counts = collections.Counter(what for _, what in killer.kills)
    print(f"  kills: {', '.join(f'{what} {n}' for what, n in counts.items())}; "
          f"{'all' if between else 'NOT all'} between the first and the last message of the log "
          f"({last - first:.1f} s)")
    print(f"  replayed {len(killer.replays)} times: {queued} files with `queued`, {unqueued} without, {damaged} damaged")
    print(f"  clients met: {dict(traffic.failures) or 'no trouble'}")
    print(f"  came by {', '.join(f'{way} {n}' for way, n in came_by.items())}; {traffic.by_sendmail} were brought by sendmail"
          + (f"; NOTHING by {unused}" if unused else ""))
    for letter in unjust[:3]:
        print(f"  A NOTICE of what nobody refused: {letter.decode()[:2000]}")
    for tag in lost[:20]:
        print(f"  LOST {tag} {promised[tag]}")
    for tag, times in list(outside.items())[:20]:
        print(f"  DOUBLE outside of the window: {tag} {promised.get(tag)} at {times}")
    # a run with early delivery that had none proves nothing
    has_early = traffic.refused > 0 or early == "off"
    print(f"  early delivery {early}: {traffic.refused} refusals told to the client")
    good = (not (lost or outside or unjust or unkind or unused or damaged)
            and traffic.by_sendmail > 0 and between and queued > 0 and unqueued > 0 and has_early)
    print(f"crash: {instance.place.mode}: {len(promised)} accepted, {len(promised) - len(lost)} arrived, {len(lost)} lost, "
          f"{len(twice)} doubled in the window of a kill, {len(outside)} doubled outside, {unpromised} arrived whose 250 "
          f"was cut off: {'PASSED' if good else 'FAILED'}")
    return good


def main():
    """Both modes, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--mode", default=" ".join(helper.modes()).replace("user root", "both"))
    parser.add_argument("--early", default="both", help="what `early-delivery` says: off, auto or a time; both: off, then 5s")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    random.seed(options.seed)
    helper.become_subreaper()
    helper.end_on_signals()
    good = True
    try:
        for mode in ["user", "root"] if options.mode == "both" else [options.mode]:
            try:
                place = helper.place(mode)
            except helper.Unusable as reason:
                print(f"crash: {mode}: left out: {reason}")
                continue
            for early in ["off", "5s"] if options.early == "both" else [options.early]:
                good = run(place, options.messages, options.sessions, early) and good
    finally:
        helper.close_all()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
