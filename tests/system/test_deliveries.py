"""Ways to a mailbox by name: each user of a domain, and each extension, as a table says; commands for virtual users."""

import mailbox
import os
import pwd

import pytest

import culver as helper
import mail
from test_delivery_agents import LDA, MAILDROP, PROCMAIL, needs
from test_lmtp import dovecot  # noqa: F401 (a fixture)
from test_local import deliver, home, read, result, send
from test_tables import QUERY, database, prefix, rcpt, write

REPORT = "/bin/sh -c 'echo \"$HOME $(id -un) $0 $1 $2\" >> $1/report; cat > $1/letter' {user} {home} {ext}"


def owned(instance, path, text, mode=0o600):
    """A file of the user who owns the virtual mailboxes."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(instance.user)
        for each in (os.path.dirname(path), path):
            os.chown(each, entry.pw_uid, entry.pw_gid)
    return path


def virtual_domain(instance, users, *more):
    """A block of virtual users whose homes `home` names; the prefix."""
    folder = prefix(instance)
    instance.general.append(helper.block("domain v.test", [
        f"users {users}", f"as {instance.user}", f"home {folder}/{{domain}}/{{user}}", *more]))
    return folder


def test_each_virtual_user_has_a_delivery(culver, dovecot):  # noqa: F811
    users = write(culver, "users", "ann\nbob deliver=box\nbob+pipe deliver=report home=FOLDER/v.test/bob\ncat deliver=report\n"
                  "dan deliver=lmtp\neve deliver=maildir\nbad deliver=nothing\nmad deliver=|/bin/id\n")
    with open(os.path.join(dovecot.folder, "users"), "a", encoding="utf-8") as file:
        file.write("dan:::::::\n")
    folder = virtual_domain(culver, users, "deliver maildir ~/Maildir", "delivery box mbox ~/box",
                            f"delivery report pipe {REPORT}", f"delivery lmtp lmtp {dovecot.socket}")
    write(culver, "users", read(users).replace("FOLDER", folder))
    culver.start()
    every = ["ann@v.test", "bob@v.test", "bob+pipe@v.test", "cat@v.test", "cat+x@v.test", "eve@v.test", "dan@v.test"]
    deliver(culver, every, "all")
    at = os.path.join(folder, "v.test")
    mail.Maildir(os.path.join(at, "ann/Maildir")).one("all")
    mail.Maildir(os.path.join(at, "eve/Maildir")).one("all")
    assert len(mailbox.mbox(os.path.join(at, "bob/box"))) == 1
    assert sorted(os.listdir(os.path.join(at, "bob"))) == ["box", "letter", "report"]
    # the command runs as the one user, in the home of the virtual one, whose name it is told
    assert read(os.path.join(at, "bob/report")) == f"{at}/bob {culver.user} bob+pipe {at}/bob \n"
    assert sorted(read(os.path.join(at, "cat/report")).splitlines()) == [
        f"{at}/cat {culver.user} cat {at}/cat ", f"{at}/cat {culver.user} cat {at}/cat x"]
    assert "\nX-Tag: all\n" in read(os.path.join(at, "cat/letter"))
    assert len(dovecot.letters("dan")) == 1
    for name in ("bad", "mad"):  # no table names a command, and no delivery that the block has not
        reply = rcpt(culver, f"{name}@v.test")
        assert (reply.code, reply.status) == (451, "4.3.5"), reply
    told = culver.command("check")
    assert told.returncode == 1 and told.stderr.count("no `delivery` of the name") == 2, told.stderr


def test_virtual_users_with_a_command_alone(culver):
    """`deliver pipe` beside `users TABLE`: sqlite says who is there, and where he is at home."""
    folder = prefix(culver)
    users = database(culver, "users.db", [("ann@v.test", ""), ("bob@v.test", f"home={folder}/far/bob")],
                     owner=pwd.getpwnam("culver-lookup") if culver.place.mode == "root" else None)
    culver.general.append(f"table people sqlite {users} {QUERY}")
    culver.general.append(helper.block("domain v.test", [
        "users people", f"as {culver.user}", f"home {folder}/{{user}}", f"deliver pipe {REPORT}"]))
    culver.start()
    deliver(culver, ["ann@v.test", "bob+e@v.test"], "pipe")
    assert read(f"{folder}/ann/report") == f"{folder}/ann {culver.user} ann {folder}/ann \n"
    assert read(f"{folder}/far/bob/report") == f"{folder}/far/bob {culver.user} bob {folder}/far/bob e\n"
    assert rcpt(culver, "nobody@v.test").code == 550


@pytest.mark.parametrize("agent", [PROCMAIL, MAILDROP, LDA])
def test_delivery_agents_of_virtual_users(culver, agent):
    needs(agent)
    users = write(culver, "users", "ann\n")
    lines = {
        PROCMAIL: "deliver pipe " + PROCMAIL + " -m HOME={home} {home}/rc {ext}",
        MAILDROP: "deliver pipe " + MAILDROP + " {home}/filter",
        LDA: "deliver pipe " + LDA + " -c {home}/lda.conf -f {sender} -a {original}",
    }
    folder = virtual_domain(culver, users, lines[agent])
    at = os.path.join(folder, "v.test/ann")
    os.mkdir(os.path.join(folder, "v.test"))
    if os.geteuid() == 0:
        os.chown(os.path.join(folder, "v.test"), culver.place.users[0].pw_uid, culver.place.users[0].pw_gid)
    owned(culver, f"{at}/rc", f":0\n{at}/Maildir/\n")
    owned(culver, f"{at}/filter", f'to "{at}/Maildir"\n')
    owned(culver, f"{at}/lda.conf", f"mail_location = maildir:{at}/Maildir\nlog_path = {at}/log\nssl = no\nbase_dir = {at}/run\n"
          "first_valid_uid = 1\npostmaster_address = postmaster@local.test\n")
    if agent == MAILDROP:
        for name in ("", "/new", "/cur", "/tmp"):
            os.mkdir(f"{at}/Maildir{name}", 0o700)
            if os.geteuid() == 0:
                os.chown(f"{at}/Maildir{name}", culver.place.users[0].pw_uid, culver.place.users[0].pw_gid)
    culver.start()
    deliver(culver, ["ann@v.test"], "agent")
    assert b"Delivered-To: ann@v.test" in mail.Maildir(f"{at}/Maildir").one("agent")


def test_users_of_the_system_by_a_table(culver):
    """`deliver-by`: for a user, and for one of his extensions."""
    table = write(culver, "by", f"{culver.user}+box box\n{culver.user}+pipe@local.test report\n{culver.user}+bad nowhere\n")
    box, report = result(culver, "by.box"), result(culver, "by.report")
    culver.domain += [f"deliver-by {table}", "delivery box mbox ~/by.box",
                      f"delivery report pipe /bin/sh -c 'echo $0 $1 > {report}' {{user}} {{ext}}"]
    culver.start()
    deliver(culver, [culver.address, f"{culver.user}+x@local.test"], "plain")
    assert len(culver.maildir().by_tag("plain")) == 2
    deliver(culver, [f"{culver.user}+box@local.test"], "box")
    assert len(mailbox.mbox(box)) == 1
    deliver(culver, [f"{culver.user}+pipe@local.test"], "pipe")
    assert read(report) == f"{culver.user} pipe\n"
    assert rcpt(culver, f"{culver.user}+bad@local.test").status == "4.3.5"
    told = culver.command("check")
    assert told.returncode == 1 and "expected behind the key the name of a `delivery`" in told.stderr, told.stderr
    # a reload that takes the delivery away: what was on its way waits, and nothing goes elsewhere
    culver.domain[1] = "delivery other mbox ~/by.box"
    culver.write()
    assert culver.command("reload").returncode == 0
    assert rcpt(culver, f"{culver.user}+box@local.test").status == "4.3.5"
    assert os.path.exists(os.path.join(home(culver), "by.box"))


def test_a_home_that_leads_out_runs_nothing(culver):
    users = write(culver, "users", "ann\n")
    folder = virtual_domain(culver, users, f"deliver pipe {REPORT}")
    outside = os.path.join(culver.folder, "outside")
    os.mkdir(outside)
    os.chmod(outside, 0o777)
    os.symlink(outside, os.path.join(folder, "v.test"))
    culver.start()
    ident = send(culver, ["ann@v.test"], "out")
    # run by an ordinary user, Landlock keeps the agent from going there at all
    assert culver.wait_event("deferred", id=ident)["status"] == "4.2.1"
    reason = culver.events("agent-trouble")[0]["reason"]
    assert "leads out of the prefix" in reason or "Permission denied" in reason, reason
    assert not os.path.exists(f"{outside}/ann/report")
