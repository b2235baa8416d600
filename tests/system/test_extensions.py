"""CHUNKING, DSN and SMTPUTF8 from the client through the queue to the next hop (notices as others read them: test_notices.py)."""

import email
import email.policy

import pytest

import mail
import smtp

ALL = ("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN", "SMTPUTF8")
PLAIN = ("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")


def submit(instance, sender, recipients, content, mail_parameters="", encoding="ascii"):
    """One message, each recipient with its own parameters: [(address, parameters)]; its id."""
    with instance.smtp() as client:
        client.ehlo()
        client.send(f"MAIL FROM:<{sender}>{mail_parameters}\r\n".encode(encoding))
        smtp.check(client.reply(), 250)
        for address, parameters in recipients:
            client.send(f"RCPT TO:<{address}>{parameters}\r\n".encode(encoding))
            smtp.check(client.reply(), 250)
        client.command("DATA", 354)
        client.send(smtp.stuff(content) + b".\r\n")
        reply = client.reply()
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


def await_notice(instance, ident, count=1):
    """The notices about that message, as they lie in the first user's mailbox: bytes and parsed."""
    instance.wait_event("notified", id=ident, count=count)
    for notified in instance.events("notified", id=ident):
        instance.wait_event("done", id=notified["notice"])
    letters = [letter for letter in instance.maildir().letters() if b"multipart/report" in letter]
    return [(letter, email.message_from_bytes(letter, policy=email.policy.default)) for letter in letters]


def fields_of(notice):
    """The per-recipient fields of a notice, one block a recipient; the last word of each address."""
    blocks = list(notice.iter_parts())[1].get_payload()
    return blocks[0], blocks[1:]


# ---- CHUNKING ----

@pytest.mark.parametrize("size", [0, 3, 4096, 200000])
def test_chunks_in_and_chunks_out(culver, size):
    content = mail.small("chunks", max(size, 300))if size > 100 else b"A: b\r\n\r\n" + b"." * size + b"\r\n"
    with smtp.Sink(extensions=ALL) as sink:
        culver.relay_to(sink.port).start()
        with culver.smtp() as client:
            assert "CHUNKING" in client.ehlo()
            cut = len(content) // 3
            pieces = [content[:cut], content[cut:2 * cut], content[2 * cut:]]
            client.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<x@remote.test>\r\n" + b"".join(
                b"BDAT %d%s\r\n%s" % (len(piece), b" LAST" if at == 2 else b"", piece) for at, piece in enumerate(pieces)))
            for _ in range(4):
                smtp.check(client.reply(), 250)
            ident = client.reply()
            smtp.check(ident, 250)
        culver.wait_event("done", id=culver.accepted_id(ident))
        taken, = sink.messages
        assert mail.below(taken.content, content) is not None and taken.content.endswith(content)
        verbs = [line.split()[0] for _, line in sink.commands]
        assert "DATA" not in verbs and verbs.count("BDAT") == 1


# ---- DSN onwards ----

def test_dsn_goes_on_to_who_takes_it(culver):
    with smtp.Sink(extensions=ALL) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, culver.address, [("x@remote.test", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@remote.test")],
                       mail.small("dsn"), " RET=HDRS ENVID=QQ+2B1")
        culver.wait_event("done", id=ident)
        lines = [line for _, line in sink.commands]
        assert any("RET=HDRS" in line and "ENVID=QQ+2B1" in line for line in lines)
        assert "RCPT TO:<x@remote.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@remote.test" in lines
        assert not culver.events("notified", id=ident)


def test_dsn_goes_on_through_aliases_and_lists(culver):
    """RFC 3461, section 5.2.7: an alias for one address passes all on, one for several all but SUCCESS, which is told as `expanded`."""
    culver.aliases = "one: a@remote.test\nmany: b@remote.test, c@remote.test\nnever: d@remote.test, e@remote.test\n"
    domain = culver.address.split("@")[1]
    with smtp.Sink(extensions=ALL) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, culver.address,
                       [(f"one@{domain}", f" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2B1@{domain}"),
                        (f"many@{domain}", f" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;m@{domain}"),
                        (f"never@{domain}", " NOTIFY=NEVER")],
                       mail.small("aliases"), " RET=FULL ENVID=QQ+2B1")
        culver.wait_event("done", id=ident)
        lines = [line for _, line in sink.commands]
        assert all("RET=FULL" in line and "ENVID=QQ+2B1" in line for line in lines if line.startswith("MAIL"))
        assert sorted(line for line in lines if line.startswith("RCPT")) == [
            f"RCPT TO:<a@remote.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2B1@{domain}",
            f"RCPT TO:<b@remote.test> NOTIFY=FAILURE ORCPT=rfc822;m@{domain}",
            f"RCPT TO:<c@remote.test> NOTIFY=FAILURE ORCPT=rfc822;m@{domain}",
            "RCPT TO:<d@remote.test> NOTIFY=NEVER", "RCPT TO:<e@remote.test> NOTIFY=NEVER"]
        (_, notice), = await_notice(culver, ident)
        message, (block,) = fields_of(notice)
        assert message["Original-Envelope-Id"] == "QQ+1"
        assert (block["Action"], block["Original-Recipient"]) == ("expanded", f"rfc822; m@{domain}")
        assert block["Final-Recipient"] == f"rfc822; many@{domain}"


