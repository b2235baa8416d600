"""What is measured: each scenario by name, and how one round of it goes.

A round is a function of (Bench, Mta, Scenario, messages) that returns a dictionary; ratios are taken of "speed", where that is not there of
"rate"; the other keys are columns of the table.  Every round checks at the sink (or in the Maildir) that each message came exactly once.
"""

import dataclasses
import itertools
import os
import time

import measure
from maildir import LetterCounter
from mta_culver import UNKNOWN
from tools import Load, Secure

PATIENCE_S = 240  # for the last message of a round
STUCK_S = 8  # without a delivery: what has not come by then is deferred
CONNECT_S = 60  # the longest that a system waits for a host that does not answer
LIST_RECIPIENTS = 1000  # of each letter of a list
LIST_CLIENT = "127.1.1.1"  # not the one of the letters: who sends is told apart by that
LETTERS = 50  # of somebody else, behind a list
NEW_BESIDE_DEAD = 500
NEW_BESIDE_SITES = 2000
_tags = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One row of the table; counts are those of the full run."""

    name: str
    what: str
    round: callable
    messages: int
    sessions: int = 1
    per_session: int = 0  # messages a connection; 0: all of them
    size: int = 4096
    recipients: int = 1
    domain: str = "remote.test"
    only: tuple = ()  # names of the systems it is measured with; empty: all
    short: bool = False
    spoils: bool = False  # the queue is not empty afterwards: start anew
    takes: bool = True  # messages, that is: who does not sync them is no measure
    counted: bool = True  # a round more, for what the kernel counts
    rounds: int = 0  # 0: as many as asked for


def _load(bench, mta, scenario, messages, to, **more):
    tag = f"r{next(_tags)}"
    words = {"messages": messages, "sessions": scenario.sessions, "per_session": scenario.per_session, "size": scenario.size,
             "recipients": scenario.recipients, "rcpt": to, "tag": tag, "connecting": mta.connecting, **more}
    bench.sink.round(tag, words["messages"], words["recipients"])
    return Load(mta.port, **words), tag


def _common(sent, got):
    """Columns that every relay has."""
    took = (got["last_us"] - sent["start_us"]) / 1e6
    return {
        "rate": got["delivered"] / took if took > 0 and got["delivered"] else 0.0, "accepted": sent["per_second"],
        "p50": sent["to_250_p50_ms"], "p99": sent["to_250_p99_ms"], "p999": sent["to_250_p999_ms"], "missing": got["missing"],
        "duplicates": got["duplicates"] + got["strangers"], "errors": sent["refused"] + sent["broken"],
        "first_error": sent["first_error"],
    }


def relay(bench, mta, scenario, messages):
    """From the first connection to the last message at the next hop."""
    load, _ = _load(bench, mta, scenario, messages, f"r%r@{scenario.domain}")
    sent = load.result()
    return _common(sent, _until_stuck(bench, sent["accepted"] * scenario.recipients))


def handshakes(bench, mta, scenario, messages):
    """Connections a second, each with a full handshake; the times are those of a connection."""
    sent = Secure(mta.port, handshakes=messages, sessions=scenario.sessions).result()
    result = _common(sent, bench.sink.report())
    result.update(rate=sent["per_second"], missing=0, duplicates=0)
    return result


def relay_tls(bench, mta, scenario, messages):
    """As `relay`, and what comes in comes by TLS, many messages a session."""
    tag = f"r{next(_tags)}"
    bench.sink.round(tag, messages, 1)
    sent = Secure(mta.port, messages=messages, sessions=scenario.sessions, size=scenario.size, rcpt=f"r0@{scenario.domain}", tag=tag).result()
    return _common(sent, _until_stuck(bench, sent["accepted"]))


def intake(bench, mta, scenario, messages):
    """Only what comes in: the next hop defers."""
    load, _ = _load(bench, mta, scenario, messages, f"r%r@{scenario.domain}")
    result = _common(load.result(), bench.sink.report())
    result.update(rate=result["accepted"], missing=0)
    return result


def maildir(bench, mta, scenario, messages):
    """From the first connection to the last letter in new/."""
    counter = LetterCounter(mta.new_folder)
    load, tag = _load(bench, mta, scenario, messages, bench.mailbox_address)
    sent = load.result()
    last = counter.wait(sent["accepted"], PATIENCE_S)
    result = _common(sent, bench.sink.report())
    numbers = counter.take_letters(tag)
    result.update(rate=len(numbers) / (last - sent["start_us"] / 1e6), missing=sent["accepted"] - len(set(numbers)),
                  duplicates=len(numbers) - len(set(numbers)))
    return result


def _delays(sent, got, filled=None):
    """New mail beside other mail: how late it comes; what is not of this round at the sink is the other mail."""
    result = _common(sent, got)
    result.update(speed=1 / got["delay_p99_ms"] if got["delay_p99_ms"] else 0, delay_p50=got["delay_p50_ms"],
                  delay_p99=got["delay_p99_ms"], duplicates=got["duplicates"])
    if filled:
        result["errors"] += filled["refused"] + filled["broken"]
    return result


def _until_stuck(bench, wanted, stuck_s=STUCK_S):
    """The sink's result when all are there, or when nothing has come for that long."""
    before = -1
    while True:
        got = bench.sink.wait(max(1, wanted), stuck_s)
        if got["delivered"] in (wanted, before):
            return got
        before = got["delivered"]


