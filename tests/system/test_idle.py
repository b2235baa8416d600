"""Clients that connect and say nothing: what they cost, and whom they keep out."""

import resource
import socket
import time

import pytest

import certificates
import culver as helper
import mail
import peers
import smtp

MANY, SESSIONS = 10000, 1000
MB = 1 << 20


def memory_of(pids):
    """Bytes that these processes have for themselves, and their share of what several have (PSS)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    return total


def all_pids(culver):
    """Every process of the system."""
    return [pid for pids in culver.pids().values() for pid in pids]


@pytest.fixture
def descriptors():
    """As many as the hard limit allows; skipped where that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 1000:
        pytest.skip(f"a process may have {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def doors(culver):
    """Two addresses: as other hosts come, and one that begins with TLS; a client may have as many connections as it likes."""
    culver.pair = certificates.Pair(culver.folder, "mx", owner=culver.place.runner.pw_uid)
    culver.implicit = peers.free_port()
    culver.general += [
        helper.block("tls", [f"certificate {culver.pair.certificate}", f"key {culver.pair.key}"]),
        helper.block(f"listen 127.0.0.1:{culver.implicit} mx", ["implicit-tls yes"]),
    ]
    culver.limit += [f"sessions {SESSIONS + 200}", f"sessions-per-client {2 * MANY}", "session-time 1h"]
    return culver.start()


def served(culver):
    """Seconds until a new client has its message taken."""
    before = time.monotonic()
    with smtp.Client(culver.port) as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("new")), 250)
    return time.monotonic() - before


def best_of(rounds, what):
    """The machine is others' too: the quickest counts."""
    return min(what() for _ in range(rounds))


def fill(ports, count):
    """So many connections, by turns to each port; nothing is said on them."""
    made = []
    for n in range(count):
        made.append(socket.create_connection(("127.0.0.1", ports[n % len(ports)]), timeout=120))
    return made


def test_ten_thousand_who_say_nothing(doors, descriptors):
    """Before TLS, and before their first command: 50 MB, all processes of the system that they brought; others are served at once."""
    if helper.sanitized():
        pytest.skip("the sanitizers have memory of their own")
    culver = doors
    served(culver)
    empty = memory_of(all_pids(culver))
    idle = fill((culver.port, culver.implicit), MANY)
    # every one of those whose turn it is to be greeted is
    for connection in idle[-2::-1000]:
        assert connection.recv(100).startswith(b"220 ")
    took = best_of(5, lambda: served(culver))
    cost = memory_of(all_pids(culver)) - empty
    print(f"{MANY} idle connections: {cost / MB:.1f} MB; a new client took {took * 1000:.0f} ms")
    assert cost < 50 * MB
    assert took < 1
    assert len(culver.pids()["smtpd"]) < 200
    # who speaks after all is served, also by TLS
    with smtp.Client(culver.port) as client:
        client.ehlo()
    late = certificates.client_context().wrap_socket(idle[-1])
    assert late.recv(100).startswith(b"220 ")
    late.sendall(b"EHLO late.test\r\n")
    assert late.recv(1000).startswith(b"250-")
    for connection in idle:
        connection.close()
    assert not culver.events("session-died") and not culver.events("paused")


def test_a_thousand_idle_tls_sessions(doors, descriptors):
    """Half a megabyte each; others are served at once."""
    if helper.sanitized():
        pytest.skip("the sanitizers have memory of their own")
    culver = doors
    served(culver)
    empty = memory_of(all_pids(culver))
    sessions = []
    for _ in range(SESSIONS):
        client = certificates.implicit(culver.implicit, timeout=120)
        smtp.check(client.banner, 220)
        client.ehlo()
        sessions.append(client)
    took = best_of(5, lambda: served(culver))
    cost = (memory_of(all_pids(culver)) - empty) / SESSIONS
    print(f"an idle TLS session: {cost / 1024:.0f} KB; a new client took {took * 1000:.0f} ms")
    assert cost < MB / 2
    assert took < 1
    for client in sessions:
        client.close()


# ---- the lobby itself ----

@pytest.fixture
def crowd(doors):
    """So many sessions that whoever comes waits for his first word; the second address begins with TLS."""
    clients = [smtp.Client(doors.port) for _ in range(100)]
    for client in clients:
        client.ehlo()
    yield doors
    for client in clients:
        client.close()


def test_who_waits_has_no_process_until_he_speaks(crowd):
    """Greeted all the same; what he says first is answered as ever."""
    culver = crowd
    before = len(culver.pids()["smtpd"])
    idle = [smtp.Client(culver.port) for _ in range(20)]
    assert len(culver.pids()["smtpd"]) == before
    for client in idle:
        smtp.check(client.banner, 220)
        client.ehlo()
        smtp.check(client.message("a@client.test", [culver.address], mail.small("waited")), 250)
    assert len(culver.pids()["smtpd"]) == before + 20
    for client in idle:
        client.close()


def test_who_leaves_unheard_is_told_of(crowd):
    """He has no session, so nothing else would say that he was here."""
    culver = crowd
    smtp.Client(culver.port).close()
    assert culver.wait_event("idle-ended") == culver.wait_event("idle-ended", client="127.0.0.1", reason="left")


def test_a_stop_says_421_to_those_who_wait(crowd):
    """As to those who have a session; one that was to begin with TLS reads the end alone."""
    culver = crowd
    plain = smtp.Client(culver.port)
    secret = socket.create_connection(("127.0.0.1", culver.implicit), timeout=60)
    with smtp.Client(culver.port) as new:
        new.ehlo()  # those before it are in the lobby by now
    culver.process.terminate()
    smtp.check(plain.reply(), 421)
    assert secret.recv(100) == b""
    plain.close()


def test_a_reload_lets_them_wait_on(crowd):
    """The listener that has greeted them is the one that serves them."""
    culver = crowd
    plain = smtp.Client(culver.port)
    since = culver.log.mark()
    culver.command("reload", check=0)
    culver.wait_event("ready", since=since)
    plain.ehlo()
    smtp.check(plain.message("a@client.test", [culver.address], mail.small("reloaded")), 250)
    plain.close()


def test_he_waits_no_longer_than_for_a_command(culver):
    """command-time, with 421."""
    culver.limit += ["sessions-per-client 200", "command-time 3s"]
    culver.start()
    talking = [smtp.Client(culver.port) for _ in range(101)]
    with smtp.Client(culver.port) as late:
        smtp.check(late.reply(), 421)
    for client in talking:
        client.close()


def test_a_killed_listener_is_followed_by_another(crowd):
    """Those who waited have lost their connection and nothing else; sessions say goodbye; new clients are served."""
    culver = crowd
    plain = smtp.Client(culver.port)
    with smtp.Client(culver.port) as new:
        new.ehlo()
    since = culver.log.mark()
    culver.kill(culver.pid("smtpd"))
    plain.socket.settimeout(60)
    assert plain.socket.recv(100) == b""
    culver.wait_event("serving", program="smtpd", since=since)
    assert served(culver) >= 0
    plain.close()
