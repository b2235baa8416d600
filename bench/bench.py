#!/usr/bin/python3
"""Messages a second beside Postfix, interleaved in one run: as a relay, and into a Maildir.

    bench.py [--messages 1000] [--sessions 20] [--size 4000] [--rounds 5]

Run by `make bench`.  smtp-source sends over kept connections; the clock stops when the last message has reached
smtp-sink, or `new/` of the Maildir (inotify counts).  Both programs run as root with their own uids, their spools on
the same file system, logging to a file.  Being slow is no failure: the numbers are printed, and that is all.
"""

import argparse
import ctypes
import os
import select
import statistics
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "system"))
sys.path.insert(0, HERE)

import culver as helper  # noqa: E402
import peers  # noqa: E402
import postfix  # noqa: E402

ARRIVED = 0x100 | 0x80  # IN_CREATE, IN_MOVED_TO
ROUND_S = 300
REMOTE = "someone@remote.test"
_libc = ctypes.CDLL(None, use_errno=True)


class LetterCounter:
    """Counts what appears in a folder; wait() returns at the wanted number."""

    def __init__(self, folder):
        self.fd = _libc.inotify_init1(os.O_CLOEXEC)
        if _libc.inotify_add_watch(self.fd, folder.encode(), ARRIVED) < 0:
            raise OSError(ctypes.get_errno(), folder)

    def wait(self, wanted):
        """At most ROUND_S; the number that came."""
        count, until = 0, time.monotonic() + ROUND_S
        while count < wanted and select.select([self.fd], [], [], max(0, until - time.monotonic()))[0]:
            data, at = os.read(self.fd, 1 << 16), 0
            while at < len(data):
                _, _, _, length = struct.unpack_from("iIII", data, at)
                at += 16 + length
                count += 1
        os.close(self.fd)
        return count


def send(port, to, options):
    """smtp-source in the background; the thread."""
    words = ["-s", options.sessions, "-m", options.messages, "-l", options.size, "-d", "-f", "sender@client.test",
             "-t", to]
    thread = threading.Thread(target=peers.smtp_source, args=(port, *words), kwargs={"deadline": ROUND_S})
    thread.start()
    return thread


def relay_round(port, sink_port, options):
    """Messages a second from the first byte sent to the last message at the next hop; it ends at that count."""
    sink = peers.SmtpSink(helper_user(), port=sink_port, options=["-M", options.messages])
    sink.start()
    start = time.monotonic()
    thread = send(port, REMOTE, options)
    sink.process.wait(ROUND_S)
    took = time.monotonic() - start
    sink.process.stderr.close()
    thread.join()
    return options.messages / took


def maildir_round(port, to, folder, options):
    """The same into a Maildir."""
    counter = LetterCounter(folder)
    start = time.monotonic()
    thread = send(port, to, options)
    count = counter.wait(options.messages)
    took = time.monotonic() - start
    thread.join()
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    return count / took


_user = None


def helper_user():
    """Whoever smtp-sink runs as."""
    return _user


def prepare_maildir(user, name):
    """A Maildir that is there already, so that new/ can be watched; the path of new/."""
    for part in ("", "new", "cur", "tmp"):
        path = os.path.join(user.pw_dir, name, part)
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chown(path, user.pw_uid, user.pw_gid)
    return os.path.join(user.pw_dir, name, "new")


def line(what, ours, theirs):
    """One line of the result."""
    a, b = statistics.median(ours), statistics.median(theirs)
    return (f"{what:8} Culver {a:7.0f}/s ({min(ours):.0f} to {max(ours):.0f})   Postfix {b:7.0f}/s "
            f"({min(theirs):.0f} to {max(theirs):.0f})   ratio {a / b:.2f}")


def run(place, options):
    """All rounds; the text of the result."""
    global _user
    _user = place.users[0]
    sinks = {"culver": peers.free_port(), "postfix": peers.free_port()}
    culver = helper.Culver(place)
    culver.relay_to(sinks["culver"])
    other = postfix.Postfix(os.path.join(place.folder, "postfix"), sinks["postfix"], helper.DOMAIN, "Maildir-postfix")
    news = {"culver": prepare_maildir(_user, culver.maildir_name), "postfix": prepare_maildir(_user, "Maildir-postfix")}
    results = {(what, who): [] for what in ("relay", "maildir") for who in ("culver", "postfix")}
    to = f"{_user.pw_name}@{helper.DOMAIN}"
    try:
        culver.start()
        other.start()
        ports = {"culver": culver.port, "postfix": other.port}
        # one round of each that is not counted: caches, first forks
        for n in range(options.rounds + 1):
            order = ("culver", "postfix") if n % 2 else ("postfix", "culver")
            for who in order:
                rate = relay_round(ports[who], sinks[who], options)
                if n > 0:
                    results["relay", who].append(rate)
            for who in order:
                rate = maildir_round(ports[who], to, news[who], options)
                if n > 0:
                    results["maildir", who].append(rate)
    finally:
        other.stop()
        culver.close()
    return "\n".join(line(what, results[what, "culver"], results[what, "postfix"]) for what in ("relay", "maildir"))


def main():
    """Prints the numbers, or why there are none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    helper.become_subreaper()
    helper.end_on_signals()
    try:
        version = subprocess.run([os.path.join(peers.postfix_root(), "usr/sbin/postconf"), "-dh", "mail_version"],
                                 capture_output=True, text=True, check=False, env=peers.environment()).stdout.strip()
        place = helper.place("root")
        print(f"bench: {options.messages} messages of {options.size} bytes, {options.sessions} connections, median of "
              f"{options.rounds} interleaved rounds, {os.cpu_count()} processors, Postfix {version or '?'}", flush=True)
        print(run(place, options))
    except (peers.Unavailable, helper.Unusable) as reason:
        print(f"bench: left out: {reason}")
    finally:
        helper.close_all()


if __name__ == "__main__":
    main()