def limited(bench, mta, scenario, messages):
    """A receiver that turns connections away: what is deferred, and the rate of the rest."""
    load, _ = _load(bench, mta, scenario, messages, f"r%r@{scenario.domain}")
    sent = load.result()
    got = _until_stuck(bench, sent["accepted"])
    result = _common(sent, got)
    result.update(deferred=got["missing"] / messages, missing=0, turned_away=sum(one["turned_away"] for one in got["listeners"]))
    return result


def pair(bench, mta, scenario, messages):
    """One of two hosts black-holed, as a share of the rate with both: while that is found out, and once it is known."""
    normal = relay(bench, mta, dataclasses.replace(scenario, domain="two.test"), messages)
    rounds = []
    for _ in range(2):
        load, _ = _load(bench, mta, scenario, messages, f"r%r@{scenario.domain}")
        sent = load.result()
        got = _until_stuck(bench, sent["accepted"], CONNECT_S)
        rounds.append({**_common(sent, got), "first_delivered": (got["first_us"] - sent["start_us"]) / 1e6})
    found, known = rounds
    known.update(share=known["rate"] / normal["rate"], share_found=found["rate"] / normal["rate"], first_delivered=found["first_delivered"],
                 deferred=(found["missing"] + known["missing"]) / messages / 2, missing=0)
    return known

def behind_list(bench, mta, scenario, messages):
    """Letters of one sender, one every 100 ms, behind a list's `messages` letters to 1,000 recipients each, at the same slow site."""
    bench.sink.round("list", messages, LIST_RECIPIENTS)
    filled = Load(mta.port, messages=messages, sessions=4, recipients=LIST_RECIPIENTS, rcpt=f"r%r@{scenario.domain}", tag="list",
                  connecting=mta.connecting, source=LIST_CLIENT, **{"from": "list@client.test"}).result()
    load, _ = _load(bench, mta, scenario, LETTERS, f"r%r@{scenario.domain}", every=100)
    sent = load.result()
    return _delays(sent, _until_stuck(bench, LETTERS), filled)


def beside_sites(bench, mta, scenario, messages):
    """New mail, a message every 10 ms, from the moment of a start with `messages` for 5,000 sites, two thirds of them dead or slow."""
    mta.stop()
    mta.fill_sites(bench.site_ports, messages)
    mta.start()
    load, _ = _load(bench, mta, scenario, NEW_BESIDE_SITES, "r%r@remote.test", every=10)
    sent = load.result()
    result = _delays(sent, bench.sink.wait(NEW_BESIDE_SITES, PATIENCE_S))
    mta.forget_sites()
    return result


def beside_herd(bench, mta, scenario, messages):
    """Letters, one every 50 ms, each to a site of its own that nobody has written to, beside one sender's `messages` for sites that nobody has written to either."""
    mta.stop()
    mta.fill_sites(bench.site_ports, messages, tried=False)
    mta.start()
    load, _ = _load(bench, mta, scenario, UNKNOWN, "r0@n%d.test", every=50, domains=UNKNOWN, source=LIST_CLIENT)
    sent = load.result()
    result = _delays(sent, bench.sink.wait(UNKNOWN, PATIENCE_S))
    mta.forget_sites()
    return result


def _fill(bench, mta, messages):
    """That many messages to a site that does not answer; they are in the queue then."""
    tag = f"r{next(_tags)}"
    bench.sink.round(tag, messages, 1)
    return Load(mta.port, messages=messages, sessions=20, size=4096, rcpt="r%r@dead.test", tag=tag, connecting=mta.connecting).result()


