"""Proof that strangers moved nothing: memory, descriptors and pids of every service before and after.

    calm = Calm(instance); ... hostile things ...; calm.check()

Peak memory of each long-lived process stays within 2 MB of before, descriptor counts are equal, and no process that
master started has ended.
"""

import culver as helper
import mail
import processes
import smtp
import wire

MEMORY_KB = 2048
ROUNDS = 20  # round trips through every service until the last closed connection must have been noticed


class Calm:
    """A snapshot of an instance that has been warmed up."""

    def __init__(self, instance, warm=True):
        self.instance = instance
        self.memory_counts = not helper.sanitized()
        if warm:
            warm_up(instance)
        self.pids = self._mains()
        self.settle()
        self.mark = instance.mark()
        self.memory = {p: processes.memory_kb(pid) for p, pid in self.pids.items()}
        self.descriptors = self._quiet_descriptors()

    def _quiet_descriptors(self):
        """The lowest count of each service over a few round trips: what a round trip itself opens is closed by then."""
        lowest = {}
        for _ in range(3):
            for program, pid in self.pids.items():
                count = processes.descriptors(pid)
                lowest[program] = count if count is None else min(count, lowest.get(program, count))
            round_trip(self.instance)
        return lowest

    def _mains(self):
        return self.instance.mains()

    def settle(self):
        """Every session has gone, and each service has taken part in a round trip since."""
        for pid in sessions(self.instance):
            try:
                watch = processes.Watch(pid)
            except ProcessLookupError:
                continue
            assert watch.wait(30), f"session {pid} outlives its client"
            watch.close()
        round_trip(self.instance)

    def check(self):
        """AssertionError where something has moved."""
        self.settle()
        now = self._mains()
        assert now == self.pids, "a program was started anew"
        assert not self.instance.events("ended", since=self.mark), "a program ended"
        assert not self.instance.events("session-died", since=self.mark)
        for program, pid in self.pids.items():
            if self.memory_counts:
                before, after = self.memory[program], processes.memory_kb(pid)
                for what, b, a in zip(("peak", "own"), before, after):
                    assert a - b <= MEMORY_KB, f"{program}: {what} memory grew from {b} to {a} KB"
        for _ in range(ROUNDS):
            counts = {p: processes.descriptors(pid) for p, pid in self.pids.items()}
            if counts == self.descriptors:
                return
            self.settle()
        wrong = {p: processes.descriptor_targets(self.pids[p]) for p in counts if counts[p] != self.descriptors[p]}
        raise AssertionError(f"descriptors: {self.descriptors} before, {counts} after; {wrong}")


def warm_up(instance):
    """A message that goes all the way through the intake and is refused at its end; unknown recipients; a bad command."""
    with instance.smtp() as client:
        client.ehlo()
        client.command("WHAT", 5)
        client.command("MAIL FROM:<warm@client.test>", 250)
        client.command("RCPT TO:<nobody-of-that-name@local.test>", 5)
        client.command(f"RCPT TO:<{instance.address}>", 250)
        client.command("DATA", 354)
        client.send(mail.small("warm", 200000) + b"bare\nline\r\n.\r\n")
        smtp.check(client.reply(), 5)
        client.command("QUIT", 221)
    round_trip(instance)


def round_trip(instance):
    """A question to each service that answers questions: what lay before it in their loops has been seen."""
    instance.command("status", check=0)
    with wire.Peer(instance.connect("lookup", "smtpd"), wire.LOOKUP_ANSWERS) as peer:
        peer.send("LOOKUP_RECIPIENTS", questions=[{"number": 1, "address": instance.address}])
        assert peer.receive()[0] == "LOOKUP_VERDICTS"
    instance.command("trace", "0000000000000")


def sessions(instance):
    """Pids of the sessions of both doors."""
    return [pid for program in ("smtpd", "submit") for pid in processes.descendants(instance.pid(program))]


def session_peak(instance):
    """VmHWM in KB of the one session that is open now; None where several are."""
    pids = sessions(instance)
    memory = [processes.memory_kb(pid) for pid in pids]
    return memory[0][0] if len(memory) == 1 and memory[0] else None


