"""What a mail system used: processor time, context switches, fsyncs and system calls of all of its processes, and their memory.

Counted by the kernel (perf stat with its software events and tracepoints, inherited by every process forked meanwhile), in a run
of its own, so that the rates are measured without it.  Without perf or the right to use it, nothing is counted.
"""

import os
import platform
import signal
import subprocess
import tempfile
import threading

SYNCS = ("fsync", "fdatasync", "sync_file_range", "msync")
EVENTS = ["task-clock", "context-switches", "raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{name}" for name in SYNCS)]
TICK_S = 0.2
ATTACH_TRIES = 5
SETTLE_S = 10


class Counter:
    """Counts for the processes of `mta` until stop()."""

    def __init__(self, mta):
        self.mta, self.peak_kb = mta, 0
        self.output = tempfile.NamedTemporaryFile("r", encoding="ascii", suffix=".perf")
        self.process = None
        for _ in range(ATTACH_TRIES):  # a process that ended since it was listed is perf's end, too
            try:
                self._attach()
            except FileNotFoundError:  # no perf: nothing is counted
                break
            if self.process:
                break
        self.done = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.sampler.start()

    def _attach(self):
        """Returns when it counts, or cannot: self.process is None."""
        ours, theirs = os.pipe()
        back, ready = os.pipe()
        words = ["perf", "stat", "-x,", "-o", self.output.name, "-D", "-1", "--control", f"fd:{ours},{ready}", "-e", ",".join(EVENTS),
                 "-p", ",".join(map(str, self.mta.pids()))]
        try:
            try:
                process = subprocess.Popen(words, pass_fds=(ours, ready), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE, text=True)
            finally:
                os.close(ours)
                os.close(ready)
            try:
                os.write(theirs, b"enable\n")
            except BrokenPipeError:
                pass
            if os.read(back, 16):
                self.process = process
            else:  # it has ended
                process.communicate()
        finally:
            os.close(theirs)
            os.close(back)

    def _sample(self):
        while True:
            self.peak_kb = max(self.peak_kb, memory_kb(self.mta.pids()))
            if self.done.wait(TICK_S):
                return

    def stop(self, messages):
        """{what: per 1,000 messages}, and the memory in MB."""
        self.done.set()
        self.sampler.join()
        result = {"memory_mb": self.peak_kb / 1024} if self.peak_kb else {}  # an ordinary user may not look
        if self.process is None:
            return result
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        counted = {}
        for line in self.output.read().splitlines():
            words = line.split(",")
            if len(words) > 2 and words[0].replace(".", "").isdigit():
                counted[words[2]] = float(words[0])
        self.output.close()
        per = 1000 / max(1, messages)
        if "task-clock" in counted:
            result["cpu_s"] = counted["task-clock"] / 1000 * per
            result["switches"] = counted.get("context-switches", 0) * per
            result["calls"] = counted.get("raw_syscalls:sys_enter", 0) * per
            result["syncs"] = sum(counted.get(f"syscalls:sys_enter_{name}", 0) for name in SYNCS[:2]) * per
        return result


def memory_kb(pids):
    """Proportional set size of all of them."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, ValueError):
            pass  # it has ended meanwhile
    return total


def _ticks(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                words = file.read().rpartition(")")[2].split()
            total += sum(map(int, words[11:15]))
        except OSError:
            pass
    return total


def settle(mta):
    """Returns when the processes of it rest: what follows a delivery (cleaning up) is not the next one's burden."""
    pause = threading.Event()
    before = _ticks(mta.pids())
    for _ in range(int(SETTLE_S / TICK_S)):
        pause.wait(TICK_S)
        now = _ticks(mta.pids())
        if now - before <= 1:
            return
        before = now


def machine():
    """One line: what this ran on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 1024 / 1024
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (f"{len(models)} processors ({models[0] if models else '?'}), {memory:.0f} GB, Linux {platform.release()}, "
            f"load before the first round {load}")
