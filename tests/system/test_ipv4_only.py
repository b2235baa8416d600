"""Machines with IPv4 alone, and addresses that a machine does not have (yet)."""

import errno
import os
import shutil
import socket
import subprocess
import sys

import mail
import peers
import smtp
from test_dns import ZONE, configure, outcome, server, sinks  # noqa: F401 (two fixtures)

WITHOUT = ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "without_ipv6.py")]


def test_the_filter_takes_ipv6_away():
    done = subprocess.run([*WITHOUT, sys.executable, "-c", "import socket\nsocket.socket(socket.AF_INET6)"],
                          capture_output=True, text=True, check=False)
    assert f"[Errno {errno.EAFNOSUPPORT}]" in done.stderr, done.stderr


def start_without(culver):
    """The wrapper lies where the ordinary user can read it."""
    script = os.path.join(culver.folder, "without_ipv6.py")
    shutil.copy(WITHOUT[1], script)
    os.chmod(script, 0o755)
    return culver.start(before=[WITHOUT[0], script])


def greet(port, address="127.0.0.1"):
    with smtp.Client(socket.create_connection((address, port))) as client:
        return client.ehlo()


def test_a_wildcard_falls_back_to_ipv4(culver):
    """[::]:P is 0.0.0.0:P; beside 0.0.0.0 it is nothing; an address of its own is nothing; mail comes in and goes out."""
    all_port, both_port, own_port = peers.free_port(), peers.free_port(), peers.free_port()
    culver.general += [f"listen [::]:{all_port} mx", f"listen [::]:{both_port} mx", f"listen 0.0.0.0:{both_port} mx",
                       f"listen [::1]:{own_port} mx"]
    with smtp.Sink() as sink:
        culver.relay_to(sink.port)
        start_without(culver)
        culver.wait_event("listen-limited", count=3)
        limited = {e["address"]: e["reason"] for e in culver.events("listen-limited")}
        assert set(limited) == {f"[::]:{all_port}", f"[::]:{both_port}", f"[::1]:{own_port}"}
        assert "IPv4 alone" in limited[f"[::]:{all_port}"] and "nobody listens" in limited[f"[::]:{both_port}"]
        for port in (all_port, both_port):
            greet(port)
        with culver.smtp() as client:
            client.ehlo()
            reply = client.message("a@client.test", ["x@remote.test", culver.address], mail.small("four"))
            smtp.check(reply, 250)
        culver.wait_event("done", id=culver.accepted_id(reply))
        assert len(sink.messages) == 1
        # the same addresses again: nothing is bound twice, nothing is closed
        since = culver.mark()
        assert culver.command("reload").returncode == 0
        culver.wait_event("listen-limited", count=3, since=since)
        greet(all_port)


def test_a_host_with_both_addresses_is_reached_by_ipv4(culver, server, sinks):  # noqa: F811
    """AAAA first: that it cannot be had is no trouble of the host.  And the resolver asks by IPv4."""
    configure(culver, server({"mail.example": ZONE}), sinks, "both.mail.example")
    start_without(culver)
    sinks.at("127.0.0.2")
    assert outcome(culver, "both.mail.example")["host"].startswith("both.mail.example[127.0.0.2]")
    assert not culver.events("deferred")


def test_an_address_that_is_not_there_yet_is_waited_for(culver):
    port = peers.free_port()
    culver.general.append(f"listen 192.0.2.77:{port} mx")
    culver.start()
    limited = culver.wait_event("listen-limited")
    assert limited["address"] == f"192.0.2.77:{port}" and "no such address" in limited["reason"]
    greet(culver.port)
    if culver.place.mode != "root":
        return
    subprocess.run(["ip", "address", "add", "192.0.2.77/32", "dev", "lo"], check=True)
    culver.cleanups.append(lambda: subprocess.run(["ip", "address", "del", "192.0.2.77/32", "dev", "lo"], check=True))
    greet(port, "192.0.2.77")


def test_what_is_taken_is_still_refused(culver):
    """Only what is not there is waited for; a port of somebody else is a mistake."""
    with socket.create_server(("127.0.0.1", culver.port)):
        culver.write()
        done = culver.command("run")
        assert done.returncode == 78 and "listen 127.0.0.1" in done.stderr, done.stderr
