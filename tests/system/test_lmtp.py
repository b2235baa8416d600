"""LMTP to a real Dovecot, by TCP and by its Unix socket, which is made anew while we run; a reply for each recipient."""

import pytest

import mail
import peers
import smtp
from culver import block
from dovecot import Taker


@pytest.fixture
def dovecot(place):
    """A Dovecot that takes LMTP."""
    try:
        with Taker(place.users[0]) as server:
            yield server
    except peers.Unavailable as reason:
        pytest.skip(str(reason))


def submit(instance, recipients, content):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(instance.address, recipients, content)
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_each_recipient_has_its_own_reply_by_lmtp(culver, dovecot, way):
    hop = f"127.0.0.1:{dovecot.port}" if way == "tcp" else dovecot.socket
    culver.general.append(block("route box.test", [f"lmtp {hop}"]))
    culver.start()
    content = mail.dots("lmtp")
    ident = submit(culver, ["ann@box.test", "nobody@box.test", "bob@box.test"], content)
    culver.wait_event("delivered", id=ident, to="ann@box.test")
    culver.wait_event("delivered", id=ident, to="bob@box.test")
    assert culver.wait_event("failed", id=ident, to="nobody@box.test")["status"] == "5.1.1"
    culver.wait_event("done", id=ident)
    for name in ("ann", "bob"):
        letter, = dovecot.letters(name)
        assert mail.lf(letter).endswith(mail.lf(content)), name


def test_a_socket_that_is_made_anew_is_found(culver, dovecot):
    """Its server ends, mail waits; it comes back with another inode of the same name."""
    culver.general.append(block("route box.test", [f"lmtp {dovecot.socket}"]))
    culver.outbound.append("retry 1s 1s")
    culver.start()
    culver.wait_event("done", id=submit(culver, ["ann@box.test"], mail.small("before")))
    dovecot.stop()
    ident = submit(culver, ["ann@box.test"], mail.small("waits"))
    culver.wait_event("deferred", id=ident)
    dovecot.start()
    culver.wait_event("done", id=ident)
    assert [mail.tag_of(letter) for letter in dovecot.letters("ann")].count("waits") == 1
