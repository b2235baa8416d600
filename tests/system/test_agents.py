"""A broken program on the jobs socket: it is cut off where it lies, serves only what its row says, and loses no message."""

import os
import random

import pytest

import mail
import smtp
import wire

SMTP, MAILBOX, NOTICE = 1, 2, 3
KINDS = {"delivery": SMTP, "local": MAILBOX, "bounce": NOTICE}


class FalseParent:
    """Says that it is the parent of a kind, and serves the first WANT itself."""

    def __init__(self, instance, program="delivery", kind=SMTP):
        self.sockets = instance.connect_many(2, "jobs", program)
        self.parent, self.agent = (wire.Peer(s, wire.JOBS_ORDERS) for s in self.sockets)
        self.parent.send("JOBS_PARENT", kind=kind)

    def take_job(self):
        """The job that came for the WANT, with its recipients' numbers."""
        self.parent.socket.settimeout(30)
        name, flags_request = self._receive(self.parent)
        assert name == "JOBS_WANT"
        self.agent.send("JOBS_AGENT", want=flags_request)
        name, _ = self._receive(self.agent)
        assert name == "JOBS_JOB"
        name, fields, _ = self.agent.receive()
        assert name == "JOBS_RECIPIENTS"
        return [recipient["number"] for recipient in fields["recipients"]]

    @staticmethod
    def _receive(peer):
        name, request, _, fds = peer.receive_request()
        for fd in fds:
            os.close(fd)
        return name, request

    def result(self, number, **values):
        """One RESULT."""
        values = {"fate": 1, "code": 250, "status": "2.0.0", "text": "false", "host": "false", "last": 0, **values}
        self.agent.send("JOBS_RESULT", number=number, **values)

    def close(self):
        """Both connections."""
        for s in self.sockets:
            s.close()


def lie(parent, numbers, how):
    """What a broken agent says of its job."""
    if how == "a recipient that it was not given":
        parent.result(max(numbers) + 1000)
    elif how == "twice the same":
        parent.result(numbers[0], fate=2, code=451, status="4.0.0")
        parent.result(numbers[0])
    elif how == "the end before all are served":
        parent.result(numbers[0], fate=2, code=451, status="4.0.0", last=1)
    elif how == "random bytes":
        parent.agent.send_raw(random.Random(1).randbytes(500))
    elif how == "descriptors":
        with open("/dev/null", "rb") as null:
            parent.agent.send_raw(wire.encode("JOBS_LEAVE", 1), [null.fileno()])
    elif how == "a parent's words":
        parent.agent.send("JOBS_PARENT", kind=SMTP)


LIES = ["a recipient that it was not given", "twice the same", "the end before all are served", "random bytes",
        "descriptors", "a parent's words"]


@pytest.mark.parametrize("how", LIES)
def test_an_agent_that_lies_is_cut_off_and_nothing_is_lost(culver, how):
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        manager = culver.pid("queue-manager")
        since = culver.mark()
        false = FalseParent(culver)
        with culver.smtp() as client:
            client.ehlo()
            reply = client.message("a@client.test", ["x@remote.test", "y@remote.test"], mail.small("lie"))
            smtp.check(reply, 250)
        ident = culver.accepted_id(reply)
        lie(false, false.take_job(), how)
        assert false.agent.ended(), f"the agent told {how}, and its connection stands"
        culver.wait_event("peer-ended", since=since, program="jobs")
        false.close()
        # the true one comes back, and with it the message goes
        culver.kill(culver.pid("delivery"))
        culver.command("queue", "retry", "all")
        culver.wait_event("done", 30, id=ident)
        assert sorted(r for m in sink.messages for r in m.recipients) == ["x@remote.test", "y@remote.test"]
        assert culver.pid("queue-manager") == manager


@pytest.mark.parametrize("program, kind", [(p, k) for p in KINDS for k in KINDS.values() if KINDS[p] != k])
def test_a_program_serves_only_its_own_kind_of_jobs(culver, program, kind):
    """Else whoever breaks into `delivery` would be handed the letters of the mailboxes."""
    if culver.place.mode != "root":
        pytest.skip("an ordinary user's programs all have one uid")
    culver.start()
    false = FalseParent(culver, program, kind)
    try:
        assert false.parent.ended(), f"{program} may say that it serves jobs of kind {kind}"
    except TimeoutError:
        pytest.fail(f"{program} may say that it serves jobs of kind {kind}")
    finally:
        false.close()