def test_many_recipients_are_told_of_in_one_notice(culver):
    with smtp.Sink(answer=lambda verb, *_: b"550 5.1.1 no\r\n" if verb == "RCPT" else None) as sink:
        culver.relay_to(sink.port).start()
        addresses = [f"u{n}@remote.test" for n in range(250)]
        ident = submit(culver, culver.address, [(a, f" ORCPT=rfc822;o{n}@remote.test") for n, a in enumerate(addresses)],
                       mail.small("many"))
        (_, notice), = await_notice(culver, ident)
        _, blocks = fields_of(notice)
        assert [b["Final-Recipient"].split()[-1] for b in blocks] == addresses
        assert [b["Original-Recipient"] for b in blocks] == [f"rfc822; o{n}@remote.test" for n in range(250)]
        assert {(b["Action"], b["Status"]) for b in blocks} == {("failed", "5.1.1")}


def test_success_is_told_of_where_the_way_of_dsn_ends(culver):
    with smtp.Sink(extensions=PLAIN) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, culver.address,
                       [("x@remote.test", " NOTIFY=SUCCESS ORCPT=rfc822;orig@remote.test"), (culver.address, " NOTIFY=SUCCESS"),
                        ("quiet@remote.test", " NOTIFY=NEVER")],
                       mail.small("relayed"), " ENVID=id+201")
        (_, notice), = await_notice(culver, ident)
        message, blocks = fields_of(notice)
        assert message["Original-Envelope-Id"] == "id 1"
        found = {block["Final-Recipient"].split()[-1]: block for block in blocks}
        assert set(found) == {"x@remote.test", culver.address}
        assert found["x@remote.test"]["Action"] == "relayed" and found[culver.address]["Action"] == "delivered"
        assert found["x@remote.test"]["Original-Recipient"] == "rfc822; orig@remote.test"
        assert list(notice.iter_parts())[2].get_content_type() == "text/rfc822-headers"
        culver.wait_event("done", id=ident)


def test_failure_that_nobody_wants_to_hear_of(culver):
    with smtp.Sink(answer=lambda verb, *_: b"550 5.1.1 no\r\n" if verb == "RCPT" else None) as sink:
        culver.relay_to(sink.port).start()
        ident = submit(culver, culver.address, [("x@remote.test", " NOTIFY=NEVER")], mail.small("never"))
        culver.wait_event("failed", id=ident)
        culver.wait_event("done", id=ident)
        assert not culver.events("notified", id=ident)


# ---- SMTPUTF8 ----

def test_a_domain_in_utf8_is_that_of_its_a_labels(culver):
    with smtp.Sink(extensions=ALL) as sink:
        culver.general.append(f"route xn--bcher-kva.example {{\n    smtp 127.0.0.1:{sink.port}\n}}")
        culver.start()
        ident = submit(culver, culver.address, [("x@B\u00dccher.example", "")], mail.small("idna"), " SMTPUTF8", "utf-8")
        culver.wait_event("delivered", id=ident)
        assert "RCPT TO:<x@b\u00dccher.example>" in [line.encode("latin-1").decode() for _, line in sink.commands]


def test_utf8_addresses(culver):
    with smtp.Sink(extensions=ALL) as able, smtp.Sink(extensions=PLAIN) as unable:
        culver.relay_to(able.port).start()
        content = "Subject: gr\u00fc\u00dfe\r\n\r\nx\r\n".encode()
        ident = submit(culver, "\u00e4@client.test", [("b\u00f6b@remote.test", "")], content, " SMTPUTF8", "utf-8")
        culver.wait_event("delivered", id=ident)
        lines = [line.encode("latin-1").decode() for _, line in able.commands]
        assert any(line.startswith("MAIL FROM:<\u00e4@client.test>") and " SMTPUTF8" in line for line in lines)
        assert "RCPT TO:<b\u00f6b@remote.test>" in lines
        culver.stop()
        culver.relay_to(unable.port).start()
        ident = submit(culver, culver.address, [("b\u00f6b@remote.test", ""), ("bob@remote.test", "")], content, " SMTPUTF8",
                       "utf-8")
        assert culver.wait_event("failed", id=ident)["status"] == "5.6.7"
        culver.wait_event("delivered", id=ident, to="bob@remote.test")
        assert unable.messages[0].content.endswith(content)
        (_, notice), = await_notice(culver, ident)
        assert [p.get_content_type() for p in notice.iter_parts()] == [
            "text/plain", "message/global-delivery-status", "message/global"]


def test_a_delay_is_told_once(culver):
    with smtp.Sink(answer=lambda verb, *_: b"451 4.2.1 later\r\n" if verb == "RCPT" else None) as sink:
        culver.outbound += ["delay-notice 2s", "retry 1s 1s", "lifetime 6s"]
        culver.relay_to(sink.port).start()
        ident = submit(culver, culver.address, [("x@remote.test", ""), ("y@remote.test", " NOTIFY=FAILURE")], mail.small("slow"))
        culver.wait_event("failed", id=ident, count=2)
        culver.wait_event("done", id=ident)
        notices = await_notice(culver, ident, count=2)
        actions = sorted((block["Action"], block["Final-Recipient"].split()[-1])
                         for _, notice in notices for block in fields_of(notice)[1])
        assert actions == [("delayed", "x@remote.test"), ("failed", "x@remote.test"), ("failed", "y@remote.test")]
        delayed, = [n for _, n in notices if "delayed" in n["Subject"]]
        assert fields_of(delayed)[1][0]["Will-Retry-Until"]
