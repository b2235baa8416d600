"""Culver, as `make install` puts it, run by root with its own users; as an ordinary user, the build tree under his uid.

Its limits are raised to what the bench asks for; everything else is the default.  `early` says whether `early-delivery` is
left at its default or is `off`; a build that does not know the directive syncs everything.
"""

import os
import shutil
import subprocess

import culver as helper
import mta
import spool

SITES = 5000
UNKNOWN = 200  # sites that answer at once, and that nobody has written to
# what stands behind a site of `beside-sites`: a behaviour of sink; None: nobody listens
SITE_KINDS = {"healthy": "accept", "slow": "slow:2000", "refused": None, "silent": "silent", "busy": "busy:0", "hang": "hang",
              "blackhole": "blackhole"}
DEAD_KINDS = ("refused", "silent", "busy", "hang", "blackhole")


def site_kind(number):
    """A third healthy, a third slow, a third dead in every way."""
    return ("healthy", "slow", DEAD_KINDS[number // 3 % len(DEAD_KINDS)])[number % 3]


class Culver(mta.Mta):
    """One instance of it."""

    def __init__(self, place, disk, routes, mailbox, early):
        self.instance = helper.Culver(place)
        self.name = "Culver" if early else "Culver synced"
        folder = os.path.join(disk, f"culver-{'early' if early else 'synced'}")
        os.makedirs(folder, 0o755)
        if place.mode == "user":
            os.chown(folder, place.runner.pw_uid, -1)
        self.place, self.routes_without_sites = place, []
        self.instance.spool = os.path.join(folder, "spool")
        self.instance.trace = os.path.join(folder, "trace")
        super().__init__()
        self.instance.port = self.port
        self.instance.maildir_name = f"Maildir-culver-{'early' if early else 'synced'}"
        self.new_folder = mta.prepare_maildir(mailbox, os.path.join(mailbox.pw_dir, self.instance.maildir_name))
        self.instance.limit = ["sessions 2000", "sessions-per-client 2000", "recipients 50000", "reserve 64M"]
        # the helper of the tests has a line of its own there; the bench measures the default
        self.instance.replaced["early-delivery"] = None if early else "off"
        self.instance.outbound = ["retry 5m 4h"]
        certificate, key = mta.certificate(folder)
        if place.mode == "user":
            os.chown(key, place.runner.pw_uid, -1)
        self.instance.general = [f"route {domain} {{\n    smtp {' '.join(f'127.0.0.1:{port}' for port in ports)}\n}}"
                                 for domain, ports in routes.items()]
        self.instance.general.append(f"tls {{\n    certificate {certificate}\n    key {key}\n}}")
        self.version = subprocess.run([place.command, "--version"], capture_output=True, text=True, check=False).stdout.strip()

    def knows_early(self):
        """Whether this build has the directive at all."""
        kept = self.instance.replaced["early-delivery"]
        self.instance.replaced["early-delivery"] = "off"
        self.instance.write()
        self.instance.replaced["early-delivery"] = kept
        return self.instance.command("check").returncode == 0

    def start(self):
        self.instance.start()

    def stop(self):
        self.instance.stop()

    def empty_queue(self):
        shutil.rmtree(self.instance.spool, ignore_errors=True)

    def fill_sites(self, ports, messages, tried=True):
        """While it is stopped: so many messages, tried once and due now, or never tried, for all the sites, each of which has an address of its own."""
        self.routes_without_sites = list(self.instance.general)
        for n in range(SITES):
            address = f"127.{16 + n // 62500}.{n // 250 % 250}.{1 + n % 250}:{ports[site_kind(n)]}"
            self.instance.general.append(f"route d{n}.test {{\n    smtp {address}\n}}")
        for n in range(UNKNOWN):
            self.instance.general.append(f"route n{n}.test {{\n    smtp 127.15.0.{1 + n}:{ports['healthy']}\n}}")
        owner = os.stat(os.path.join(self.instance.spool, "queue"))
        spool.fill(self.instance.spool, messages, (owner.st_uid, owner.st_gid), SITES, wait_s=0, tried=tried)

    def forget_sites(self):
        """With the next start they are unknown."""
        self.instance.general = self.routes_without_sites

    def pids(self):
        if not self.instance.process:
            return []
        return [pid for group in self.instance.pids().values() for pid in group]

    def close(self):
        """Nothing of it stays."""
        self.instance.close()
