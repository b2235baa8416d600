"""OpenSMTPD as Debian ships it.

Tuning: more messages a session than the default of 100 allows, in and out; no wait of 2 to 5 s between two connections to one next hop; no
DNS (resolv.conf of its namespace), for which each client's banner would wait.
"""

import shutil

import mta

CONFIG = """\
smtp max-message-size 50M
smtp limit max-mails 1000000
smtp limit max-rcpt 50000
mta limit conn-delay-host 0
mta limit conn-delay-source 0
mta limit conn-delay-connector 0
mta limit conn-delay-relay 0
mta limit conn-delay-domain 0
mta limit reconn-delay-route 0
mta limit session-mail-max 1000
mta limit task-hiwat 100000
mta limit task-lowat 50000
{tables}listen on 127.0.0.1 port {port} hostname mx.opensmtpd.test
action "local" maildir "%{{user.directory}}/Maildir-OpenSMTPD"
{actions}match from any for domain "local.test" action "local"
{matches}"""


class OpenSmtpd(mta.Rival):
    """One instance."""

    name = "OpenSMTPD"
    connecting = 4  # its backlog is 5; beyond it the kernel's SYN cookies leave clients with connections that it never sees
    users = ("opensmtpd", "opensmtpq")

    @staticmethod
    def packages():
        return mta.unpacked("opensmtpd", ["opensmtpd"])

    def prepare(self):
        self.make_folder("run")
        self.make_folder("empty/empty")
        self.write("resolv.conf", "lookup file\n")
        self.empty_queue()
        tables = actions = matches = ""
        for domain, ports in self.routes.items():
            hosts = [f"smtp+notls://127.0.0.1:{port}" for port in ports]
            if len(hosts) > 1:
                name = domain.split(".", maxsplit=1)[0]
                tables += f'table {name} {{ {", ".join(hosts)} }}\n'
                host = f"<{name}>"
            else:
                host = f'"{hosts[0]}"'
            actions += f'action "{domain}" relay host {host} helo mx.opensmtpd.test\n'
            matches += f'match from any for domain "{domain}" action "{domain}"\n'
        self.write("smtpd.conf", CONFIG.format(port=self.port, tables=tables, actions=actions, matches=matches))
        self.version = self.run("sh", "-c", "/usr/sbin/smtpd -h 2>&1 || true").split("\n", maxsplit=1)[0].rpartition(" ")[2]

    def empty_queue(self):
        shutil.rmtree(self.path("spool"), ignore_errors=True)
        self.make_folder("spool", mode=0o711)

    def binds(self):
        return [(self.path("spool"), "/var/spool/smtpd"), (self.path("run"), "/run"),
                (self.path("empty"), "/var/lib/opensmtpd"), (self.path("resolv.conf"), "/etc/resolv.conf")]

    def daemon(self):
        return ["/usr/sbin/smtpd", "-d", "-f", self.path("smtpd.conf")]
