"""Who gets mail: aliases, extensions, names of the machine; who is refused, and at which step."""

import mail
import smtp


def rcpt(instance, address, sender="a@client.test"):
    """The reply to one RCPT."""
    with instance.smtp() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{sender}>", 250)
        return client.command(f"RCPT TO:{address}")


def deliver(instance, addresses, tag):
    """Sends a tagged message to `addresses` and waits for its end; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", addresses, mail.small(tag))
        smtp.check(reply, 250)
    ident = instance.accepted_id(reply)
    instance.wait_event("done", id=ident)
    return ident


def test_unknown_recipients_are_refused_at_rcpt(culver):
    culver.start()
    reply = rcpt(culver, "<no-such-user-here@local.test>")
    assert (reply.code, reply.status) == (550, "5.1.1")
    culver.wait_event("refused", code=550, to="no-such-user-here@local.test")


def test_relaying_only_for_relay_from(culver):
    culver.general.append("relay-from 192.0.2.0/24")
    culver.relay_to(9).start()
    reply = rcpt(culver, "<someone@remote.test>")
    assert (reply.code, reply.status) == (550, "5.7.1"), reply
    culver.wait_event("refused", code=550, to="someone@remote.test", client="127.0.0.1")
    smtp.check(rcpt(culver, f"<{culver.address}>"), 250)


def test_names_of_the_machine_are_local(culver):
    culver.start()
    for domain in ("mx.culver.test", "localhost", "LOCAL.TEST"):
        smtp.check(rcpt(culver, f"<{culver.user}@{domain}>"), 250)


def test_alias_is_expanded(culver):
    users = [entry.pw_name for entry in culver.place.users]
    culver.aliases = f"team: {', '.join(users)}, {users[0]}+copy\nchain: team\nUpper-Case: {users[0]}\n"
    culver.start()
    ident = deliver(culver, ["chain@local.test"], "team")
    assert len(culver.maildir(0).by_tag("team")) == 2
    if len(users) > 1:
        culver.maildir(1).one("team")
    assert culver.events("expanded", id=ident)
    deliver(culver, ["UPPER-CASE@local.test"], "upper")
    culver.maildir().one("upper")


def test_alias_to_another_domain(culver):
    culver.aliases = "away: someone@remote.test\n"
    with smtp.Sink() as sink:
        culver.relay_to(sink.port).start()
        deliver(culver, ["away@local.test"], "away")
        assert [m.recipients for m in sink.messages] == [["someone@remote.test"]]


def test_alias_loop_ends(culver):
    culver.aliases = f"one: two\ntwo: one, {culver.user}\n"
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", ["one@local.test"], mail.small("loop"))
    if reply.code == 250:
        culver.wait_event("done", id=culver.accepted_id(reply))
        assert len(culver.maildir().by_tag("loop")) <= 1
    else:
        smtp.check(reply, 5)


def test_extension(culver):
    culver.start()
    deliver(culver, [f"{culver.user}+lists.x@local.test"], "extension")
    assert f"Delivered-To: {culver.user}+lists.x@local.test\n".encode() in culver.maildir().one("extension")


def test_postmaster_and_root_have_a_place(culver):
    culver.start()
    deliver(culver, ["postmaster@local.test"], "master")
    deliver(culver, ["root@local.test"], "root")
    if culver.place.mode == "root":
        culver.root_mail().one("master")
        culver.root_mail().one("root")
    else:
        found = culver.root_mail().by_tag("master") + culver.maildir().by_tag("master")
        assert len(found) == 1
    deliver(culver, ["postmaster"], "bare")  # RFC 5321, section 4.5.1


def test_postmaster_alias(culver):
    culver.aliases = f"postmaster: root\nroot: {culver.user}\n"
    culver.start()
    deliver(culver, ["postmaster@local.test"], "mine")
    culver.maildir().one("mine")


def test_delivery_loop_ends_in_a_bounce(culver):
    """A message that has been in this mailbox already (Delivered-To)."""
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        content = f"Delivered-To: {culver.address}\r\n".encode() + mail.small("circle")
        reply = client.message("postmaster@local.test", [culver.address], content)
        smtp.check(reply, 250)
    ident = culver.accepted_id(reply)
    culver.wait_event("failed", id=ident, to=culver.address)
    culver.wait_event("done", id=ident)
    assert not any(letter.endswith(mail.lf(content)) for letter in culver.maildir().letters())


def test_hop_limit(culver):
    culver.limit.append("hops 5")
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        reply = client.message("a@client.test", [culver.address], b"Received: by a; date\r\n" * 6 + mail.small("hops"))
        assert reply.code == 554 and reply.status == "5.4.6", reply


def test_too_many_recipients(culver):
    culver.limit.append("recipients 3")
    culver.start()
    with culver.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.test>", 250)
        for n in range(3):
            client.command(f"RCPT TO:<{culver.user}+{n}@local.test>", 250)
        client.command(f"RCPT TO:<{culver.user}+3@local.test>", 452)
        client.command("DATA", 354)
        client.send(mail.small("three") + b".\r\n")
        smtp.check(client.reply(), 250)


def test_lenient_where_the_world_needs_it(culver):
    culver.start()
    with culver.smtp() as client:
        client.command("HELO some_host", 250)
        client.command("MAIL FROM: <a@client.test>", 250)
        client.command(f"RCPT TO: {culver.address}", 250)
        client.command("RCPT TO:<postmaster>", 250)
        client.command(f"RCPT TO:<@a.test,@b.test:{culver.address}>", 250)
        client.command(f'RCPT TO:<"{culver.user}"@local.test>', 250)
        client.command("RSET", 250)
        client.command("VRFY x", (250, 252, 550))
        client.command("HELP", 214)
        client.command("QUIT", 221)
