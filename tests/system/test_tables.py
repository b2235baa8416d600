"""Tables: patterns, databases, virtual aliases, catch-all, virtual users and their mailboxes, relayed domains with recipients."""

import os
import sqlite3
import time

import accounts
import culver as helper
import mail
import smtp


def rcpt(instance, address):
    """The reply to one RCPT."""
    with instance.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        return client.command(f"RCPT TO:<{address}>")


def deliver(instance, address, tag):
    """Sends a tagged message and waits for its end; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", [address], mail.small(tag))
        smtp.check(reply, 250)
    ident = instance.accepted_id(reply)
    instance.wait_event("done", id=ident)
    return ident


def write(instance, name, text):
    """A table beside the configuration; its path."""
    path = os.path.join(instance.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


def database(instance, name, rows, owner=None):
    """A database with one table t(k, v); its path."""
    path = os.path.join(instance.folder, name)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (k TEXT, v TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", rows)
    db.close()
    os.chmod(path, 0o644)
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


QUERY = '"SELECT v FROM t WHERE k = ?"'


def prefix(instance):
    """A folder for virtual mailboxes, of the user who always has one."""
    path = os.path.join(instance.folder, "vmail")
    os.mkdir(path, 0o700)
    if accounts.is_root():
        entry = instance.place.users[0]
        os.chown(path, entry.pw_uid, entry.pw_gid)
    return path


def virtual_domain(instance, users, *more):
    """A block of virtual users; the prefix of their mailboxes."""
    folder = prefix(instance)
    instance.general.append(helper.block("domain virtual.test other.test", [
        f"users {users}", f"as {instance.user}", f"deliver maildir {folder}/{{domain}}/{{user}}/Maildir", *more]))
    return folder


def letter(folder, *parts, tag):
    """The one letter with that tag in a Maildir below the prefix."""
    return mail.Maildir(os.path.join(folder, *parts)).one(tag)


def test_virtual_users_have_mailboxes_below_the_prefix(culver):
    users = write(culver, "users", "ann@virtual.test\nbob\nquoted@virtual.test quota=6000\n")
    folder = virtual_domain(culver, users)
    culver.start()
    deliver(culver, "Ann@virtual.test", "ann")
    content = letter(folder, "virtual.test", "ann", "Maildir", tag="ann")
    assert b"Delivered-To: Ann@virtual.test\n" in content
    deliver(culver, "bob+lists@other.test", "bob")
    letter(folder, "other.test", "bob", "Maildir", tag="bob")
    deliver(culver, "quoted@virtual.test", "quota")
    letter(folder, "virtual.test", "quoted", "Maildir", tag="quota")
    with culver.smtp() as client:
        client.ehlo()
        ident = culver.accepted_id(client.message("a@client.test", ["quoted@virtual.test"], mail.small("full")))
    seen = culver.wait_event("deferred", id=ident)
    assert seen["status"] == "4.2.2" and "quota" in seen["reply"]
    owner = culver.place.users[0]
    for path in ("virtual.test", "virtual.test/ann", "virtual.test/ann/Maildir/new"):
        st = os.stat(os.path.join(folder, path))
        assert (st.st_uid, st.st_mode & 0o777) == (owner.pw_uid, 0o700), path
    # ann is of one of the two domains alone, and nobody of the system is here
    assert rcpt(culver, "ann@other.test").code == 550
    assert rcpt(culver, f"{culver.user}@virtual.test").code == 550
    reply = rcpt(culver, "nobody-else@virtual.test")
    assert (reply.code, reply.status) == (550, "5.1.1")
    assert rcpt(culver, '"../ann"@virtual.test').code == 550


def test_a_home_of_a_table_stays_below_the_prefix(culver):
    folder = os.path.join(culver.folder, "vmail")
    users = write(culver, "users", f"far@virtual.test home={folder}/elsewhere/far\n"
                  f"out@virtual.test home={culver.folder}/out\n"
                  f"dots@virtual.test home={folder}/../out\n"
                  f"link@virtual.test home={folder}/link/x\n")
    virtual_domain(culver, users)
    outside = os.path.join(culver.folder, "outside")
    os.mkdir(outside)
    os.chmod(outside, 0o777)
    os.symlink(outside, os.path.join(folder, "link"))
    culver.start()
    deliver(culver, "far@virtual.test", "far")
    letter(folder, "elsewhere", "far", "Maildir", tag="far")
    for name in ("out", "dots"):
        reply = rcpt(culver, f"{name}@virtual.test")
        assert (reply.code, reply.status) == (451, "4.3.5"), reply
    # a link that leads out is found out by the agent, before it reads any mail
    with culver.smtp() as client:
        client.ehlo()
        smtp.check(client.message("a@client.test", ["link@virtual.test"], mail.small("link")), 250)
    culver.wait_event("deferred", to="link@virtual.test")
    assert not mail.Maildir(os.path.join(outside, "x", "Maildir")).letters()
    told = culver.command("check")
    assert told.returncode == 1 and "not below the prefix" in told.stderr and "`..`" in told.stderr, told.stderr


def test_two_virtual_users_of_one_message(culver):
    users = write(culver, "users", "ann\nbob\n")
    folder = virtual_domain(culver, users)
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", ["ann@virtual.test", "ann@other.test", "bob@other.test"], mail.small("three"))
        smtp.check(reply, 250)
    culver.wait_event("done", id=culver.accepted_id(reply))
    for parts in (("virtual.test", "ann"), ("other.test", "ann"), ("other.test", "bob")):
        letter(folder, *parts, "Maildir", tag="three")


def test_virtual_aliases_as_in_postfix(culver):
    users = write(culver, "users", "ann\nbob\n")
    table = write(culver, "virtual",
                  "sales@virtual.test ann@virtual.test, bob@other.test\n"
                  "ann@virtual.test ann@virtual.test\n"
                  "bob@virtual.test bob@virtual.test, ann@virtual.test\n"
                  "ext@virtual.test bob@other.test\n"
                  "@virtual.test @other.test\n")
    folder = virtual_domain(culver, users, f"virtual {table}")
    culver.start()
    deliver(culver, "sales@virtual.test", "sales")
    letter(folder, "virtual.test", "ann", "Maildir", tag="sales")
    letter(folder, "other.test", "bob", "Maildir", tag="sales")
    deliver(culver, "bob@virtual.test", "both")  # among its own values: itself from there on
    letter(folder, "virtual.test", "bob", "Maildir", tag="both")
    letter(folder, "virtual.test", "ann", "Maildir", tag="both")
    deliver(culver, "ext+x@virtual.test", "extension")  # the extension goes on
    assert b"Delivered-To: bob+x@other.test\n" in letter(folder, "other.test", "bob", "Maildir", tag="extension")
    assert rcpt(culver, "who@virtual.test").code == 550  # who@other.test, whom nobody is


def test_catch_all_comes_last(culver):
    users = write(culver, "users", "ann\nbob\n")
    folder = virtual_domain(culver, users, "catch-all bob")
    culver.start()
    deliver(culver, "ann@virtual.test", "ann")
    letter(folder, "virtual.test", "ann", "Maildir", tag="ann")
    deliver(culver, "anybody@virtual.test", "any")
    letter(folder, "virtual.test", "bob", "Maildir", tag="any")


def test_a_relayed_domain_takes_its_recipients_alone(culver):
    known = write(culver, "recipients", "ann@relayed.test ok\nbob x\n")
    with smtp.Sink() as sink:
        culver.general.append(helper.block("domain relayed.test", [f"relay 127.0.0.1:{sink.port}", f"recipients {known}"]))
        culver.general.append(helper.block("domain all.test", [f"relay 127.0.0.1:{sink.port}"]))
        culver.general.append("relay-from 192.0.2.0/24")  # we are strangers, and yet it is taken
        culver.start()
        for address in ("ann@relayed.test", "bob+x@relayed.test", "whoever@all.test"):
            deliver(culver, address, "relayed")
        assert [m.recipients for m in sink.messages] == [["ann@relayed.test"], ["bob+x@relayed.test"], ["whoever@all.test"]]
        for name in ("eve", "postmaster"):
            reply = rcpt(culver, f"{name}@relayed.test")
            assert (reply.code, reply.status) == (550, "5.1.1")
        reply = rcpt(culver, "someone@remote.test")
        assert reply.code == 550


def test_patterns(culver):
    patterns = write(culver, "patterns", "/^list-(.*)@virtual\\.test$/ $1@other.test\nif !/@(virtual|other)/\n/./ nobody\nendif\n")
    users = write(culver, "users", "ann\n")
    culver.general.append(f"table patterns pcre {patterns}")
    folder = virtual_domain(culver, users, "virtual patterns")
    culver.start()
    deliver(culver, "LIST-ann@virtual.test", "pattern")
    letter(folder, "other.test", "ann", "Maildir", tag="pattern")
    assert rcpt(culver, "list-eve@virtual.test").code == 550


def test_a_pattern_that_takes_too_much_is_no_answer(culver):
    patterns = write(culver, "patterns", "/^(a+)+$/ ann@virtual.test\n")
    users = write(culver, "users", "ann\n")
    culver.general.append(f"table patterns pcre {patterns}")
    virtual_domain(culver, users, "virtual patterns")
    culver.start()
    reply = rcpt(culver, "a" * 60 + "@virtual.test")
    assert (reply.code, reply.status) == (451, "4.3.0"), reply
    culver.wait_event("table-trouble")
    smtp.check(rcpt(culver, "ann@virtual.test"), 250)


def test_databases(culver):
    people = database(culver, "people.db", [("ann@virtual.test", ""), ("bob@virtual.test", "quota=1M"), ("null@virtual.test", None)])
    targets = database(culver, "targets.db", [("team@virtual.test", "ann@virtual.test"), ("team@virtual.test", "bob@virtual.test")])
    culver.general += [f"table people sqlite {people} {QUERY}", f"table targets sqlite {targets} {QUERY}"]
    folder = virtual_domain(culver, "people", "virtual targets")
    culver.start()
    deliver(culver, "team@virtual.test", "team")
    for name in ("ann", "bob"):
        letter(folder, "virtual.test", name, "Maildir", tag="team")
    for name in ("eve", "null"):
        assert rcpt(culver, f"{name}@virtual.test").code == 550
    assert rcpt(culver, "\"x' OR '1'='1\"@virtual.test").code == 550
    # what is written into it counts at once
    with sqlite3.connect(people) as db:
        db.execute("INSERT INTO t VALUES ('eve@virtual.test', '')")
    db.close()
    smtp.check(rcpt(culver, "eve@virtual.test"), 250)
    # a writer that holds it for long is trouble for those who ask, and nothing more
    db = sqlite3.connect(people, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    pid, begin = culver.pid("lookup"), time.monotonic()
    reply = rcpt(culver, "ann@virtual.test")
    assert (reply.code, reply.status) == (451, "4.3.0"), reply
    assert time.monotonic() - begin < 10 and culver.pid("lookup") == pid
    culver.wait_event("table-trouble", path=people)
    db.execute("ROLLBACK")
    db.close()
    smtp.check(rcpt(culver, "ann@virtual.test"), 250)


def test_a_database_that_is_none_is_trouble_and_is_told(culver):
    path = write(culver, "people.db", "this is no database at all, but long enough to be looked at as one\n" * 100)
    culver.general.append(f"table people sqlite {path} {QUERY}")
    virtual_domain(culver, "people")
    culver.start()
    culver.wait_event("table-trouble", path=path)
    reply = rcpt(culver, "ann@virtual.test")
    assert (reply.code, reply.status) == (451, "4.3.0"), reply
    told = culver.command("check")
    assert told.returncode == 1 and path in told.stderr


def test_a_table_that_changes_is_read_again(culver):
    users = write(culver, "users", "ann\n")
    virtual_domain(culver, users)
    culver.start()
    assert rcpt(culver, "bob@virtual.test").code == 550
    since = culver.mark()
    os.rename(write(culver, "users.new", "bob\n"), users)
    until = time.monotonic() + helper.EVENT_S
    while rcpt(culver, "bob@virtual.test").code != 250:  # it is looked at when somebody asks, once a second at most
        assert time.monotonic() < until
        time.sleep(0.1)
    culver.wait_event("table-read", path=users, since=since)
    smtp.check(rcpt(culver, "bob@virtual.test"), 250)
    assert rcpt(culver, "ann@virtual.test").code == 550


def test_check_names_mistakes_in_tables(culver):
    good = write(culver, "good", "a@local.test x@y.test\n")
    users = write(culver, "users", "\"open\n")
    patterns = write(culver, "patterns", "/(/ x\n/a/q x\nendif\n")
    culver.general += [f"table p pcre {patterns}", f"table d sqlite {good} \"SELECT a, b FROM t WHERE k = ?\""]
    virtual_domain(culver, users, "virtual p d", f"aliases {good}")
    culver.write()
    told = culver.command("check", check=1).stderr
    for expected in (f"{users}:1:1: ", f"{patterns}:1:", f"{patterns}:2:", f"{patterns}:3:1: `endif`", f"{good}: ", f"{good}:1:"):
        assert expected in told, (expected, told)
