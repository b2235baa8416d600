"""The endings of a multi-user host: commands, files and lists of aliases and .forward; mbox, pipe, LMTP; and what users cannot do there."""

import mailbox
import os
import re
import shutil
import stat
import textwrap
import time

import pytest

import mail
import smtp
from test_recipients import deliver


def home(instance, number=0):
    """Of the n-th user."""
    return instance.place.home(instance.place.users[number])


def put(instance, name, text, number=0, mode=0o644):
    """A file in the home of that user, his; goes at the end of the test."""
    entry = instance.place.users[number]
    path = os.path.join(home(instance, number), name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    if os.geteuid() == 0:
        os.chown(path, entry.pw_uid, entry.pw_gid)
    instance.cleanups.append(lambda: os.path.exists(path) and os.remove(path))
    return path


def script(instance, name, text, number=0):
    """An executable of that user."""
    return put(instance, name, textwrap.dedent(text), number, 0o755)


def result(instance, name, number=0):
    """The path of a file that a command or line of the user will write; goes at the end of the test."""
    path = os.path.join(home(instance, number), name)
    instance.cleanups.append(lambda: os.path.exists(path) and os.remove(path))
    return path


def open_folder(instance, name):
    """A folder where everybody may write; an ordinary user's instance writes files of aliases below his home alone."""
    path = os.path.join(home(instance) if instance.place.mode == "user" else instance.folder, name)
    os.mkdir(path)
    os.chmod(path, 0o1777)
    instance.cleanups.append(lambda: shutil.rmtree(path))
    return path


def read(path):
    """What is in the file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def send(instance, addresses, tag, sender="a@client.test"):
    """Sends a message; its id, whatever becomes of it."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(sender, addresses, mail.small(tag))
        smtp.check(reply, 250)
    return instance.accepted_id(reply)


# ---- lines of aliases ----


def test_alias_command_file_and_list(culver):
    folder = open_folder(culver, "out")
    with open(os.path.join(culver.folder, "list"), "w", encoding="ascii") as file:
        file.write(f"# members\n{culver.user}, \n\n{culver.user}+two@local.test\n")
    culver.aliases = (f'cmd: "|cat > {folder}/letter; id -un > {folder}/who"\nfile: {folder}/box\ndir: {folder}/dir/\n'
                      f"list: :include:{culver.folder}/list\nnull: /dev/null\nall: cmd, file, dir, null\n")
    culver.start()
    deliver(culver, ["all@local.test"], "all")
    deliver(culver, ["file@local.test"], "again")
    letter = read(f"{folder}/letter")
    assert letter.startswith("From a@client.test ") and "\nDelivered-To: cmd@local.test\n" in letter and "all" in letter
    who = read(f"{folder}/who").strip()
    assert who == ("nobody" if culver.place.mode == "root" else culver.user)
    box = mailbox.mbox(f"{folder}/box")
    assert [m["X-Original-To"] for m in box] == ["all@local.test", "file@local.test"]
    assert not os.path.exists(f"{folder}/box.lock")
    assert len(os.listdir(f"{folder}/dir/new")) == 1
    deliver(culver, ["list@local.test"], "members")
    assert len(culver.maildir().by_tag("members")) == 2
    ident = deliver(culver, ["null@local.test"], "nothing")
    assert culver.wait_event("delivered", id=ident)["to"] == "null@local.test"


def test_alias_file_that_others_may_write_is_not_obeyed(culver):
    folder = open_folder(culver, "out")
    culver.aliases = f'cmd: "|touch {folder}/done"\nplain: {culver.user}\n'
    culver.start()
    os.chmod(culver.aliases_path, 0o666)
    ident = send(culver, ["cmd@local.test"], "unsafe")
    seen = culver.wait_event("deferred", id=ident)
    assert "may be written by others" in seen["reply"]
    assert not os.listdir(folder)
    # names are not commands: those still lead where they led
    deliver(culver, ["plain@local.test"], "plain")


def test_exit_statuses_become_dsn_codes(culver):
    wanted = {0: ("delivered", "2.0.0"), 67: ("failed", "5.1.1"), 65: ("failed", "5.6.0"), 75: ("deferred", "4.3.0"),
              77: ("failed", "5.7.0"), 127: ("deferred", "4.3.5"), 1: ("failed", "5.3.0")}
    culver.aliases = "".join(f'x{status}: "|echo said {status}; exit {status}"\n' for status in wanted)
    culver.aliases += 'own: "|echo 4.2.2 the box is full; exit 3"\nkill: "|kill -9 $$"\nearly: "|exit 0"\n'
    culver.outbound.append("retry 1h")
    culver.start()
    for status, (event, code) in wanted.items():
        ident = send(culver, [f"x{status}@local.test"], f"x{status}", sender="")
        seen = culver.wait_event(event, id=ident)
        assert seen["status"] == code, seen
        if status:
            assert seen["reply"].endswith(f"Command output: said {status}"), seen
    seen = culver.wait_event("deferred", id=send(culver, ["own@local.test"], "own"))
    assert seen["status"] == "4.2.2" and "the box is full" in seen["reply"]
    seen = culver.wait_event("deferred", id=send(culver, ["kill@local.test"], "kill"))
    assert "died of signal 9" in seen["reply"]
    # one that reads nothing of a long letter has taken it all the same
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", ["early@local.test"], mail.small("early", 3 << 20))
    culver.wait_event("delivered", id=culver.accepted_id(reply))


def test_command_sees_nothing_of_culver(culver):
    folder = open_folder(culver, "out")
    culver.aliases = f'look: "|ls -l /proc/self/fd > {folder}/fds; env > {folder}/env; cat /proc/self/status > {folder}/status; ulimit -a > {folder}/limits; pwd > {folder}/pwd; umask >> {folder}/pwd"\n'
    culver.start()
    deliver(culver, ["look+ext@local.test"], "look", )
    links = re.findall(r"(\d+) -> (\S+)", read(f"{folder}/fds"))
    assert all(fd in ("0", "1", "2", "3") and "socket" not in to and "memfd" not in to for fd, to in links), links
    assert [to for fd, to in links if fd == "3"] in ([], [f"/proc/{m}/fd" for m in re.findall(r"/proc/(\d+)/fd", str(links))])
    env = dict(line.split("=", 1) for line in read(f"{folder}/env").splitlines() if "=" in line)
    assert env["RECIPIENT"] == "look+ext@local.test" and env["SENDER"] == "a@client.test"
    assert (env["LOCAL"], env["DOMAIN"]) == ("look+ext", "local.test")
    known = {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "TZ", "SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT", "LOCAL", "EXTENSION",
             "DOMAIN", "MESSAGE_ID", "SIZE", "PWD", "_", "OLDPWD", "SHLVL"}
    assert set(env) <= known, set(env) - known
    status = read(f"{folder}/status")
    assert "NoNewPrivs:\t0" in status and "Seccomp:\t0" in status
    if culver.place.mode == "root":
        assert "CapEff:\t0000000000000000" in status and "Uid:\t65534\t65534\t65534\t65534" in status
    assert read(f"{folder}/pwd").split()[-1] == "0077"


def test_hanging_command_is_ended_and_holds_nobody_up(culver):
    folder = open_folder(culver, "out")
    culver.limit.append("pipe-time 2s")
    culver.aliases = (f'hang: "|echo $$ > {folder}/pid; sleep 1000 & (setsid sleep 1000 & echo $! > {folder}/away); sleep 1000"\n')
    culver.outbound.append("retry 1h")
    culver.start()
    ident = send(culver, ["hang@local.test"], "hang")
    deliver(culver, [culver.address], "meanwhile")
    seen = culver.wait_event("deferred", id=ident)
    assert "not done in time" in seen["reply"]
    for name in ("pid", "away"):
        assert not os.path.exists(f"/proc/{read(f'{folder}/{name}').strip()}"), name


# ---- .forward ----


def test_forward_addresses_commands_and_files(culver):
    box, letter = result(culver, "box"), result(culver, "letter")
    other = culver.place.users[-1].pw_name if len(culver.place.users) > 1 else f"{culver.user}+other"
    put(culver, ".forward", f'# mine\n\\{culver.user}, {other}\n"|cat > {letter}"\n{box}\n')
    culver.start()
    ident = deliver(culver, [culver.address], "fw")
    culver.maildir().by_tag("fw")
    assert "fw" in read(letter) and len(mailbox.mbox(box)) == 1
    assert os.stat(letter).st_uid == culver.place.users[0].pw_uid and stat.S_IMODE(os.stat(letter).st_mode) == 0o600
    text = read(os.path.join(culver.logs, "culver.log"))
    assert f"expanded id={ident}" in text
    if len(culver.place.users) > 1:
        culver.maildir(-1).one("fw")


def test_forward_of_the_extension_comes_first(culver):
    letter = result(culver, "letter")
    put(culver, ".forward", "/dev/null\n")
    put(culver, ".forward+ext", f'"|echo $EXTENSION > {letter}"\n')
    culver.start()
    deliver(culver, [f"{culver.user}+ext@local.test"], "ext")
    assert read(letter) == "ext\n"
    deliver(culver, [f"{culver.user}+none@local.test"], "none")
    deliver(culver, [culver.address], "plain")
    assert not culver.maildir().by_tag("plain") and not culver.maildir().by_tag("none")


@pytest.mark.parametrize("mode,why", [(0o666, "may be written by everybody"), (0o646, "may be written by everybody")])
def test_unsafe_forward_is_refused_with_a_reason(culver, mode, why):
    put(culver, ".forward", "/dev/null\n", mode=mode)
    culver.start()
    ident = send(culver, [culver.address], "unsafe")
    seen = culver.wait_event("failed", id=ident)
    assert why in seen["reply"] and seen["status"] == "5.7.0"
    culver.wait_event("notified", id=ident)


@pytest.mark.needs_root
def test_forward_of_somebody_else_is_refused(culver):
    path = put(culver, ".forward", "/dev/null\n")
    os.chown(path, 1, 1)
    culver.start()
    assert "belongs to somebody else" in culver.wait_event("failed", id=send(culver, [culver.address], "other"))["reply"]


@pytest.mark.parametrize("kind", ["syntax", "link", "fifo", "folder", "huge"])
def test_broken_forward_keeps_the_mail(culver, kind):
    path = os.path.join(home(culver), ".forward")
    entry = culver.place.users[0]
    wanted = {"syntax": "line 2, column", "link": "symbolic link", "fifo": "is no file", "folder": "is no file",
              "huge": "is longer than"}[kind]
    if kind == "syntax":
        put(culver, ".forward", "ok@remote.test\nnot an address\n")
    elif kind == "huge":
        put(culver, ".forward", "x@remote.test\n" * (10 << 20 >> 4))
        os.truncate(path, 10 << 20)
    else:
        {"link": lambda: os.symlink("/etc/hostname", path), "fifo": lambda: os.mkfifo(path),
         "folder": lambda: os.mkdir(path)}[kind]()
        if os.geteuid() == 0:
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
        culver.cleanups.append(lambda: os.path.lexists(path) and (os.rmdir(path) if kind == "folder" else os.remove(path)))
    culver.outbound.append("retry 1s 1s")
    culver.start()
    ident = send(culver, [culver.address], kind)
    if kind == "huge":
        assert wanted in culver.wait_event("failed", id=ident)["reply"]
        return
    assert wanted in culver.wait_event("deferred", id=ident)["reply"]
    # repaired, it goes on
    if kind == "folder":
        os.rmdir(path)
    else:
        os.remove(path)
    culver.wait_event("done", id=ident)
    culver.maildir().one(kind)


def test_loops_end(culver):
    put(culver, ".forward", f"{culver.user}\n")
    culver.aliases = f"one: two\ntwo: {culver.user}\n"
    culver.start()
    deliver(culver, [culver.address], "self")
    culver.maildir().one("self")
    put(culver, ".forward", "one\n")
    ident = send(culver, [culver.address], "circle")
    assert culver.wait_event("failed", id=ident)["status"] == "5.4.6"
    put(culver, ".forward", f"one, \\{culver.user}\n")
    deliver(culver, [culver.address], "both")
    culver.maildir().one("both")


def test_retries_double_nothing(culver):
    first, count = result(culver, "first"), result(culver, "count")
    go = result(culver, "go")
    put(culver, ".forward", f'"|echo once >> {first}"\n"|echo try >> {count}; test -e {go} || exit 75"\n\\{culver.user}\n')
    culver.outbound.append("retry 1s 1s")
    culver.start()
    ident = send(culver, [culver.address], "retry")
    culver.wait_event("deferred", id=ident)
    # what stands in .forward now is not what this message was expanded into
    put(culver, ".forward", f'"|echo try >> {count}; test -e {go} || exit 75"\n')
    culver.kill_all()
    culver.start()
    put(culver, "go", "")
    culver.wait_event("done", id=ident)
    assert read(first) == "once\n" and read(count).count("try") >= 2
    culver.maildir().one("retry")


def test_line_that_was_taken_out_leaves_the_letter_in_the_mailbox(culver):
    put(culver, ".forward", '"|exit 75"\n')
    culver.outbound.append("retry 1s 1s")
    culver.start()
    ident = send(culver, [culver.address], "gone")
    culver.wait_event("deferred", id=ident)
    os.remove(os.path.join(home(culver), ".forward"))
    culver.wait_event("done", id=ident)
    culver.maildir().one("gone")


# ---- endings ----


def test_mbox(culver):
    box = result(culver, "mbox")
    culver.deliver = "mbox ~/mbox"
    culver.start()
    content = b"Subject: x\r\nX-Tag: quote\r\n\r\nFrom here on\r\n>From there\r\nFromage\r\nFrom\r\nlast"
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", [culver.address], content + b"\r\n")
    culver.wait_event("done", id=culver.accepted_id(reply))
    deliver(culver, [culver.address], "second")
    text = read(box)
    assert "\n>From here on\n>From there\nFromage\nFrom\nlast\n\nFrom a@client.test " in text
    assert text.endswith("\n\n") and len(mailbox.mbox(box)) == 2
    assert "Return-Path: <a@client.test>" in text and f"Delivered-To: {culver.address}" in text
    assert stat.S_IMODE(os.stat(box).st_mode) == 0o600 and not os.path.exists(box + ".lock")


def test_mbox_locks_are_respected(culver):
    box, lock = result(culver, "mbox"), put(culver, "mbox.lock", "")
    culver.deliver = "mbox ~/mbox"
    culver.start()
    ident = send(culver, [culver.address], "locked")
    deliver(culver, ["postmaster@local.test"], "meanwhile") if culver.place.mode == "root" else time.sleep(0)
    assert not culver.events("delivered", id=ident)
    os.remove(lock)
    culver.wait_event("done", id=ident)
    assert len(mailbox.mbox(box)) == 1


@pytest.mark.parametrize("kind", ["link", "hard", "exec", "fifo"])
def test_mbox_that_is_no_plain_file_is_left_alone(culver, kind):
    box = os.path.join(home(culver), "mbox")
    target = put(culver, "target", "untouched\n")
    {"link": lambda: os.symlink(target, box), "hard": lambda: os.link(target, box), "fifo": lambda: os.mkfifo(box),
     "exec": lambda: shutil.copy2(target, box)}[kind]()
    culver.cleanups.append(lambda: os.remove(box))
    if kind == "exec":
        os.chmod(box, 0o755)
    if os.geteuid() == 0 and kind != "link":
        os.chown(box, culver.place.users[0].pw_uid, -1)
    culver.deliver = "mbox ~/mbox"
    culver.outbound.append("retry 1h")
    culver.start()
    ident = send(culver, [culver.address], kind)
    culver.wait_event("deferred" if kind == "link" else "failed", id=ident)
    assert read(target) == "untouched\n"


def test_pipe_argument_list(culver):
    out = result(culver, "out")
    tool = script(culver, "tool", f"""\
        #!/bin/sh
        for word; do echo "[$word]"; done > {out}
        cat >> {out}
        """)
    culver.deliver = f"pipe {tool} -d {{user}} {{ext}} {{sender}} {{recipient}} {{domain}} x{{home}}"
    culver.start()
    deliver(culver, [f'"{culver.user}+-e a;b"@local.test'], "args")
    lines = read(out).splitlines()
    assert lines[:4] == ["[-d]", f"[{culver.user}]", "[]", "[a@client.test]"], lines[:8]
    deliver(culver, [f"{culver.user}+-rf@local.test"], "option")
    lines = read(out).splitlines()
    # what a stranger wrote never becomes an option
    assert lines[2] == "[_rf]" and lines[4:7] == [f"[{culver.user}+-rf@local.test]", "[local.test]", f"[x{home(culver)}]"]
    assert lines[7].startswith("From a@client.test ")


def test_pipe_shell_form_and_forward_before_it(culver):
    out = result(culver, "out")
    culver.deliver = f"pipe \"|cat > {out}; echo $USER $EXTENSION >> {out}\""
    culver.start()
    deliver(culver, [f"{culver.user}+e@local.test"], "shell")
    assert read(out).endswith(f"{culver.user} e\n")
    os.remove(out)
    put(culver, ".forward", "/dev/null\n")
    deliver(culver, [culver.address], "away")
    assert not os.path.exists(out)


def test_runner_killed_while_a_command_runs(culver):
    ready, go, out = (result(culver, name) for name in ("ready", "go", "out"))
    put(culver, ".forward", f'"|echo x >> {ready}; test -e {go} || sleep 1000; cat > {out}"\n')
    culver.outbound.append("retry 1s 1s")
    culver.start()
    ident = send(culver, [culver.address], "killed")
    culver.wait_event("runner-started")
    while not os.path.exists(ready):
        os.sched_yield()
    put(culver, "go", "")
    since = culver.mark()
    culver.kill(culver.pid("runner"))
    culver.wait_event("started", since=since, program="runner")
    culver.wait_event("done", id=ident)
    assert "killed" in read(out)


def test_reload_while_a_command_runs(culver):
    """The old generation finishes it; the new one runs what comes after."""
    ready, go, out = (result(culver, name) for name in ("ready", "go", "out"))
    put(culver, ".forward", f'"|echo x >> {ready}; while ! test -e {go}; do sleep 0.05; done; echo done >> {out}"\n')
    culver.start()
    ident = send(culver, [culver.address], "reload")
    while not os.path.exists(ready):
        os.sched_yield()
    culver.command("reload", check=0)
    put(culver, "go", "")
    culver.wait_event("delivered", id=ident)
    deliver(culver, [culver.address], "after")
    assert read(out) == "done\ndone\n" and read(ready) == "x\nx\n"


# ---- lists ----


def test_list_has_its_owner_as_sender(culver):
    """What goes to a list comes from owner-LIST, who gets the bounces; also after a crash."""
    letter = result(culver, "letter")
    put(culver, ".forward+fw", f'"|cat > {letter}"\n')
    members = [culver.user, f"{culver.user}+fw", "gone"]
    with open(os.path.join(culver.folder, "list"), "w", encoding="ascii") as file:
        file.write("\n".join(members))
    culver.aliases = f"list: :include:{culver.folder}/list\nowner-list: {culver.user}+owner\nlist-request: {culver.user}\nplain: {culver.user}\n"
    with smtp.Sink() as sink:
        culver.relay_to(sink.port)
        culver.start()
        ident = send(culver, ["list@local.test", "plain@local.test"], "list", sender="author@remote.test")
        assert culver.wait_event("failed", id=ident)["to"] == "gone@local.test"
        notice = culver.wait_event("notified", id=ident)["notice"]
        culver.wait_event("done", id=notice)
        culver.wait_event("done", id=ident)
        assert not sink.messages
    letters = [bytes(text) for text in culver.maildir().by_tag("list")]
    assert sorted(re.search(rb"Return-Path: <(.*)>", text)[1] for text in letters) == [b"", b"author@remote.test", b"owner-list@local.test"]
    assert "Return-Path: <owner-list@local.test>" in read(letter)
    assert any(b"Return-Path: <>" in text and b"gone@local.test" in text for text in letters)


def test_list_of_2000(culver):
    with open(os.path.join(culver.folder, "list"), "w", encoding="ascii") as file:
        file.write("".join(f"{culver.user}+m{n}\n" for n in range(2000)))
    culver.aliases = f"list: :include:{culver.folder}/list\nowner-list: {culver.user}\n"
    culver.start()
    deliver(culver, ["list@local.test"], "many")
    found = culver.maildir().by_tag("many")
    assert len(found) == 2000


def test_maildir_quota(culver):
    """Maildir++: a letter without room waits, and comes when there is some."""
    culver.outbound.append("retry 1s 1s")
    culver.start()
    deliver(culver, [culver.address], "first")
    box = culver.maildir()
    size = os.path.join(home(culver), culver.maildir_name, "maildirsize")
    put(culver, f"{culver.maildir_name}/maildirsize", "6000S\n", mode=0o600)
    ident = send(culver, [culver.address], "second")
    seen = culver.wait_event("deferred", id=ident)
    assert seen["status"] == "4.2.2" and "quota" in seen["reply"]
    assert re.fullmatch(r"6000S\n4\d\d\d 1\n", read(size)), read(size)
    box.clear()
    os.utime(size, (1000, 1000))
    culver.wait_event("done", id=ident)
    box.one("second")
    assert re.search(r"\n4\d\d\d 1\n$", read(size)), read(size)


# ---- bounds ----


def test_million_lines_of_aliases(culver):
    """Read whole, by lookup and, for the one command among them, by local."""
    out = os.path.join(open_folder(culver, "open"), "out")  # the line is nobody's in root's instance
    lines = [f"name{n}: {culver.user}+{n}" for n in range(1000000)]
    lines[777777] = f'name777777: "|echo $LOCAL > {out}"'
    culver.aliases = "\n".join(lines) + "\n"
    culver.start()
    assert culver.wait_event("table-read")["entries"] == "1000000"
    print("took_us", culver.wait_event("table-read")["took_us"])
    deliver(culver, ["name999999@local.test", "name777777@local.test"], "last")
    assert read(out) == "name777777\n"
    culver.maildir().one("last")


def test_alias_loops_of_ten_thousand(culver):
    culver.aliases = "".join(f"a{n}: a{(n + 1) % 10000}\n" for n in range(10000)) + f"deep: {', '.join(f'a{n}' for n in range(9000))}\n"
    culver.start()
    for name in ("a0", "deep"):
        with culver.smtp() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@client.test>", 250)
            reply = client.command(f"RCPT TO:<{name}@local.test>")
            assert (reply.code, reply.status) == (451, "4.3.5") and "too deep" in str(reply), reply


def test_lists_that_include_one_another(culver):
    for name, other in (("one", "two"), ("two", "one")):
        with open(os.path.join(culver.folder, name), "w", encoding="ascii") as file:
            file.write(f"{culver.user}\n:include:{culver.folder}/{other}\n")
    culver.aliases = f"circle: :include:{culver.folder}/one\n"
    culver.start()
    seen = culver.wait_event("failed", id=send(culver, ["circle@local.test"], "circle"))
    assert seen["status"] == "5.4.6" and "without end" in seen["reply"]
    assert not culver.maildir().by_tag("circle")


# ---- what only root's instance has: many users ----


@pytest.fixture
def as_root(place):
    """Skips where all is one user's."""
    if place.mode != "root":
        pytest.skip("one user has nobody to be kept apart from")


def test_mailboxes_in_a_folder_of_a_group(culver, as_root):
    """/var/mail of Debian: root:mail 2775; nobody else may make or read a mailbox there."""
    folder = os.path.join(culver.folder, "mail")
    os.mkdir(folder)
    os.chown(folder, 0, 8)
    os.chmod(folder, 0o2775)
    culver.deliver = f"mbox {folder}/{{user}}"
    culver.start()
    deliver(culver, [culver.address], "spool")
    box = os.stat(f"{folder}/{culver.user}")
    assert (box.st_uid, stat.S_IMODE(box.st_mode)) == (culver.place.users[0].pw_uid, 0o600)
    assert os.listdir(folder) == [culver.user]
    # a mailbox of somebody else under his name is not his
    other = culver.place.users[1]
    shutil.copy(f"{folder}/{culver.user}", f"{folder}/{other.pw_name}")
    os.chown(f"{folder}/{other.pw_name}", culver.place.users[0].pw_uid, 8)
    os.chmod(f"{folder}/{other.pw_name}", 0o660)
    ident = send(culver, [f"{other.pw_name}@local.test"], "wrong")
    assert "belongs to somebody else" in culver.wait_event("failed", id=ident)["reply"]


def test_alias_file_of_a_user_runs_as_that_user(culver, as_root):
    folder = open_folder(culver, "out")
    entry = culver.place.users[1]
    own = os.path.join(culver.folder, "own-aliases")
    with open(own, "w", encoding="ascii") as file:
        file.write(f'mine: "|id -un > {folder}/mine"\nlist: :include:{home(culver, 1)}/list\n')
    os.chown(own, entry.pw_uid, entry.pw_gid)
    put(culver, "list", culver.user + "\n", number=1, mode=0o600)
    culver.aliases = f'theirs: "|id -un > {folder}/theirs"\n'
    culver.general.append(f"domain own.test {{\n    aliases {own}\n    deliver maildir ~/{culver.maildir_name}\n}}\n")
    culver.start()
    deliver(culver, ["mine@own.test", "theirs@local.test", "list@own.test"], "own")
    assert read(f"{folder}/mine").strip() == entry.pw_name and read(f"{folder}/theirs").strip() == "nobody"
    culver.maildir().one("own")


ATTEMPTS = {
    # what the first user's .forward tries on the second's mail and on Culver; each must say why it may not
    "read his mail": "cat {other}/{maildir}/new/*",
    "list his mail": "ls {other}/{maildir}",
    "write into his mail": "touch {other}/{maildir}/new/x",
    "read his .forward": "cat {other}/.forward",
    "write his .forward": "echo x > {other}/.forward",
    "replace his .forward": "ln -sf /dev/null {other}/.forward",
    "make his home mine": "chown $USER {other}",
    "read the spool": "ls {spool}/queue",
    "write the spool": "touch {spool}/x",
    "read a message of the spool": "cat {spool}/queue/*/*",
    "read root's mail": "ls {root}/new",
    "write root's mail": "touch {root}/new/x",
    "connect through a room": "{connect} {run}/rooms/smtpd/intake",
    "write beside the sockets": "touch {run}/x",
    "remove a socket": "rm -f {run}/runner && test ! -e {run}/runner",
    "connect to runner": "{connect} {run}/runner",
    "connect to jobs": "{connect} {run}/jobs",
    "connect to intake": "{connect} {run}/intake",
    "connect to lookup": "{connect} {run}/lookup",
    "connect to log": "{connect} {run}/log",
    "connect to resolver": "{connect} {run}/resolver",
    "signal master": "kill -9 {master}",
    "signal local": "kill -9 {local}",
    "signal runner": "kill -9 {runner}",
    "signal queue-manager": "kill -9 {queue}",
    "look into master": "ls -l /proc/{master}/fd",
    "look into runner": "ls -l /proc/{runner}/fd",
    "environment of local": "cat /proc/{local}/environ",
    "memory of runner": "head -c 1 /proc/{runner}/mem",
    "my own reaper's descriptors": "ls -l /proc/$(pgrep -P {runner} -u $USER | head -1)/fd",
    "my own reaper's memory": "head -c 1 /proc/$(pgrep -P {runner} -u $USER | head -1)/mem",
    "write the configuration": "echo x >> {config}",
    "write the aliases": "echo x >> {aliases}",
    "write the log": "echo x >> {log}",
    "read the trace store": "ls {trace}",
    "become root": "setpriv --reuid=0 true",
    "become the other": "setpriv --reuid={uid} true",
    "a descriptor of Culver": "ls -l /proc/self/fd | grep -E 'socket|memfd|spool|log$'",
    "more descriptors": "ulimit -n 100000",
    "more memory": "ulimit -v unlimited",
    "more processes": "prlimit --pid $$ --nproc=unlimited:unlimited",
    "a core dump": "ulimit -c unlimited",
    "restart": "{culver} stop -c {config}",
}


def test_attempts_of_one_user_on_the_others(culver, as_root):
    """Each line of a malicious .forward is refused by the kernel or the program; what it answered is printed."""
    out = open_folder(culver, "answers")
    put(culver, ".forward", "\\root\n", number=1, mode=0o600)
    culver.start()
    deliver(culver, [f"{culver.place.users[1].pw_name}+x@local.test", "root@local.test"], "his")
    os.remove(os.path.join(home(culver, 1), ".forward"))
    put(culver, ".forward", "# his own\n", number=1, mode=0o600)
    deliver(culver, [f"{culver.place.users[1].pw_name}@local.test"], "his")
    connect = script(culver, "connect", """\
        #!/usr/bin/python3
        import socket, sys
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(sys.argv[1])
        s.settimeout(5)
        # who is let in waits for what is said; who is not is cut off
        sys.exit(1 if not s.recv(1) else 0)
        """)
    names = {"other": home(culver, 1), "maildir": culver.maildir_name, "spool": culver.spool, "root": culver.root_mail_path,
             "run": culver.runtime, "connect": connect, "config": culver.config_path, "aliases": culver.aliases_path,
             "log": culver.log_path, "trace": culver.trace, "uid": culver.place.users[1].pw_uid, "culver": culver.place.command,
             "master": culver.process.pid, "local": culver.pid("local"), "runner": culver.pid("runner"),
             "queue": culver.pid("queue-manager")}
    tries = "".join(f"( {text.format(**names)} ) > {out}/{n} 2>&1; echo $? >> {out}/{n}\n" for n, text in enumerate(ATTEMPTS.values()))
    tool = script(culver, "try", "#!/bin/sh\n" + tries)
    put(culver, ".forward", f'"|{tool}"\n')
    deliver(culver, [culver.address], "attack")
    assert len(ATTEMPTS) >= 40
    allowed = []
    for n, name in enumerate(ATTEMPTS):
        *answer, status = read(f"{out}/{n}").splitlines()
        print(f"{name}: {status}: {' '.join(answer)[-160:]}")
        if status == "0":
            allowed.append((name, answer))
    assert not allowed
    # and it has disturbed nobody
    deliver(culver, [f"{culver.place.users[1].pw_name}@local.test"], "after")
    culver.maildir(1).one("after")


def test_fork_bomb_delays_nobody(culver, as_root):
    culver.limit.extend(["pipe-time 3s", "pipe-processes 60"])
    culver.outbound.append("retry 1h")
    bomb = script(culver, "bomb", """\
        #!/usr/bin/python3
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """)
    put(culver, ".forward", f'"|{bomb}"\n')
    culver.start()
    ident = send(culver, [culver.address], "bomb")
    culver.wait_event("runner-started")
    for n in range(5):
        deliver(culver, [f"{culver.place.users[1].pw_name}@local.test"], f"calm{n}")
    culver.wait_event("deferred", id=ident)
    uid = culver.place.users[0].pw_uid
    alive = [pid for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists(f"/proc/{pid}") and os.stat(f"/proc/{pid}").st_uid == uid
             and "bomb" in read(f"/proc/{pid}/cmdline")]
    assert not alive
