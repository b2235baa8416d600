"""A whole Postfix of the unpacked Debian package, run privately beside Culver for bench.py.

Own configuration, queue, log and users; nothing is installed, nothing outside of its folder is touched.  Needs root,
since Postfix's master does.
"""

import os
import signal
import subprocess

import accounts
import peers

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
mydestination = $myhostname, localhost, {domain}
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mail_owner = {owner}
setgid_group = {drop}
default_privs = nobody
queue_directory = {folder}/queue
data_directory = {folder}/data
config_directory = {folder}/etc
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = no
meta_directory = {folder}/etc
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}
relayhost = {relayhost}
alias_maps =
local_recipient_maps =
home_mailbox = {maildir}/
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_client_connection_count_limit = 0
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


class Postfix:
    """One instance; `next_hop` is the port of 127.0.0.1 that gets what is not local."""

    def __init__(self, folder, next_hop, domain, maildir):
        self.folder, self.root, self.port = folder, peers.postfix_root(), peers.free_port()
        self.process = None
        os.makedirs(folder, mode=0o755)
        self.owner = accounts.make("p", os.path.join(folder, "home"))
        self.drop = accounts.make("d", os.path.join(folder, "drop"))
        for name, owner, mode in (("etc", 0, 0o755), ("queue", 0, 0o755), ("data", self.owner.pw_uid, 0o700),
                                  ("log", 0, 0o755)):
            os.mkdir(os.path.join(folder, name), mode)
            os.chown(os.path.join(folder, name), owner, 0)
        for name, whose, mode in FOLDERS:
            path = os.path.join(folder, "queue", name)
            os.mkdir(path)
            os.chown(path, 0 if whose == "root" else self.owner.pw_uid, self.drop.pw_gid if whose == "drop" else 0)
            os.chmod(path, mode)
        values = {"folder": folder, "root": self.root, "owner": self.owner.pw_name, "drop": self.drop.pw_name,
                  "domain": domain, "maildir": maildir, "port": self.port, "relayhost": f"[127.0.0.1]:{next_hop}"}
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            with open(os.path.join(folder, "etc", name), "w", encoding="ascii") as file:
                file.write(text.format(**values))

    def start(self):
        """Returns when it takes connections."""
        env = peers.environment(self.root)
        env["MAIL_CONFIG"] = os.path.join(self.folder, "etc")
        with open(os.path.join(self.folder, "log", "stderr"), "ab") as errors:
            self.process = subprocess.Popen(
                [os.path.join(self.root, "usr/lib/postfix/sbin/master"), "-c", env["MAIL_CONFIG"], "-d"],
                env=env, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
        peers.wait_for_port(self.port, self.process)
        return self

    def stop(self):
        """Ends master; its children end with it."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None
