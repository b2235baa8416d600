"""culver run, stop, reload, status, check, queue, trace: what an administrator does and sees."""

import json
import os
import re
import stat

import pytest

import mail
import peers
import processes
import smtp


def submit(instance, recipients, tag, sender="a@client.test"):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(sender, recipients, mail.small(tag))
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


def json_lines(done):
    """What a --json listing printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- life ----

def test_stop_ends_everything_in_order(culver):
    culver.start()
    pids = [pid for group in culver.pids().values() for pid in group]
    since = culver.mark()
    assert culver.stop() == 0
    culver.log.read()
    for pid in pids:
        assert not processes.alive(pid), pid
    ended = [e["program"] for e in culver.events("ended", since=since)]
    # the door first, then those who deliver, then the queue; the log last, so that it can tell (its own end it cannot)
    order = [p for p in ended if p in ("smtpd", "queue-manager", "lookup")]
    assert order == ["smtpd", "queue-manager", "lookup"], ended
    assert culver.events("stopping", since=since)


def test_culver_stop_and_status(culver):
    culver.start()
    status = culver.command("status", check=0).stdout
    for program in ("smtpd", "submit", "queue-manager", "delivery", "local", "runner", "bounce", "lookup", "resolver", "fetch", "signer", "verify", "log"):
        assert program in status
    rows = json_lines(culver.command("status", "--json", check=0))
    assert rows
    culver.command("stop", check=0)
    assert culver.process.wait(30) == 0
    assert culver.command("status").returncode == 69
    assert culver.command("queue").returncode == 69
    assert culver.command("stop").returncode == 69


def test_start_and_stop_in_the_background(culver):
    culver.write()
    culver.command("start", "--strict", check=0)
    culver.wait_event("ready", 30)
    ident = submit(culver, [culver.address], "background")
    culver.wait_event("done", id=ident)
    culver.command("stop", check=0)
    culver.wait_event("stopping")
    assert culver.command("status").returncode == 69


def test_second_instance_on_the_same_folders_is_refused(culver):
    culver.start()
    done = culver.command("run", "--strict")
    assert done.returncode not in (0, None)
    assert done.stdout + done.stderr
    smtp.check(culver.smtp().command("NOOP"), 250)


def test_killed_programs_come_back(culver):
    culver.start()
    for program in ("smtpd", "submit", "queue-manager", "delivery", "local", "runner", "bounce", "lookup", "resolver", "fetch", "signer", "verify", "log"):
        since = culver.mark()
        old = culver.pid(program)
        culver.kill(old)
        culver.wait_event("started", since=since, program=program)
        # whoever is first now: the message waits where it must, and passes
        with culver.smtp() as client:
            client.ehlo()
            reply = client.message("a@client.test", [culver.address], mail.small(f"after-{program}"))
            while reply.code in (421, 451):
                with culver.smtp() as again:
                    again.ehlo()
                    reply = again.message("a@client.test", [culver.address], mail.small(f"after-{program}"))
            smtp.check(reply, 250)
        culver.wait_event("done", id=culver.accepted_id(reply))
        culver.maildir().one(f"after-{program}")
        assert culver.pid(program) != old


def test_master_killed_and_started_again(culver):
    culver.relay_to(peers.free_port()).start()
    ident = submit(culver, ["x@remote.test"], "again")
    culver.wait_event("deferred", id=ident)
    culver.kill_all()
    with smtp.Sink() as sink:
        since = culver.mark()
        culver.relay_to(sink.port).start()
        culver.wait_event("replayed", since=since, queued=1)
        culver.wait_event("done", id=ident)
        assert [mail.tag_of(m.content) for m in sink.messages] == ["again"]


def test_children_die_with_their_master(culver):
    culver.start()
    below = processes.descendants(culver.process.pid)
    watches = [processes.Watch(pid) for pid in below]
    culver.kill(culver.process.pid)
    culver.process.wait()
    culver.process = None
    for watch in watches:
        assert watch.wait(10), f"{processes.name(watch.pid)} outlives its master"
        watch.close()


# ---- reload ----

def test_reload_takes_a_new_configuration(culver):
    culver.start()
    with culver.smtp() as old:
        assert old.ehlo()["SIZE"] != "4194304"
        since = culver.mark()
        culver.limit.append("message-size 4M")
        culver.write()
        culver.command("reload", check=0)
        culver.wait_event("reloaded", since=since)
        with culver.smtp() as new:
            assert new.ehlo()["SIZE"] == "4194304"
        # the old session goes on, and its mail passes
        reply = old.message("a@client.test", [culver.address], mail.small("old-session"))
        smtp.check(reply, 250)
        culver.wait_event("done", id=culver.accepted_id(reply))
        old.command("QUIT", 221)
    culver.maildir().one("old-session")
    submit(culver, [culver.address], "new-session")
    culver.wait_event("done", since=since, count=2)


def test_broken_configuration_is_refused_and_the_old_goes_on(culver):
    culver.start()
    since = culver.mark()
    before = culver.pids()
    culver.write(culver.config_text() + "hostnam x\nlimit { recipients many }\n")
    done = culver.command("reload")
    assert done.returncode != 0
    assert "hostnam" in done.stdout + done.stderr
    ident = submit(culver, [culver.address], "still")
    culver.wait_event("done", id=ident)
    assert culver.pids()["smtpd"][0] == before["smtpd"][0]
    # by signal, nobody checks before master does
    culver.process.send_signal(1)
    culver.wait_event("reload-refused", since=since)
    ident = submit(culver, [culver.address], "still2")
    culver.wait_event("done", id=ident)


def test_reload_with_another_spool_is_refused(culver):
    culver.start()
    since = culver.mark()
    culver.replaced["spool"] = os.path.join(culver.folder, "elsewhere")
    culver.write()
    culver.process.send_signal(1)
    culver.wait_event("reload-refused", since=since)
    assert not os.path.exists(os.path.join(culver.folder, "elsewhere"))


# ---- check ----

MISTAKES = [
    ("hostnam mx.test\n", 1, 1, "hostname"),
    ("hostname mx.test\nlimit {\n    recipients many\n}\n", 3, 16, "number"),
    ("hostname mx.test\nlisten 127.0.0.1:99999 mx\n", 2, 8, None),
    ("hostname mx.test\ndomain a.test {\n    deliver maildri ~/Maildir\n}\n", 3, 13, "maildir"),
    ("hostname mx.test\ndomain a.test {\n", 2, None, None),
    ("hostname \"mx.test\n", 1, None, None),
    ("hostname mx.test\nsmarthost a:25\n", 2, 1, "outbound"),
]


@pytest.mark.parametrize("text, line, column, word", MISTAKES)
def test_check_names_the_mistake(culver, text, line, column, word):
    culver.write(text)
    done = culver.command("check", check=1)
    told = done.stdout + done.stderr
    place = f"{re.escape(culver.config_path)}:{line}:{column if column else '[0-9]+'}: "
    assert re.search(place, told), told
    if word:
        assert word in told


def test_check_names_every_mistake(culver):
    culver.write("hostnam a\nhostname mx.test\nlsten 127.0.0.1:25 mx\nlimit {\n    recipients x\n    hosp 3\n}\n")
    told = culver.command("check", check=1)
    lines = {int(m) for m in re.findall(re.escape(culver.config_path) + r":(\d+):", told.stdout + told.stderr)}
    assert lines >= {1, 3, 5, 6}


def test_check_likes_what_runs(culver):
    culver.write()
    assert culver.command("check", check=0).stderr == ""


# ---- queue ----

@pytest.fixture
def queued(culver):
    """Three messages that wait for a next hop that is not there; (instance, {tag: id})."""
    culver.outbound.append("retry 1h 1h")
    culver.relay_to(peers.free_port()).start()
    ids = {
        "one": submit(culver, ["x@remote.test"], "one", "first@client.test"),
        "two": submit(culver, ["y@remote.test", "z@other.test"], "two", "second@client.test"),
        "three": submit(culver, ["w@other.test"], "three", ""),
    }
    for ident in ids.values():
        culver.wait_event("deferred", id=ident)
    return culver, ids


def listed(instance, *words):
    """Ids that `culver queue ... --json` lists."""
    return {row["id"] for row in json_lines(instance.command("queue", *words, "--json")) if "sender" in row or "id" in row}


def test_queue_lists_and_selects(queued):
    culver, ids = queued
    text = culver.command("queue", check=0).stdout
    for ident in ids.values():
        assert ident in text
    assert listed(culver) == set(ids.values())
    assert listed(culver, "from=first@client.test") == {ids["one"]}
    assert listed(culver, "from=") == {ids["three"]}
    assert listed(culver, "to=z@other.test") == {ids["two"]}
    assert listed(culver, "domain=other.test") == {ids["two"], ids["three"]}
    assert listed(culver, "state=deferred") == set(ids.values())
    assert listed(culver, "from=first*", "domain=remote.test") == {ids["one"]}
    assert culver.command("queue", "from=nobody@x.test").returncode == 1


def test_queue_show(queued):
    culver, ids = queued
    text = culver.command("queue", "show", ids["two"], check=0).stdout
    for word in ("second@client.test", "y@remote.test", "z@other.test", "X-Tag: two"):
        assert word in text
    assert culver.command("queue", "show", "0000000000001").returncode == 1


def test_queue_hold_release_retry(queued):
    culver, ids = queued
    culver.command("queue", "hold", ids["one"], check=0)
    culver.wait_event("held", id=ids["one"])
    assert listed(culver, "state=held") == {ids["one"]}
    with smtp.Sink(port=int(culver.smarthosts[0].rpartition(":")[2])) as sink:
        culver.command("queue", "retry", "all", check=0)
        culver.wait_event("done", id=ids["two"])
        culver.wait_event("done", id=ids["three"])
        assert "one" not in {mail.tag_of(m.content) for m in sink.messages}
        culver.command("queue", "release", ids["one"], check=0)
        culver.wait_event("released", id=ids["one"])
        culver.command("queue", "retry", ids["one"])
        culver.wait_event("done", id=ids["one"])
        assert "one" in {mail.tag_of(m.content) for m in sink.messages}
    assert culver.command("queue", "retry", "all").returncode == 1


def test_held_stays_held_over_a_restart(queued):
    culver, ids = queued
    culver.command("queue", "hold", ids["one"], check=0)
    culver.wait_event("held", id=ids["one"])
    culver.stop()
    since = culver.mark()
    culver.start()
    culver.wait_event("replayed", since=since, queued=3)
    assert listed(culver, "state=held") == {ids["one"]}


def test_queue_remove(queued):
    culver, ids = queued
    culver.command("queue", "remove", "from=first@client.test", check=0)
    culver.wait_event("removed", id=ids["one"])
    assert listed(culver) == {ids["two"], ids["three"]}
    assert ids["one"] not in {os.path.basename(p) for p in culver.queue_files()}


def test_queue_bounce(queued):
    culver, _ = queued
    ident = submit(culver, ["v@remote.test"], "unwanted", culver.address)
    culver.wait_event("deferred", id=ident)
    culver.command("queue", "bounce", ident, check=0)
    culver.wait_event("failed", id=ident)
    culver.wait_event("done", id=culver.wait_event("notified", id=ident)["notice"])
    assert any(b"multipart/report" in letter for letter in culver.maildir().letters())


def test_strangers_may_not_act(queued):
    culver, ids = queued
    if culver.place.mode != "root":
        pytest.skip("there is no second user in this mode")
    stranger = culver.place.users[1]
    done = culver.command("queue", "remove", "all", entry=stranger)
    assert done.returncode != 0
    assert ids["one"] in culver.command("queue", check=0).stdout
    assert ids["one"] not in culver.command("queue", entry=stranger).stdout


# ---- trace ----

def test_trace_of_a_delivered_message(culver):
    culver.start()
    ident = submit(culver, [culver.address], "traced", "sender@client.test")
    culver.wait_event("done", id=ident)
    story = culver.command("trace", ident, check=0).stdout
    for word in ("accepted", "queued", "delivered", culver.address, "sender@client.test", "done"):
        assert word in story
    for what in ("sender@client.test", culver.address):
        assert ident in culver.command("trace", what, check=0).stdout
    assert any(row.get("event") == "delivered" for row in json_lines(culver.command("trace", ident, "--json", check=0)))


def test_trace_of_a_bounced_message(culver):
    with smtp.Sink(answer=lambda verb, *_: b"550 5.1.1 never\r\n" if verb == "RCPT" else None) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, ["x@remote.test"], "doomed", culver.address)
        notice = culver.wait_event("notified", id=ident)["notice"]
        culver.wait_event("done", id=notice)
        story = culver.command("trace", ident, check=0).stdout
        for word in ("failed", "x@remote.test", "never", notice):
            assert word in story


def test_trace_of_a_refused_session(culver):
    culver.start()
    with culver.smtp() as client:
        client.ehlo("stranger.test")
        client.command("MAIL FROM:<spy@stranger.test>", 250)
        client.command("RCPT TO:<no-such-user-here@local.test>", 550)
        client.command("QUIT", 221)
    refused = culver.wait_event("refused", to="no-such-user-here@local.test")
    culver.wait_event("disconnected", session=refused["session"])
    for what in ("spy@stranger.test", "no-such-user-here@local.test", refused["session"]):
        story = culver.command("trace", what, check=0).stdout
        assert "550" in story and "stranger.test" in story, what
    assert culver.command("trace", "unheard-of@x.test").returncode == 1


def test_hostile_bytes_in_the_log_are_escaped(culver):
    culver.start()
    with culver.smtp() as client:
        client.command(b"EHLO a\x1b[31m\xff.test")
        client.command('MAIL FROM:<"a\\\x07 b"@client.test>')
        client.command("QUIT")
    culver.wait_event("disconnected")
    with open(culver.log_path, "rb") as file:
        assert not re.search(rb"[^\x20-\x7e\n]", file.read())


def test_files_have_tight_modes(culver):
    culver.start()
    mode = lambda path: stat.S_IMODE(os.stat(path).st_mode)  # noqa: E731
    assert mode(culver.runtime) == 0o755
    for name in ("control", "trace", "submission"):
        assert mode(culver.socket_path(name)) == 0o666
    for name in ("intake", "jobs", "lookup", "resolver", "fetch", "signer", "verify", "log"):
        assert mode(culver.socket_path(name)) & 0o007 == 0
    assert mode(culver.spool) & 0o077 == 0
