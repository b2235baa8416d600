"""OpenSMTPD as a stranger (stranger.py): unpacked; it relays all it takes."""

import os

import peers
import stranger

CONFIG = """\
smtp max-message-size 50M
{filters}listen on 127.0.0.1 port {port} hostname opensmtpd.test{chain}
action "onwards" relay host "smtp+notls://127.0.0.1:{next_hop}" helo opensmtpd.test
match from any for any action "onwards"
"""


class OpenSmtpd(stranger.Stranger):
    """One instance."""

    name = "opensmtpd"
    users = ("opensmtpd", "opensmtpq")
    queues = ("spool/queue", "spool/incoming")

    @staticmethod
    def unpacked():
        return peers.unpacked("opensmtpd", ["opensmtpd"], ["usr/sbin/smtpd", "usr/sbin/smtpctl"])

    def prepare(self):
        self.make_folder("spool", mode=0o711)
        self.make_folder("run")
        self.make_folder("empty")

    def configure(self):
        filters = "".join(f'filter "{who}" phase rcpt-to match rcpt-to regex "^{who}@" {self._answer(reply)}\n'
                          for who, reply in self.replies.items())
        names = ", ".join(f'"{who}"' for who in self.replies)
        chain = f'filter "replies" chain {{ {names} }}\n' if names else ""
        self.write("smtpd.conf", CONFIG.format(filters=filters + chain, chain=' filter "replies"' if names else "",
                                               port=self.port, next_hop=self.next_hop))

    @staticmethod
    def _answer(reply):
        return f'reject "{reply}"'

    def mounts(self):
        return [(None, "/var/spool"), (self.path("spool"), "/var/spool/smtpd"), (self.path("run"), "/run"),
                (None, "/var/lib"), (self.path("empty"), "/var/lib/opensmtpd/empty"),
                (None, "/usr/libexec"), (os.path.join(self.root, "usr/libexec/opensmtpd"), "/usr/libexec/opensmtpd")]

    def daemon(self):
        return [os.path.join(self.root, "usr/sbin/smtpd"), "-d", "-f", self.path("smtpd.conf")]
