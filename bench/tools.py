"""The bench's own programs, load and sink, as objects; what they print is their result as a dictionary."""

import json
import os
import subprocess

import culver as helper

LOAD_S = 600


def tool(name):
    """The path of one of them."""
    return os.path.join(helper.BUILD, "bench", name)


class Load:
    """One run of load in the background; words as its command line has them, without the dashes."""

    program = "load"

    def __init__(self, port, **words):
        command = [tool(self.program), "--to", f"127.0.0.1:{port}"]
        for word, value in words.items():
            command += [f"--{word.replace('_', '-')}", str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def result(self):
        """Waits for its end."""
        try:
            out, _ = self.process.communicate(timeout=LOAD_S)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        if self.process.returncode != 0:
            raise RuntimeError(f"{self.program} ended with {self.process.returncode}")
        return json.loads(out)


class Secure(Load):
    """One run of secure: the same by TLS."""

    program = "secure"


class Sink:
    """The sink with all of its listeners: {ADDRESS:PORT: behaviour}."""

    def __init__(self, listeners):
        words = [f"{address}={behaviour}" for address, behaviour in listeners.items()]
        self.process = subprocess.Popen([tool("sink"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"sink ended with {self.process.wait()}")
        return json.loads(answer)

    def round(self, tag, messages, recipients=1):
        """Counts anew: only messages of that tag."""
        self._ask(f"round {tag} {messages} {recipients}")

    def wait(self, count, seconds):
        """The result once that many are delivered, or when the time has passed."""
        return self._ask(f"wait {count} {seconds}")

    def report(self):
        """The result now."""
        return self._ask("report")

    def close(self):
        """It ends with its stdin."""
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