def beside_dead(bench, mta, scenario, messages):
    """New mail, a message every 10 ms, while `messages` wait for a dead site: how late it comes."""
    filled = _fill(bench, mta, messages)
    load, _ = _load(bench, mta, scenario, NEW_BESIDE_DEAD, "r%r@remote.test", every=10)
    sent = load.result()
    return _delays(sent, bench.sink.wait(NEW_BESIDE_DEAD, PATIENCE_S), filled)


def restart(bench, mta, scenario, messages):
    """Started with a large queue: seconds until a message is taken, and until it is delivered."""
    filled = _fill(bench, mta, messages)
    mta.stop()
    began = time.monotonic()
    mta.start()
    load, _ = _load(bench, mta, scenario, 1, "r%r@remote.test")
    sent = load.result()
    taken = sent["start_us"] / 1e6 + sent["seconds"] - began
    got = bench.sink.wait(1, PATIENCE_S)
    result = _common(sent, got)
    delivered = got["last_us"] / 1e6 - began
    result.update(speed=1 / delivered, first_taken=taken, first_delivered=delivered, errors=filled["refused"] + filled["broken"],
                  queue_mb=measure.memory_kb(mta.pids()) / 1024)
    return result


def _relays():
    for size, short_name, messages in ((4096, "4k", 4000), (102400, "100k", 1000)):
        for sessions in (1, 20, 100, 400) if size == 4096 else (1, 20, 100):
            each = messages // 4 if sessions == 1 else messages * max(1, sessions // 100)  # 40 a session: its begin is not the measure
            yield Scenario(f"relay-{short_name}-{sessions}", f"relay {short_name.upper()}B, {sessions} sessions, many messages each", relay,
                           each, sessions, size=size, short=(size, sessions) == (4096, 20))
            yield Scenario(f"relay-{short_name}-{sessions}-each", f"relay {short_name.upper()}B, {sessions} sessions, one message a connection",
                           relay, messages // 8 if sessions == 1 else messages // 2, sessions, per_session=1, size=size,
                           short=(size, sessions) == (4096, 20))


SCENARIOS = [
    *_relays(),
    Scenario("intake-4k-20", "taken in while the next hop defers, 20 sessions", intake, 2000, 20, domain="defer.test", spoils=True),
    *(Scenario(f"maildir-{sessions}", f"Maildir, {sessions} sessions", maildir, 2000 if sessions > 1 else 500, sessions,
               short=sessions == 20) for sessions in (1, 20, 100)),
    Scenario("handshakes-20", "full TLS handshakes (RSA 2048, TLS 1.3), 20 at a time, a connection each", handshakes, 2000, 20, takes=False),
    Scenario("relay-tls-20", "relay 4KB by STARTTLS, 20 sessions, many messages each", relay_tls, 4000, 20),
    Scenario("fanout-1000", "fan-out: messages to 1,000 recipients each", relay, 20, 2, recipients=1000),
    Scenario("limited-5", "a receiver that allows 5 connections, 421 beyond", limited, 2000, 20, domain="busy.test", spoils=True, rounds=3),
    Scenario("pair", "one of two hosts black-holed, the first", pair, 6000, 20, domain="pair.test", only=("Culver", "Culver synced"), spoils=True, rounds=3),
    Scenario("beside-dead", "new mail beside 20,000 messages to a dead site", beside_dead, 20000, 4, spoils=True, rounds=3),
    Scenario("beside-sites", "new mail beside 100,000 messages to 5,000 sites, a third dead, a third slow", beside_sites, 100000, 4,
             only=("Culver", "Culver synced"), spoils=True, counted=False, rounds=3),
    Scenario("beside-herd", "letters to unknown sites beside 100,000 new messages of another sender to 5,000 sites, as above", beside_herd, 100000, 4,
             only=("Culver", "Culver synced"), spoils=True, counted=False, rounds=3),
    Scenario("behind-list", "letters of one sender behind 100,000 recipients of a list, the same slow site", behind_list, 100, 1,
             domain="list.test", spoils=True, counted=False, rounds=3),
    Scenario("restart", "start with 20,000 messages in the queue", restart, 20000, 1, spoils=True, counted=False, rounds=3),
]


def drop_letters(folder):
    """An empty new/."""
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
