"""Postfix as Debian ships it: /etc/postfix with its own master.cf, and a main.cf of the few lines below.

Tuning: none is needed on the way through: default_process_limit 100, default_destination_concurrency_limit 20, qmgr_message_
active_limit 20,000, in_flow_delay 1s and the connection cache on demand are the defaults and stay.  What differs says why.
"""

import os
import re
import shutil

import mta

# (folder below the queue, whose, mode), as postfix-files has them
FOLDERS = [
    ("active", "owner", 0o700), ("bounce", "owner", 0o700), ("corrupt", "owner", 0o700), ("defer", "owner", 0o700),
    ("deferred", "owner", 0o700), ("flush", "owner", 0o700), ("hold", "owner", 0o700), ("incoming", "owner", 0o700),
    ("private", "owner", 0o700), ("saved", "owner", 0o700), ("trace", "owner", 0o700), ("pid", "root", 0o755),
    ("public", "drop", 0o710), ("maildrop", "drop", 0o730),
]

MAIN = """\
# as Debian's installer writes it for an Internet site
compatibility_level = 3.6
myhostname = mx.postfix.test
mydestination = $myhostname, localhost, {domain}
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
biff = no
append_dot_mydomain = no
recipient_delimiter = +
alias_maps =
# where the mail of this bench goes
transport_maps = texthash:/etc/postfix/transport
home_mailbox = Maildir-Postfix/
maillog_file = /var/log/postfix.log
# there is no DNS on the bench
disable_dns_lookups = yes
smtpd_peername_lookup = no
# all clients come from one address: not limited, as Culver's are not
smtpd_client_connection_count_limit = 0
# as many sessions at once as the bench asks for (100 is the default, and that of all other services)
# (the line of smtpd in master.cf says 500)
smtp_connect_timeout = 5s
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/chain.pem
message_size_limit = 52428800
mailbox_size_limit = 0
smtpd_recipient_limit = 50000
"""


class Postfix(mta.Rival):
    """One instance."""

    name = "Postfix"
    users = ("postfix", "postdrop")

    @staticmethod
    def packages():
        return mta.unpacked("postfix", ["postfix"])

    def prepare(self):
        self.make_folder("data", "postfix", mode=0o700)
        self.make_folder("log")
        self._make_queue()
        shutil.copytree(os.path.join(self.root, "etc/postfix"), self.path("etc"))
        shutil.copy(os.path.join(self.root, "usr/share/postfix/master.cf.dist"), self.path("etc/master.cf"))
        shutil.copy(os.path.join(self.root, "usr/share/postfix/dynamicmaps.cf"), self.path("etc/dynamicmaps.cf"))
        self.write("etc/main.cf", MAIN.format(domain="local.test"))
        self.write("etc/transport", "".join(
            f"{domain} smtp:{', '.join(f'[127.0.0.1]:{port}' for port in ports)}\n" for domain, ports in self.routes.items()))
        self._make_chain()
        self._edit_master()
        self.version = self.run("postconf", "-dh", "mail_version").strip()

    def _make_chain(self):
        """Its key and certificate in one file."""
        text = ""
        for path in reversed(mta.certificate(self.folder)):
            with open(path, encoding="ascii") as file:
                text += file.read()
        self.write("etc/chain.pem", text, mode=0o600)

    def _edit_master(self):
        """Debian's, with our port; no chroot (its files are not in the chroot without the installer), 500 sessions."""
        with open(self.path("etc/master.cf"), encoding="ascii") as file:
            lines = file.read().splitlines()
        result = []
        for line in lines:
            words = line.split()
            if re.match(r"[a-z0-9]", line) and len(words) >= 8:
                if words[0] == "smtp" and words[1] == "inet":
                    words[0], words[6] = f"127.0.0.1:{self.port}", "500"
                words[4] = "n"
                line = " ".join(words)
            result.append(line)
        self.write("etc/master.cf", "\n".join(result) + "\n")

    def _make_queue(self):
        self.make_folder("queue")
        for name, whose, mode in FOLDERS:
            self.make_folder(f"queue/{name}", "root" if whose == "root" else "postfix",
                             "postdrop" if whose == "drop" else "root", mode)

    def empty_queue(self):
        shutil.rmtree(self.path("queue"))
        self._make_queue()

    def binds(self):
        return [(self.path("etc"), "/etc/postfix"), (self.path("queue"), "/var/spool/postfix"),
                (self.path("data"), "/var/lib/postfix"), (self.path("log"), "/var/log")]

    def daemon(self):
        return ["/usr/lib/postfix/sbin/master", "-d"]
