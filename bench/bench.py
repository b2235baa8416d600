#!/usr/bin/python3
"""Culver beside Postfix, Exim and OpenSMTPD: interleaved rounds, ratios within a round, one table.

    bench.py [--short] [--rounds N] [--scale SHARE] [--with NAME,...] [--disk ext4|xfs] [--write] [--list] [SCENARIO...]

Run by `make bench` and `make bench-short`; bench/README says what is measured, and how.  Being slow is no failure.
"""

import argparse
import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "system"))
sys.path.insert(0, HERE)

import accounts  # noqa: E402
import culver as helper  # noqa: E402
import disks  # noqa: E402
import measure  # noqa: E402
import mta  # noqa: E402
import mta_culver  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402
import tools  # noqa: E402
from mta_exim import Exim  # noqa: E402
from mta_opensmtpd import OpenSmtpd  # noqa: E402
from mta_postfix import Postfix  # noqa: E402

RIVALS = {"postfix": Postfix, "exim": Exim, "opensmtpd": OpenSmtpd}
SHORT_SCALE = 0.4


class Bench:
    """Everything that runs: the disk, the sink, the systems."""

    def __init__(self, options):
        self.options, self.systems, self.left_out = options, [], []
        self.disk = self.sink = self.place = self.mailbox = self.mailbox_address = None
        self.listeners = {}  # ADDRESS:PORT -> behaviour
        self.site_ports = {}  # kind of site -> port, at every address of 127.0.0.0/8

    def open(self):
        """Starts everything; close() is due whatever happens."""
        as_root = accounts.is_root()
        self.place = helper.place("root" if as_root and not self.options.as_user else "user")
        self.disk = disks.Disk(self.options.disk, self.place.folder) if as_root else disks.Folder(self.place.folder)
        if self.place.mode == "root":
            self.mailbox = accounts.make("m", os.path.join(self.disk.path, "home"))
            self.place.users.insert(0, self.mailbox)
        else:
            self.mailbox = self.place.users[0]
        self.mailbox_address = f"{self.mailbox.pw_name}@{helper.DOMAIN}"
        wanted = self.options.systems.split(",")
        self._add("Culver", lambda routes: mta_culver.Culver(self.place, self.disk.path, routes, self.mailbox, True))
        if self.systems and self.systems[0].knows_early() and "synced" in wanted:
            self._add("Culver synced", lambda routes: mta_culver.Culver(self.place, self.disk.path, routes, self.mailbox, False))
        for name in wanted if as_root else []:
            if name in RIVALS:
                self._add(name, lambda routes, kind=RIVALS[name]: kind(self.disk.path, routes, self.mailbox))
        for kind, behaviour in mta_culver.SITE_KINDS.items():
            self.site_ports[kind] = peers.free_port()
            if behaviour:
                self.listeners[f"0.0.0.0:{self.site_ports[kind]}"] = behaviour
        self.sink = tools.Sink(self.listeners)
        for system in list(self.systems):
            try:
                system.start()
            except (OSError, RuntimeError, AssertionError) as problem:
                self._leave_out(system.name, problem)
                system.stop()
                self.systems.remove(system)
        if not self.systems:
            raise helper.Unusable("; ".join(self.left_out))

    def _add(self, name, make):
        """A system with next hops of its own: a connection that one keeps must not count against another."""
        ports = {what: peers.free_port() for what in ("accept", "defer", "busy", "black", "second", "third", "list")}
        routes = mta.Routes({"remote.test": [ports["accept"]], "defer.test": [ports["defer"]], "dead.test": [ports["black"]],
                             "busy.test": [ports["busy"]], "pair.test": [ports["black"], ports["second"]],
                             "two.test": [ports["third"], ports["second"]], "list.test": [ports["list"]]})
        try:
            self.systems.append(make(routes))
        except (peers.Unavailable, OSError, RuntimeError) as problem:
            self._leave_out(name, problem)
            return
        behaviours = {"accept": "accept", "defer": "defer", "busy": "busy:5", "black": "blackhole", "second": "accept", "third": "accept",
                      "list": "slow:200"}
        self.listeners.update({f"127.0.0.1:{ports[what]}": behaviour for what, behaviour in behaviours.items()})

    def _leave_out(self, name, problem):
        self.left_out.append(f"{name}: {str(problem).strip().splitlines()[-1] if str(problem).strip() else repr(problem)}")
        print(f"bench: left out: {name}: {problem}", file=sys.stderr)

    def close(self):
        """Everything ends, also half made."""
        for system in self.systems:
            try:
                system.stop()
                getattr(system, "close", lambda: None)()
            except Exception:  # the rest shall end too
                traceback.print_exc()
        if self.sink:
            self.sink.close()
        if self.disk:
            self.disk.close()

    # ---- rounds ----

    def one(self, system, scenario, messages):
        """One round of one system."""
        result = scenario.round(self, system, scenario, messages)
        if scenario.spoils:
            system.reset()
        measure.settle(system)
        return result

    def counted(self, system, scenario, messages):
        """A round that is counted instead of timed."""
        counter = measure.Counter(system)
        try:
            result = scenario.round(self, system, scenario, messages)
        finally:
            used = counter.stop(messages)
        if scenario.spoils:
            system.reset()
        measure.settle(system)
        return {**result, **used}

    def run(self, scenario):
        """All rounds of a scenario: {system: ([round results], counted result)}."""
        scale = self.options.scale * (SHORT_SCALE if self.options.short else 1)
        messages = max(1, int(scenario.messages * scale))
        rounds = min(self.options.rounds, scenario.rounds or self.options.rounds)
        systems = [s for s in self.systems if not scenario.only or s.name in scenario.only]
        results = {system.name: ([], {}) for system in systems}
        if not scenario.spoils:  # caches and first forks: not counted
            for system in systems:
                self.one(system, scenario, max(1, messages // 4))
        for n in range(rounds):
            for system in systems[n % len(systems):] + systems[:n % len(systems)]:
                results[system.name][0].append(self.one(system, scenario, messages))
        for system in systems:
            if scenario.counted:
                results[system.name][1].update(self.counted(system, scenario, max(1, messages // 2)))
        return results


def chosen(options):
    """The scenarios that are wanted."""
    if options.scenario:
        unknown = set(options.scenario) - {one.name for one in scenarios.SCENARIOS}
        if unknown:
            sys.exit(f"bench: no such scenario: {', '.join(sorted(unknown))}; --list names them")
        return [one for one in scenarios.SCENARIOS if one.name in options.scenario]
    return [one for one in scenarios.SCENARIOS if one.short or not options.short]


def main():
    """Prints the table, or why there is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer scenarios, rounds and messages")
    parser.add_argument("--rounds", type=int, help="default 5; 3 with --short")
    parser.add_argument("--scale", type=float, default=1, help="multiplies the number of messages")
    parser.add_argument("--with", dest="systems", help="of synced, postfix, exim, opensmtpd; default synced,postfix,exim, with --short synced,postfix")
    parser.add_argument("--as-user", action="store_true", help="Culver as an ordinary user, one uid for all programs")
    parser.add_argument("--disk", default="ext4", choices=sorted(disks.MAKE))
    parser.add_argument("--write", action="store_true", help="the table goes to docs/performance.md, the plot beside it")
    parser.add_argument("--list", action="store_true", help="names the scenarios")
    parser.add_argument("scenario", nargs="*")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.short else 5)
    options.systems = options.systems or ("synced,postfix" if options.short else "synced,postfix,exim")
    wanted = chosen(options)
    if options.list:
        print("\n".join(f"{one.name:20} {one.what}" for one in wanted))
        return
    helper.become_subreaper()
    helper.end_on_signals()
    machine, bench = measure.machine(), Bench(options)
    try:
        bench.open()
        table = report.Report(machine, bench, options)
        print(table.head(), flush=True)
        for scenario in wanted:
            table.add(scenario, bench.run(scenario))
            print(table.text(scenario), flush=True)
            if options.write:  # each time: a run that is ended early has written what it knows
                table.write(os.path.join(helper.CHECKOUT, "docs"))
    except helper.Unusable as reason:
        print(f"bench: left out: {reason}")
    finally:
        try:
            bench.close()
        finally:
            helper.close_all()


if __name__ == "__main__":
    main()
