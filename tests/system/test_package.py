"""The Debian package, installed as root in a private root of its own: what it brings, that it runs, and that a purge takes all of it.

The root is made once by mmdebstrap and kept as a tar file in the cache of peers.py; namespaces of mounts, processes and network keep the rest
of this machine out of it.  There is no network in it, not even 127.0.0.1, and no resolv.conf.
"""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import zlib

import pytest

import accounts
import culver as helper
import peers
import processes

PACKAGES = "adduser,debconf,init-system-helpers,libbsd0,libcurl4,libidn12,libidn2-0,libjansson4,libpam0g,libpcre2-8-0,libseccomp2,libsqlite3-0,libssl3,libunbound8"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "LC_ALL": "C"}
MODES = ["No configuration", "Internet Site", "Internet with smarthost", "Satellite system", "Local only"]


@pytest.fixture(scope="module")
def package():
    """The .deb, built from the tree; a skip where that cannot be."""
    if "root" not in helper.modes() or not accounts.is_root() or not shutil.which("dpkg-shlibdeps"):
        pytest.skip("needs root mode and dpkg-dev")
    build = os.environ.get("CULVER_BUILD", os.path.join(helper.CHECKOUT, "build"))
    subprocess.run(["make", "-s", "deb", f"BUILD={build}"], cwd=helper.CHECKOUT, check=True, capture_output=True, timeout=600)
    return max(glob.glob(os.path.join(build, "culver_*.deb")), key=os.path.getmtime)


@pytest.fixture(scope="module")
def root(package):
    """A Debian of its own, with the package in /tmp."""
    if not shutil.which("mmdebstrap") or not shutil.which("unshare"):
        pytest.skip("needs mmdebstrap")
    # another list of packages is another root
    tar = os.path.join(peers.cache_folder(), f"debian-root-{zlib.crc32(PACKAGES.encode()):08x}.tar")
    if not os.path.exists(tar):
        os.makedirs(peers.cache_folder(), exist_ok=True)
        made = subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", f"{tar}.{os.getpid()}.tar"],
                              capture_output=True, text=True, check=False, timeout=900)
        if made.returncode != 0:
            pytest.skip(f"mmdebstrap: {made.stderr[-300:]}")
        os.rename(f"{tar}.{os.getpid()}.tar", tar)
    folder = tempfile.mkdtemp(prefix=f"culver-root-{os.getpid()}-", dir="/var/tmp")
    try:
        os.chmod(folder, 0o755)
        subprocess.run(["tar", "-xf", tar, "-C", folder, "--exclude=./dev/*"], check=True)
        for name, minor in (("null", 3), ("urandom", 9)):
            path = os.path.join(folder, "dev", name)
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, minor))
            os.chmod(path, 0o666)
        shutil.copy(package, os.path.join(folder, "tmp/culver.deb"))
        with open(os.path.join(folder, "etc/mailname"), "w", encoding="ascii") as file:
            file.write("mail.example.test\n")
        os.path.exists(os.path.join(folder, "etc/resolv.conf")) and os.unlink(os.path.join(folder, "etc/resolv.conf"))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def inside(root, *words):
    """The words that run others in it."""
    return ["unshare", "-m", "-p", "-f", "-n", "--kill-child", "sh", "-c",
            'mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root, *words]


def run(root, script, check=0, **options):
    done = subprocess.run(inside(root, "sh", "-c", script), capture_output=True, text=True, check=False, timeout=120,
                          env=ENVIRONMENT, **options)
    assert done.returncode == check, f"{script}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def install(root, mode):
    run(root, f"echo 'culver culver/main_mailer_type select {mode}' | debconf-set-selections; "
              "echo 'culver culver/relayhost string relay.example.test' | debconf-set-selections; dpkg -i /tmp/culver.deb")


def purge(root):
    run(root, "dpkg -P culver")


def test_lintian_has_nothing_to_say(package):
    if not shutil.which("lintian"):
        pytest.skip("needs lintian")
    done = subprocess.run(["lintian", "--fail-on", "error,warning", package], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


def test_the_unit_is_right(package):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        unit = os.path.join(folder, "usr/lib/systemd/system/culver.service")
        with open(unit, encoding="ascii") as file:
            text = file.read().replace("/usr/sbin/", os.path.join(folder, "usr/sbin/"))
        with open(unit, "w", encoding="ascii") as file:
            file.write(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60)
        assert "culver.service" not in done.stderr, done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_each_of_debians_modes(root, mode):
    install(root, mode)
    try:
        has = os.path.exists(os.path.join(root, "etc/culver/culver.conf"))
        assert has == (mode != "No configuration")
        if not has:
            return
        run(root, "culver check")
        with open(os.path.join(root, "etc/culver/culver.conf"), encoding="ascii") as file:
            text = file.read()
        assert "origin mail.example.test\n" in text
        assert ("0.0.0.0:25" in text) == mode.startswith("Internet")
        assert ("smarthost relay.example.test:25" in text) == (mode in ("Internet with smarthost", "Satellite system"))
        assert ("domain mail.example.test" in text) == (mode != "Satellite system")
    finally:
        purge(root)


def test_what_is_there_stays(root):
    folder = os.path.join(root, "etc/culver")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "culver.conf"), "w", encoding="ascii") as file:
        file.write("hostname mine.example.test\n")
    install(root, "Internet Site")
    with open(os.path.join(folder, "culver.conf"), encoding="ascii") as file:
        assert file.read() == "hostname mine.example.test\n"
    run(root, "dpkg -r culver")
    assert os.path.exists(os.path.join(folder, "culver.conf"))
    purge(root)


def test_it_runs_as_the_first_process_of_a_container(root):
    """Mail that was sent before the first start arrives, then more; SIGTERM ends it in order."""
    install(root, "Local only")
    run(root, "useradd -m ann")
    letter = "printf 'Subject: %s\\n\\nhi\\n' | setpriv --reuid=ann --regid=ann --clear-groups {} -i ann"
    run(root, letter.format("/usr/lib/sendmail"))
    log = os.path.join(root, "tmp/log")
    with open(log, "wb") as output:
        ours = subprocess.Popen(inside(root, "culver", "run"), stdout=output, stderr=output, env=ENVIRONMENT)
        try:
            import eventlog
            events = eventlog.EventLog(log)
            events.wait("ready", 30)
            events.wait("done", 30)
            first = processes.descendants(ours.pid)[0]
            with open(f"/proc/{first}/status", encoding="ascii") as file:
                assert "NSpid:\t%d\t1\n" % first in file.read()
            # from another container on the same files: only the socket and the inode of the user are shared
            run(root, letter.format("/usr/sbin/sendmail"))
            events.wait("done", 30, count=2)
            events.close()
            os.kill(first, signal.SIGTERM)
            assert ours.wait(30) == 0
        finally:
            ours.poll() is None and ours.kill()
            ours.wait()
    assert len(os.listdir(os.path.join(root, "home/ann/Maildir/new"))) == 2
    purge(root)
    run(root, "userdel -r ann 2>/dev/null; true")


def test_a_purge_leaves_nothing(root):
    install(root, "Internet Site")
    assert run(root, "ls -l /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases /usr/bin/rmail "
               "/usr/sbin/postqueue").count("culver") == 6
    assert "drwx-ws-wt" in run(root, "ls -ld /var/lib/culver/drop")
    purge(root)
    assert run(root, "find / -xdev -name '*culver*' -not -path '/proc/*' -not -path '/tmp/*'") == ""
    assert run(root, "getent passwd; getent group").count("culver") == 0
