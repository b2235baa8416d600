"""What is ordered about queued mail: by the administrator (selectors, redirect, sites) and by a customer's host (ETRN)."""

import json

import mail
import peers
import smtp


def submit(instance, recipients, tag, sender="a@client.test"):
    """One message; its id."""
    with instance.smtp() as client:
        client.ehlo()
        reply = client.message(sender, recipients, mail.small(tag))
        smtp.check(reply, 250)
        return instance.accepted_id(reply)


def ids(done):
    """The ids that a --json listing has."""
    return {json.loads(line)["id"] for line in done.stdout.splitlines()}


def test_selectors_sites_and_redirect(culver):
    def answer(verb, argument, _default):
        return b"450 4.2.1 come back tomorrow\r\n" if verb == "RCPT" and "later" in argument else None

    with smtp.Sink(answer=answer) as sink:
        culver.outbound += ["retry 1h 1h"]
        culver.relay_to(sink.port).start()
        site = f"127.0.0.1:{sink.port}"
        here = submit(culver, ["later@one.test"], "one")
        other = submit(culver, ["later@two.test", "later@three.test"], "two", "b@client.test")
        culver.wait_event("deferred", id=here)
        culver.wait_event("deferred", id=other, count=2)
        for words, found in ((["reason=tomorrow"], {here, other}), (["reason=450*4.2"], None), ([f"site={site}"], {here, other}),
                             (["domain=two.test", "reason=come back"], {other}), (["older=1h"], None),
                             (["larger=1"], {here, other}), (["user=root"], None)):
            assert ids(culver.command("queue", "--json", *words, check=0 if found else 1)) == (found or set()), words

        told, = [json.loads(line) for line in culver.command("queue", "sites", "--json", check=0).stdout.splitlines()]
        assert (told["site"], told["recipients"], told["known"]) == (site, 3, True)
        assert sum(told["ages"]) == 3 and told["window_max"] == 20
        assert told["limit"] == "each message waits for its own next attempt"
        assert site in culver.command("queue", "sites", "domain=two.test", check=0).stdout

        assert site in culver.command("top", check=0).stdout

        # only said
        dry = culver.command("queue", "remove", "all", "--dry-run", check=0).stdout
        assert here in dry and other in dry and "2 messages would be removed" in dry
        assert len(culver.queue_files()) == 2
        # one of the two goes elsewhere, the others stay where they are
        done = culver.command("queue", "redirect", culver.address, "domain=two.test", check=0)
        assert "1 message is redirected" in done.stdout
        culver.wait_event("delivered", id=other, to=culver.address)
        assert len(culver.maildir().letters()) == 1
        assert ids(culver.command("queue", "--json", "domain=three.test", check=0)) == {other}
        assert culver.command("queue", "redirect", "nobody", "all").returncode == 64


def test_etrn_sends_what_is_deferred_for_the_domain(culver):
    port = peers.free_port()
    culver.general += [f"route customer.test {{\n    smtp 127.0.0.1:{port}\n    etrn-from 127.0.0.1\n}}",
                       f"route other.test {{\n    smtp 127.0.0.1:{peers.free_port()}\n    etrn-from 192.0.2.1\n}}"]
    culver.outbound += ["retry 1h 1h"]
    culver.start()
    ident = submit(culver, ["x@customer.test"], "mine")
    other = submit(culver, ["x@other.test"], "not mine")
    culver.wait_event("deferred", id=ident)
    culver.wait_event("deferred", id=other)
    with smtp.Sink(port=port), culver.smtp() as client:
        client.command("ETRN customer.test", expect=503)
        assert "ETRN" in str(client.ehlo())
        client.command("ETRN", expect=501)
        client.command("ETRN not_a_domain..", expect=501)
        client.command("ETRN other.test", expect=459)
        client.command("ETRN elsewhere.test", expect=459)
        client.command("ETRN #queue", expect=459)
        client.command("MAIL FROM:<a@client.test>", expect=250)
        client.command("ETRN customer.test", expect=503)
        client.command("RSET", expect=250)
        client.command("etrn Customer.Test", expect=252)
        culver.wait_event("delivered", id=ident)
        client.command("ETRN customer.test", expect=251)
        client.command("ETRN @customer.test", expect=250)
        client.command("ETRN @customer.test", expect=458)
        # mail of the others waits for its time
        assert ids(culver.command("queue", "--json", check=0)) == {other}


def test_nobody_may_etrn_unless_it_is_said(culver):
    culver.start()
    with culver.smtp() as client:
        assert "ETRN" not in str(client.ehlo())
        client.command("ETRN culver.test", expect=459)


def test_expn_shows_addresses_to_who_may_ask(culver):
    """Never commands, files or what is in an included list; counted over all connections of a client."""
    culver.general.append("expn-from 127.0.0.1")
    culver.limit.append("expn-per-hour 7")
    culver.aliases = (f'list: {culver.user}, other@remote.test, inner, "|/bin/secret", /tmp/secret, :include:/tmp/secret\n'
                      f'inner: {culver.user}+inner\nhidden: "|/bin/secret"\n')
    culver.start()
    with culver.smtp() as client:
        assert "EXPN" in str(client.ehlo())
        reply = client.command("EXPN list@local.test", expect=250)
        assert [text.split()[-1] for text in reply.lines] == [
            f"<{culver.user}@local.test>", "<other@remote.test>", f"<{culver.user}+inner@local.test>"], reply.lines
        assert "secret" not in str(reply.lines)
        reply = client.command("EXPN hidden@local.test", expect=252)
        assert "secret" not in str(reply.lines)
        client.command("EXPN nobody-is-this@local.test", expect=550)
        client.command("EXPN x@remote.test", expect=550)
        client.command("EXPN", expect=501)
        client.command(f"EXPN <{culver.address}>", expect=250)
        # in the midst of a transaction, which it leaves alone
        client.command("MAIL FROM:<a@client.test>", expect=250)
        client.command("EXPN inner@local.test", expect=250)
        client.command(f"RCPT TO:<{culver.address}>", expect=250)
    with culver.smtp() as client:
        client.ehlo()
        client.command("EXPN inner@local.test", expect=250)
        client.command("EXPN inner@local.test", expect=250)
        client.command("EXPN inner@local.test", expect=450)


def test_expn_is_off(culver):
    culver.aliases = f"list: {culver.user}\n"
    culver.start()
    with culver.smtp() as client:
        assert "EXPN" not in str(client.ehlo())
        client.command("EXPN list@local.test", expect=502)
