"""Sites: a receiver that takes five connections, one dead host of two, a rate answer, a place that comes back."""

import threading

import mail
import peers
import smtp
from test_dns import ZONE, configure, server, sinks, submit  # noqa: F401  (fixtures)

MESSAGES = 120


def send_many(culver, count, domain, sessions=4):
    """That many messages over a few connections."""
    def run(number):
        with culver.smtp() as client:
            client.ehlo()
            for at in range(count // sessions):
                smtp.check(client.message("a@client.test", [f"x@{domain}"], mail.small(f"{number}-{at}")), 250)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(sessions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return count // sessions * sessions


class Few(smtp.Sink):
    """Takes so many connections at a time and turns away the others; is slow enough to be wanted more of."""

    def __init__(self, few, **options):
        super().__init__(answer=self.choose, **options)
        self.few, self.turned_away = few, 0
        self.slow = threading.Event()  # never set: a clock

    def choose(self, verb, _argument, _default):
        if verb == "CONNECT" and len(self._open) > self.few:
            self.turned_away += 1
            return b"421 4.7.0 too many connections\r\n"
        if verb == "MAIL":
            self.slow.wait(0.02)
        return None


def test_a_receiver_of_five_connections_defers_nothing(culver):
    with Few(5) as sink:
        culver.outbound += ["retry 1m"]
        culver.relay_to(sink.port).start()
        count = send_many(culver, MESSAGES, "remote.test")
        culver.wait_event("done", count=count)
        assert len(sink.messages) == count
        # it was asked for more than it takes, and found out what it takes
        assert sink.turned_away > 0 and culver.events("turned-away")
        assert len(culver.events("deferred")) <= count // 20


def test_a_dead_host_of_two_is_met_once(culver, server, sinks):  # noqa: F811
    culver.limit += ["messages-per-connection 1"]
    configure(culver, server({"mail.example": ZONE}), sinks, "elsewhere.mail.example").start()
    good = sinks.at("127.0.0.3")
    # h2, which is the better one, is not there
    ident = submit(culver, "x@elsewhere.mail.example")
    culver.wait_event("done", id=ident)
    assert culver.events("host-passed-over")[0]["host"].startswith("h2.")
    mark = culver.mark()
    count = send_many(culver, 40, "elsewhere.mail.example")
    culver.wait_event("done", count=count + 1)
    assert len(good.messages) == count + 1
    # a connection for each message; hardly one of them tried the dead host again
    passed = culver.log.find("host-passed-over", since=mark)
    assert len(passed) <= 2


def test_domains_behind_the_same_hosts_are_one_site(culver, server, sinks):  # noqa: F811
    configure(culver, server({"mail.example": ZONE}), sinks, "elsewhere.mail.example", "alias.mail.example").start()
    sinks.at("127.0.0.2", "127.0.0.3")
    for domain in ("elsewhere.mail.example", "alias.mail.example"):
        culver.wait_event("done", id=submit(culver, f"x@{domain}"))
    names = {e["site"] for e in culver.events("site-learned")}
    port = sinks.port
    assert names == {f"h2.mail.example:{port} h3.mail.example:{port}",
                     f"h2.mail.example:{port} h3.mail.example:{port} h4.mail.example:{port}"}


def test_what_a_dead_place_deferred_goes_when_it_answers(culver):
    port = peers.free_port()
    culver.outbound += ["retry 4s 10m"]
    culver.relay_to(port).start()
    count = 20
    send_many(culver, count, "remote.test", sessions=1)
    culver.wait_event("site-dead")
    culver.wait_event("deferred", count=count)
    with smtp.Sink(port=port) as sink:
        culver.wait_event("site-back")
        culver.wait_event("done", count=count)
        assert len(sink.messages) == count


def test_a_rate_answer_pauses_the_place(culver):
    said = []

    def answer(verb, _argument, _default):
        if verb == "RCPT" and not said:
            said.append(1)
            return b"450 4.7.1 you send too fast, wait 2 seconds\r\n"
        return None

    with smtp.Sink(answer=answer) as sink:
        culver.outbound += ["retry 10m", "reply '/too fast, wait (\\d+) seconds/' rate ${1}s"]
        culver.relay_to(sink.port).start()
        send_many(culver, 4, "remote.test", sessions=1)
        assert culver.wait_event("site-paused")["for_ms"] == "2000"
        # long before its own next attempt
        culver.wait_event("done", count=4)
        assert len(sink.messages) == 4


def test_letters_of_one_sender_do_not_delay_another(culver):
    """Sixty of one network, then one of another, before any of them has gone."""
    gate = threading.Event()

    def answer(verb, _argument, _default):
        if verb == "MAIL":
            gate.wait(smtp.REPLY_S)
        return None

    with smtp.Sink(answer=answer) as sink:
        culver.limit += ["concurrency 2"]
        culver.relay_to(sink.port).start()
        count = send_many(culver, 60, "remote.test", sessions=1)
        with culver.smtp(source="127.0.1.1") as client:
            client.ehlo()
            smtp.check(client.message("b@client.test", ["y@remote.test"], mail.small("letter")), 250)
        gate.set()
        culver.wait_event("done", count=count + 1)
        # behind a turn of the other, and what was under way
        assert [m.sender for m in sink.messages].index("b@client.test") <= 14
