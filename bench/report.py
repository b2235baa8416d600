"""The table: as text on the terminal, as Markdown in docs/performance.md, and the plot beside it."""

import datetime
import os
import statistics

import plot

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PLOT = "performance.svg"
DURABLE_FSYNCS = 10  # per 1,000 messages; below it nothing that was promised is on the disk

# (heading, key, format, of the timed rounds), besides the rate and the ratio
COLUMNS = [
    ("taken/s", "accepted", "{:.0f}", True), ("p50 ms", "p50", "{:.1f}", True), ("p99 ms", "p99", "{:.1f}", True),
    ("p99.9 ms", "p999", "{:.1f}", True), ("CPU s", "cpu_s", "{:.2f}", False), ("switches", "switches", "{:.0f}", False),
    ("fsyncs", "syncs", "{:.0f}", False), ("calls", "calls", "{:.0f}", False), ("MB", "memory_mb", "{:.0f}", False),
]
# columns of single scenarios: shown where they are
EXTRA = [
    ("deferred", "deferred", "{:.1%}"), ("turned away", "turned_away", "{:.0f}"), ("of the rate with both", "share", "{:.0%}"),
    ("while found out", "share_found", "{:.0%}"),
    ("new mail p50 ms", "delay_p50", "{:.0f}"), ("new mail p99 ms", "delay_p99", "{:.0f}"),
    ("first taken s", "first_taken", "{:.2f}"), ("first delivered s", "first_delivered", "{:.2f}"), ("MB with the queue", "queue_mb", "{:.0f}"),
]


def _median(rounds, key):
    values = [one[key] for one in rounds if key in one]
    return statistics.median(values) if values else None


def _speed(one):
    return one.get("speed", one["rate"])


def _cell(value, form):
    return "-" if value is None else form.format(value)


class Row:
    """One system in one scenario."""

    def __init__(self, name, rounds, counted, base, takes):
        self.name, self.rounds, self.counted = name, rounds, counted
        rates = [one["rate"] for one in rounds]
        self.rate, self.spread = statistics.median(rates), (min(rates), max(rates))
        self.is_ours = name.startswith("Culver")
        self.durable = not takes or self.is_ours or "syncs" not in counted or counted["syncs"] >= DURABLE_FSYNCS
        # pairs of one round
        self.ratios = {} if self.is_ours or not self.durable else {
            ours: [_speed(a) / _speed(b) for a, b in zip(theirs, rounds) if _speed(b) > 0] for ours, theirs in base.items()}

    def ratio(self):
        """What stands in that column."""
        if self.is_ours:
            return ""
        if not self.durable:
            return "not durable"
        return ", ".join(f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" + (" synced" if "synced" in ours else "")
                         for ours, values in self.ratios.items() if values) or "-"

    def wrong(self):
        """What was not exactly once, or not taken."""
        found = {what: sum(one.get(what, 0) for one in self.rounds) for what in ("missing", "duplicates", "errors")}
        words = [f"{count} {what}" for what, count in found.items() if count]
        first = next((one["first_error"] for one in self.rounds if one.get("first_error")), "")
        return ", ".join(words) + (f" ({first})" if words and first else "") or "none"

    def cells(self, extra):
        """All columns."""
        low, high = self.spread
        form = "{:.0f}" if self.rate >= 10 else "{:.2f}"
        cells = [self.name, form.format(self.rate), f"{form.format(low)} to {form.format(high)}", self.ratio()]
        cells += [_cell(_median(self.rounds, key) if timed else self.counted.get(key), form) for _, key, form, timed in COLUMNS]
        cells += [_cell(_median(self.rounds, key), form) for _, key, form in extra]
        return [*cells, self.wrong()]


class Report:
    """All scenarios of a run."""

    def __init__(self, machine, bench, options):
        self.machine, self.bench, self.options, self.results = machine, bench, options, {}

    def head(self):
        """What the figures come from."""
        now = datetime.datetime.now(datetime.timezone.utc)
        systems = ", ".join(f"{system.name} {system.version}" for system in self.bench.systems)
        text = (f"{now:%Y-%m-%d %H:%M} UTC; {self.machine}; spools on {self.bench.disk.kind}; {systems}; "
                f"{'Culver under one uid; ' if self.bench.place.mode == 'user' else ''}{self.options.rounds} interleaved rounds; load, sink and the systems share the machine")
        return text + "".join(f"; left out: {one}" for one in self.bench.left_out)

    def add(self, scenario, results):
        """The result of one scenario."""
        base = {name: rounds for name, (rounds, _) in results.items() if name.startswith("Culver")}
        self.results[scenario] = [Row(name, rounds, counted, base, scenario.takes) for name, (rounds, counted) in results.items()]

    def _table(self, scenario):
        rows = self.results[scenario]
        extra = [one for one in EXTRA if any(one[1] in result for row in rows for result in row.rounds)]
        heads = ["", "delivered/s", "spread", "Culver is faster by", *(head for head, *_ in COLUMNS), *(head for head, *_ in extra), "wrong"]
        return [heads, *(row.cells(extra) for row in rows)]

    def text(self, scenario):
        """One scenario for a terminal."""
        table = self._table(scenario)
        widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
        lines = ["  ".join(cell.ljust(width) if n in (0, len(row) - 1) else cell.rjust(width)
                           for n, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table]
        return f"\n{scenario.name}: {scenario.what}\n" + "\n".join(lines)

    def markdown(self):
        """All scenarios for docs/performance.md."""
        parts = [f"{self.head()}.", "", "CPU seconds, context switches, fsyncs and system calls are per 1,000 messages, of all processes of a "
                 "system, counted in a round of its own; p50 to p99.9: time to the 250, median of the rounds.", "", f"![ratios]({PLOT})"]
        for scenario in self.results:
            table = self._table(scenario)
            parts += ["", f"**{scenario.name}**: {scenario.what}", "", *(f"| {' | '.join(row)} |" for row in table[:1]),
                      "|" + "---|" * len(table[0]), *(f"| {' | '.join(row)} |" for row in table[1:])]
        return "\n".join(parts)

    def write(self, folder):
        """Between the markers of performance.md, and the plot."""
        path = os.path.join(folder, "performance.md")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        before, _, rest = text.partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            raise RuntimeError(f"{path} has no {BEGIN} and {END}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{before}{BEGIN}\n{self.markdown()}\n{END}{after}")
        bars = {scenario.name: {row.name: (row.rate, *row.spread) for row in rows} for scenario, rows in self.results.items()}
        with open(os.path.join(folder, PLOT), "w", encoding="utf-8") as file:
            file.write(plot.bars(bars, f"messages a second, {datetime.date.today()}"))
