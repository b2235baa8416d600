"""Exim (exim4-daemon-light) with Debian's main settings, set-id root as installed.

Tuning: smtp_accept_queue_per_connection 0 and smtp_accept_max raised, else it queues from the 11th message of a connection on
and refuses from the 21st connection on; split_spool_directory as its manual advises for many messages.  What differs
otherwise says why.
"""

import shutil

import mta

CONFIG = """\
primary_hostname = mx.exim.test
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /var/spool/exim4/exim.pid
exim_user = Debian-exim
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
never_users = root
ignore_bounce_errors_after = 2d
timeout_frozen_after = 7d
qualify_domain = mx.exim.test
split_spool_directory = true
# tuning, see above
smtp_accept_max = 500
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
smtp_accept_queue = 0
queue_run_max = 20
remote_max_parallel = 4
recipients_max = 50000
acl_smtp_rcpt = accept
acl_smtp_data = accept

begin acl
accept:
  accept

begin routers
{routers}
local:
  driver = accept
  check_local_user
  transport = maildir

begin transports
{transports}
maildir:
  driver = appendfile
  directory = $home/Maildir-Exim
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add

begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
"""

ROUTER = """\
{name}:
  driver = manualroute
  domains = {domain}
  route_list = * {hosts} byname
  self = send
  transport = {name}
  no_more

"""

# the port of each host stands in the host list: 127.0.0.1::PORT
TRANSPORT = """\
{name}:
  driver = smtp
  connect_timeout = 5s
  allow_localhost
  hosts_avoid_tls = *
  hosts_try_dane =

"""


class Exim(mta.Rival):
    """One instance."""

    name = "Exim"
    users = ("Debian-exim",)
    set_id = {"usr/sbin/exim4": ("root", "root", 0o4755)}

    @staticmethod
    def packages():
        return mta.unpacked("exim", ["exim4-daemon-light", "exim4-base"])

    def prepare(self):
        self.make_folder("log")
        self.make_folder("log/exim4", "Debian-exim", "Debian-exim", 0o750)
        self.make_folder("etc")
        self.make_folder("lib")
        self.empty_queue()
        routers = transports = ""
        for domain, ports in self.routes.items():
            name = domain.split(".", maxsplit=1)[0]
            hosts = " : ".join(f"127.0.0.1::{port}" for port in ports)
            routers += ROUTER.format(name=name, domain=domain, hosts=f'"{hosts}"' if len(ports) > 1 else hosts)
            transports += TRANSPORT.format(name=name)
        self.write("etc/exim4.conf", CONFIG.format(port=self.port, routers=routers, transports=transports))
        words = self.run("/usr/sbin/exim4", "-bV").split()
        self.version = words[2] if len(words) > 2 else "?"

    def empty_queue(self):
        shutil.rmtree(self.path("spool"), ignore_errors=True)
        self.make_folder("spool", "Debian-exim", "Debian-exim", 0o750)

    def binds(self):
        return [(self.path("etc"), "/etc/exim4"), (self.path("spool"), "/var/spool/exim4"), (self.path("log"), "/var/log"),
                (self.path("lib"), "/var/lib/exim4")]

    def daemon(self):
        return ["/usr/sbin/exim4", "-bdf", "-q30m"]
