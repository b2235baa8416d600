"""A real Dovecot reads, by IMAP and POP3, the Maildirs that our file agents write."""

import collections
import threading

import pytest

import mail
import peers
import smtp
from culver import block
from dovecot import Reader

LETTERS = {"small": mail.small("small"), "dots": mail.dots("dots"), "eight": mail.eight_bit("eight"),
           "big": mail.small("big", 2 << 20)}


@pytest.fixture
def reader(culver):
    """A Dovecot over the Maildir of the first user."""
    try:
        with Reader(culver.place.users[0], culver.maildir().path) as server:
            yield server
    except peers.Unavailable as reason:
        pytest.skip(str(reason))


def send(culver, contents, to=None):
    """Each of them, one after the other; their ids."""
    ids = []
    with culver.smtp() as client:
        client.ehlo()
        for content in contents:
            reply = client.message("a@client.test", [to or culver.address], content)
            smtp.check(reply, 250)
            ids.append(culver.accepted_id(reply))
    return ids


def deliver(culver, contents, to=None):
    """Returns when all lie in the mailbox."""
    for ident in send(culver, contents, to):
        culver.wait_event("done", id=ident)


def fetch(imap, number, what):
    """One item of one letter."""
    status, data = imap.fetch(str(number), f"({what})")
    assert status == "OK"
    return data[0]


def tags(imap, box="INBOX"):
    """[X-Tag] of every letter that IMAP shows."""
    status, data = imap.select(box, readonly=True)
    assert status == "OK", data
    if data[0] == b"0":
        return []
    _, found = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (X-TAG)])")
    return [part[1].split(b": ")[1].strip().decode() for part in found if isinstance(part, tuple)]


def is_whole(letter, tag):
    """Byte for byte below what we put on top; CRLF, as both protocols have it."""
    top = mail.below(letter, LETTERS[tag])
    assert top.startswith(b"Return-Path: <a@client.test>\r\n") and b"\r\nReceived: " in top, top


def test_letters_by_imap_byte_for_byte_with_their_flags(culver, reader):
    culver.start()
    deliver(culver, LETTERS.values())
    with reader.imap() as imap:
        # several agents wrote at once: their order is not promised
        order = tags(imap)
        assert sorted(order) == sorted(LETTERS)
        imap.select()
        for number, tag in enumerate(order, 1):
            assert b"\\Seen" not in fetch(imap, number, "FLAGS")
            size = int(fetch(imap, number, "RFC822.SIZE").split()[-1].rstrip(b")"))
            letter = fetch(imap, number, "BODY.PEEK[]")[1]
            assert len(letter) == size
            is_whole(letter, tag)
        imap.store("2", "+FLAGS", r"(\Seen \Flagged)")
        imap.store("3", "+FLAGS", r"(\Answered)")
    # another one comes beside them; what the reader set stays where it was
    deliver(culver, [mail.small("later")])
    with reader.imap() as imap:
        assert tags(imap) == [*order, "later"]
        seen = {number: fetch(imap, number, "FLAGS") for number in range(1, 6)}
        assert b"\\Seen" in seen[2] and b"\\Flagged" in seen[2] and b"\\Answered" in seen[3]
        assert not any(flag in seen[number] for number in (1, 4, 5) for flag in (b"\\Seen", b"\\Flagged", b"\\Answered"))
        imap.select()
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        assert tags(imap) == [*order[1:], "later"]


def test_letters_by_pop3_byte_for_byte(culver, reader):
    culver.start()
    deliver(culver, LETTERS.values())
    pop3 = reader.pop3()
    letters = [b"".join(line + b"\r\n" for line in pop3.retr(number)[1]) for number in range(1, pop3.stat()[0] + 1)]
    assert sorted(map(mail.tag_of, letters)) == sorted(LETTERS)
    for letter in letters:
        is_whole(letter, mail.tag_of(letter))
    names = [line.split()[1] for line in pop3.uidl()[1]]
    assert len(set(names)) == len(LETTERS)
    pop3.dele(1)
    pop3.quit()
    deliver(culver, [mail.small("later")])
    pop3 = reader.pop3()
    now = [line.split()[1] for line in pop3.uidl()[1]]
    assert now[:-1] == names[1:] and now[-1] not in names
    pop3.quit()


def test_a_letter_is_announced_to_whoever_is_connected(culver, reader):
    """By IDLE, as it comes; and by NOOP."""
    culver.start()
    deliver(culver, [mail.small("first")])
    with reader.imap() as imap:
        assert imap.select()[1] == [b"1"]
        imap.send(b"i1 IDLE\r\n")
        assert imap.readline().startswith(b"+ ")
        deliver(culver, [mail.small("second")])
        while (line := imap.readline()) != b"* 2 EXISTS\r\n":
            assert line, "the connection ended"
        imap.send(b"DONE\r\n")
        while not (line := imap.readline()).startswith(b"i1 OK"):
            assert line, "the connection ended"
        deliver(culver, [mail.small("third")])
        imap.response("EXISTS")
        imap.noop()
        assert imap.response("EXISTS")[1][-1] == b"3"
        assert tags(imap) == ["first", "second", "third"]


def test_many_at_once_while_somebody_reads(culver, reader):
    """Four clients send; one reads and moves every letter from new to cur meanwhile: each is there, and none twice."""
    culver.start()
    wanted = [f"t{client}-{n}" for client in range(4) for n in range(40)]
    sent = []

    def client(number):
        sent.extend(send(culver, [mail.small(tag) for tag in wanted if tag.startswith(f"t{number}-")]))

    deliver(culver, [mail.small("before")])
    with reader.imap() as imap:
        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            imap.select()
            imap.store("1:*", "+FLAGS", r"(\Seen)")
        for thread in threads:
            thread.join()
        assert len(sent) == len(wanted)
        for ident in sent:
            culver.wait_event("done", id=ident)
        assert collections.Counter(tags(imap)) == collections.Counter(["before", *wanted])
    with reader.imap() as imap:
        assert collections.Counter(tags(imap)) == collections.Counter(["before", *wanted])


def test_subaddresses(culver, reader):
    """In the one mailbox, where the address can still be seen; or in a folder of the extension's name."""
    maildir = culver.maildir_name
    culver.general.append(block("domain folders.test", [f"deliver maildir ~/{maildir}/.{{ext}}"]))
    culver.start()
    deliver(culver, [mail.small("plain")], f"{culver.user}+lists@local.test")
    deliver(culver, [mail.small("sorted")], f"{culver.user}+lists@folders.test")
    with reader.imap() as imap:
        assert tags(imap) == ["plain"]
        imap.select(readonly=True)
        assert f"{culver.user}+lists@local.test".encode() in fetch(imap, 1, "BODY.PEEK[HEADER.FIELDS (DELIVERED-TO)]")[1]
        folders = [line.split()[-1].strip(b'"') for line in imap.list()[1]]
        assert b"lists" in folders
        assert tags(imap, "lists") == ["sorted"]
