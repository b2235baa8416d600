"""Postfix as a stranger (stranger.py): unpacked; it relays all it takes."""

import os

import peers
import stranger

# (folder below the queue, whose, mode), as postfix-files has them
FOLDERS = [
    ("active", "owner", 0o700), ("bounce", "owner", 0o700), ("corrupt", "owner", 0o700), ("defer", "owner", 0o700),
    ("deferred", "owner", 0o700), ("flush", "owner", 0o700), ("hold", "owner", 0o700), ("incoming", "owner", 0o700),
    ("private", "owner", 0o700), ("saved", "owner", 0o700), ("trace", "owner", 0o700), ("pid", "root", 0o755),
    ("public", "drop", 0o710), ("maildrop", "drop", 0o730),
]

MAIN = """\
compatibility_level = 3.6
myhostname = mx.postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
queue_directory = {folder}/queue
data_directory = {folder}/data
config_directory = {folder}/postfix
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = no
meta_directory = {folder}/postfix
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
relayhost = [127.0.0.1]:{next_hop}
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_tls_security_level = may
smtpd_client_connection_count_limit = 0
enable_long_queue_ids = yes
{tls}smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/postfix/replies, permit_mynetworks, reject
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
"""


class Postfix(stranger.Stranger):
    """One instance."""

    name = "postfix"
    users = ("postfix", "postdrop")
    queues = ("queue/maildrop", "queue/incoming", "queue/active", "queue/deferred", "queue/hold")
    unpacked = staticmethod(peers.postfix_root)

    def prepare(self):
        owner, drop = self.uids["postfix"], self.uids["postdrop"]
        for name, uid, mode in (("postfix", 0, 0o755), ("queue", 0, 0o755), ("data", owner, 0o700), ("log", 0, 0o755)):
            self.make_folder(name, uid, 0, mode)
        for name, whose, mode in FOLDERS:
            self.make_folder(f"queue/{name}", 0 if whose == "root" else owner, drop if whose == "drop" else 0, mode)

    def configure(self):
        tls = "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n" if self.pair else ""
        values = {"tls": tls.format(*self.pair or ()), "folder": self.folder, "root": self.root, "port": self.port, "next_hop": self.next_hop}
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            self.write(f"postfix/{name}", text.format(**values))
        self.write("postfix/replies", "".join(f"{who}@ {reply}\n" for who, reply in self.replies.items()))

    def daemon(self):
        return [os.path.join(self.root, "usr/lib/postfix/sbin/master"), "-c", self.path("postfix"), "-d"]

    def environment(self):
        return {**super().environment(), "MAIL_CONFIG": self.path("postfix")}

    def postqueue(self, *words):
        """What postqueue prints."""
        return self.run(os.path.join(self.root, "usr/sbin/postqueue"), *words)

    def postsuper(self, *words):
        """postsuper, which moves messages about."""
        self.run(os.path.join(self.root, "usr/sbin/postsuper"), *words)
