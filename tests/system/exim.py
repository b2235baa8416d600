"""Exim as a stranger (stranger.py): exim4-daemon-light, unpacked; it relays all it takes."""

import os

import peers
import stranger

# deliver_drop_privilege: without its set-id bit it could not become root again
CONFIG = """\
primary_hostname = exim.test
exim_path = {root}/usr/sbin/exim4
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/spool/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
exim_user = Debian-exim
deliver_drop_privilege = true
never_users =
host_lookup =
rfc1413_query_timeout = 0s
{tls}
dsn_advertise_hosts = *
pipelining_advertise_hosts = *
smtp_accept_max = 100
smtp_receive_timeout = 60s
qualify_domain = exim.test
acl_smtp_rcpt = rcpt
acl_smtp_data = data
keep_environment =
add_environment = LD_LIBRARY_PATH={libraries}

begin acl
rcpt:
{replies}  accept
data:
  accept

begin routers
onwards:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = onwards
  no_more

begin transports
onwards:
  driver = smtp
  port = {next_hop}
  allow_localhost
  hosts_avoid_tls = *
  hosts_try_dane =

begin retry
* * F,1h,5s
"""


class Exim(stranger.Stranger):
    """One instance."""

    name = "exim"
    users = ("Debian-exim",)
    queues = ("spool/input",)

    @staticmethod
    def unpacked():
        return peers.unpacked("exim", ["exim4-daemon-light", "exim4-base"], ["usr/sbin/exim4"])

    def prepare(self):
        # where Debian's Exim looks by itself; a configuration from elsewhere would cost it root
        self.make_folder("etc/exim4")
        for name in ("spool", "log"):
            self.make_folder(name, self.uids["Debian-exim"], self.uids["Debian-exim"], 0o750)

    def configure(self):
        replies = "".join(f"  {'defer' if reply.startswith('4') else 'deny'} local_parts = {who}\n    message = {reply}\n"
                          for who, reply in self.replies.items())
        tls = "tls_advertise_hosts = *\ntls_certificate = {}\ntls_privatekey = {}" if self.pair else "tls_advertise_hosts ="
        self.write("etc/exim4/exim4.conf", CONFIG.format(
            tls=tls.format(*self.pair or ()), root=self.root, folder=self.folder, port=self.port, next_hop=self.next_hop, replies=replies,
            libraries=self.environment()["LD_LIBRARY_PATH"]))

    def daemon(self):
        return [os.path.join(self.root, "usr/sbin/exim4"), "-bdf", "-q5s"]
