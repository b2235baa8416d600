"""Where the mail of the crash run goes, and what has come there.

Mailboxes of system users, virtual users, a next hop by `smarthost`, next hops that the resolver finds by MX, and Dovecot by LMTP.  nsd and
Dovecot are left out where they cannot be had, which is printed; their mail goes to the smarthost then.
"""

import collections
import email
import email.policy
import glob
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import culver as helper  # noqa: E402
import dns  # noqa: E402
import dovecot  # noqa: E402
import mail  # noqa: E402
import peers  # noqa: E402
import smtp  # noqa: E402
import test_tables  # noqa: E402

SITES = 5  # that the MX way knows: so that agents come and go, and ask
VIRTUAL = ("ann", "bob")
# what a number's last digit says
WAY = {0: "user", 1: "smarthost", 2: "virtual", 3: "smarthost", 4: "mx", 5: "user", 6: "lmtp", 7: "refused", 8: "virtual", 9: "mx"}
ONCE_MORE = (3, 9)  # last digits of those whom the next hop puts off once, so that the queue is never empty


class TimedSink(smtp.Sink):
    """Also notes when each message came."""

    def __init__(self, **options):
        super().__init__(**options)
        self.arrived = []
        sink = self

        class Noted(list):
            def append(self, taken):
                sink.arrived.append((time.time(), taken))

        self.messages = Noted()


def answer():
    """The next hop: refuses some for good, and puts some off once."""
    lock = threading.Lock()
    seen = set()

    def chosen(verb, argument, _default):
        if verb != "RCPT":
            return None
        if "refused" in argument:
            return b"550 5.1.1 no such user\r\n"
        number = "".join(c for c in argument.partition("@")[0] if c.isdigit())
        with lock:
            if number and int(number) % 10 in ONCE_MORE and number not in seen:
                seen.add(number)
                return b"451 4.2.1 once more\r\n"
        return None
    return chosen


class Ways:
    """All of them for one instance: made and configured before its start, closed after its end."""

    def __init__(self, instance):
        self.instance = instance
        self.left_out = []
        self.sink = TimedSink(answer=answer())
        self.exchange = TimedSink(answer=answer(), host="127.0.0.2")
        self.name_server = self.dovecot = self.virtual = None

    def __enter__(self):
        try:
            return self._open()
        except BaseException:
            self.__exit__()
            raise

    def _open(self):
        self.instance.relay_to(self.sink.start().port)
        self._name_server()
        self._dovecot()
        users = test_tables.write(self.instance, "virtual-users", "".join(f"{name}\n" for name in VIRTUAL))
        self.virtual = test_tables.virtual_domain(self.instance, users)
        for what in self.left_out:
            print(f"  left out: {what}")
        return self

    def _name_server(self):
        # not below .test, which libunbound answers itself; no time to live: each new agent's question goes through the resolver to the server
        zone = dns.zone("exchange.example", "\n".join(f"s{n} MX 10 h\n" for n in range(SITES)) + "h A 127.0.0.2", ttl=0)
        try:
            self.name_server = dns.Server({"exchange.example": zone})
        except peers.Unavailable as reason:
            self.left_out.append(f"MX and resolver: {reason}")
            return
        self.name_server.start()
        self.exchange.start()
        self.instance.general += [f"resolver 127.0.0.1@{self.name_server.port}", "trust-anchor none", "hosts no"]
        self.instance.general += [helper.block(f"route s{n}.exchange.example", [f"smtp mx:s{n}.exchange.example:{self.exchange.port}"])
                                  for n in range(SITES)]

    def _dovecot(self):
        try:
            self.dovecot = dovecot.Taker(self.instance.place.users[0])
        except peers.Unavailable as reason:
            self.left_out.append(f"LMTP: {reason}")
            return
        self.dovecot.start()
        self.instance.general.append(helper.block("route box.test", [f"lmtp {self.dovecot.socket}"]))

    def __exit__(self, *_):
        for sink in (self.sink, self.exchange):
            sink.stop()
        for server in (self.name_server, self.dovecot):
            if server:
                server.close()

    def recipient(self, number):
        """To whom the message of that number goes."""
        users = [entry.pw_name for entry in self.instance.place.users]
        way = WAY[number % 10]
        if way == "user":
            return f"{users[number // 5 % len(users)]}@{helper.DOMAIN}"
        if way == "virtual":
            return f"{VIRTUAL[number // 10 % len(VIRTUAL)]}@virtual.test"
        if way == "mx" and self.name_server:
            return f"n{number}@s{number // 10 % SITES}.exchange.example"
        if way == "lmtp" and self.dovecot:
            return f"ann+{number}@box.test"
        # half of the last digit's: each refusal makes a notice
        return f"{'refused' if way == 'refused' and number % 20 == 7 else 'n'}{number}@remote.test"

    def _maildirs(self):
        boxes = {"user": [self.instance.maildir(at).path for at in range(len(self.instance.place.users))],
                 "virtual": glob.glob(f"{self.virtual}/*/*/Maildir"),
                 "lmtp": glob.glob(f"{self.dovecot.folder}/mail/*") if self.dovecot else []}
        return [(way, mail.Maildir(path)) for way, paths in boxes.items() for path in paths]

    def arrivals(self):
        """{tag: [time, ...]} of everything that has arrived, notices of refusals under the tag of their message; {way: how many};
        the tags of notices that should not be, since nobody refused them."""
        found, ways, unjust = collections.defaultdict(list), collections.Counter(), []
        for way, sink in (("smarthost", self.sink), ("mx", self.exchange)):
            for at, taken in sink.arrived:
                found[mail.tag_of(taken.content)].append(at)
                ways[way] += 1
        for way, box in self._maildirs():
            for name in box.names():
                path = os.path.join(box.path, "new", name)
                with open(path, "rb") as file:
                    letter = file.read()
                is_notice = b"multipart/report" in letter
                tag = mail.tag_of(email.message_from_bytes(letter, policy=email.policy.default).as_bytes() if is_notice else letter)
                if is_notice and b"@remote.test" not in re.search(rb"^Final-Recipient:.*$", letter, re.M | re.I)[0]:
                    unjust.append(letter)
                    continue
                found[tag].append(os.stat(path).st_ctime)
                ways["notice" if is_notice else way] += 1
        return found, ways, unjust
