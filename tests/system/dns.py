"""A name server of the test's own: nsd on a port of 127.0.0.1, with zones as text, signed ones by ldns-signzone.

Both are taken from the system, else unpacked from their Debian packages beside the other peers, never installed: a
package of nsd would start one at port 53.
"""

import os
import select
import shutil
import subprocess
import tempfile
import time

import peers

PACKAGES = ["nsd", "ldnsutils"]
START_S = 10


def root():
    """The folder below which nsd and ldns-signzone lie; peers.Unavailable says why they cannot be had."""
    return peers.unpacked("nsd", PACKAGES, ["usr/sbin/nsd", "usr/bin/ldns-signzone"])


def zone(name, records, ttl=300):
    """A zone as text: its SOA and NS, then these lines."""
    return (f"$ORIGIN {name}.\n$TTL {ttl}\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A 127.0.0.1\n"
            + records.strip() + "\n")


class Server:
    """nsd with zones {name: text}; a zone whose text is None is one that cannot be loaded: SERVFAIL."""

    def __init__(self, zones):
        self.root = root()
        self.port = peers.free_port()
        self.folder = tempfile.mkdtemp(prefix="culver-nsd-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.zones = {}
        self.process = None
        for name, text in zones.items():
            self._write(name, text)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        self.zones[name] = self._path(f"{name}.zone")
        if text is not None:
            with open(self.zones[name], "w", encoding="utf-8") as file:
                file.write(text)

    def _run(self, *words):
        return subprocess.run([os.path.join(self.root, "usr/bin", words[0]), *words[1:]], cwd=self.folder, check=True,
                              capture_output=True, text=True, env=peers.environment(self.root)).stdout.strip()

    def sign(self, name, damage=None):
        """Signs the zone; the path of a file with its key for `trust-anchor`.  `damage` may change the signed text."""
        key = self._run("ldns-keygen", "-k", "-a", "ECDSAP256SHA256", name)
        self._run("ldns-signzone", "-f", f"{name}.signed", f"{name}.zone", key)
        self.zones[name] = self._path(f"{name}.signed")
        if damage:
            with open(self.zones[name], encoding="utf-8") as file:
                text = damage(file.read())
            with open(self.zones[name], "w", encoding="utf-8") as file:
                file.write(text)
        return self._path(f"{key}.key")

    def start(self):
        """Returns when it serves."""
        lines = ["server:", "ip-address: 127.0.0.1", f"port: {self.port}", 'username: ""', 'database: ""', 'xfrdfile: ""',
                 f"zonesdir: {self.folder}", f"pidfile: {self.folder}/pid", f"zonelistfile: {self.folder}/zones",
                 "server-count: 1", "rrl-ratelimit: 0", "remote-control:", "control-enable: no"]
        for name, path in self.zones.items():
            lines += ["zone:", f"name: {name}", f"zonefile: {path}"]
        config = self._path("nsd.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        self.process = subprocess.Popen([os.path.join(self.root, "usr/sbin/nsd"), "-d", "-c", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=peers.environment(self.root))
        self._await_started()
        return self

    def _await_started(self):
        said, deadline = b"", time.monotonic() + START_S
        while b"nsd started" not in said:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            assert part, f"nsd does not start: {said.decode()}"
            said += part

    def stop(self):
        """Nobody answers any more."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stderr.close()
            self.process = None

    def close(self):
        """And nothing is left."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
