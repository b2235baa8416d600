"""Our notices as three programs of others read them: recipient, status, action and reason, as far as each can.

libsisimai-perl reads all of it; its reasons are guesses from the words of the reply, and without a status it wants to know the command that was
refused, which no field of RFC 3464 names ("filtered").  libmail-deliverystatus-bounceparser-perl reads failures, with reasons of fewer kinds; of
a delay or a success it tells the action alone, and that it is no bounce.  python3-flufl.bounce knows recipients of failures, permanent or
temporary, and nothing else of them.
"""

import collections
import subprocess
import tempfile

import pytest

import mail
import smtp
from test_extensions import await_notice, submit

# how a message ends: the recipient, what he asks for, what the next hop says of him, and what must be read: status, action, and the reason in
# the words of Sisimai and of BounceParser
Fate = collections.namedtuple("Fate", "to parameters reply status action sisimai parser")
PERMANENT, TEMPORARY = "permanent", "temporary"
FATES = {
    "unknown user": Fate("gone@remote.test", "", "550 5.1.1 <gone@remote.test>: user unknown", "5.1.1", "failed", "userunknown",
                         "user_unknown"),
    "no status": Fate("bare@remote.test", "", "550 no such user here", "5.0.0", "failed", "filtered", "user_unknown"),
    "full mailbox": Fate("full@remote.test", "", "552 5.2.2 mailbox full", "5.2.2", "failed", "mailboxfull", "over_quota"),
    "disabled": Fate("off@remote.test", "", "550 5.2.1 this mailbox is disabled", "5.2.1", "failed", "suspend", "user_disabled"),
    "too big": Fate("big@remote.test", "", "552 5.3.4 message size exceeds fixed limit", "5.3.4", "failed", "mesgtoobig", "over_quota"),
    "relaying": Fate("relay@remote.test", "", "554 5.7.1 <relay@remote.test>: relay access denied", "5.7.1", "failed", "norelaying", "domain_error"),
    "spam": Fate("spam@remote.test", "", "554 rejected: this message looks like spam", "5.0.0", "failed", "spamdetected", "spam"),
    "several lines": Fate("lines@remote.test", "", "550-5.1.1 The email account that you tried to reach does not exist.\r\n"
                          "550 5.1.1 See https://help.example/", "5.1.1", "failed", "userunknown", "user_unknown"),
    "no domain": Fate("x@nowhere.test", "", None, "5.1.2", "failed", "hostunknown", "domain_error"),
    "given up": Fate("late@remote.test", " NOTIFY=FAILURE", "451 4.2.1 try later", "5.4.7", "failed", "expired", "unknown"),
    "delay": Fate("slow@remote.test", " NOTIFY=DELAY", "452 4.2.2 mailbox full", "4.2.2", "delayed", "mailboxfull", None),
    "relayed": Fate("fine@remote.test", " NOTIFY=SUCCESS", None, "2.0.0", "relayed", "delivered", None),
    "delivered": Fate(None, " NOTIFY=SUCCESS", None, "2.0.0", "delivered", "delivered", None),
    "expanded": Fate("team@local.test", " NOTIFY=SUCCESS", None, "2.0.0", "expanded", "delivered", None),
}

SISIMAI = """
use Sisimai; binmode STDOUT, ':utf8';
for my $e (@{ Sisimai->make($ARGV[0], 'delivered' => 1) || [] }) {
    print join("\\t", $e->recipient->address, $e->deliverystatus, $e->action, $e->reason), "\\n";
}
"""

PARSER = """
use Mail::DeliveryStatus::BounceParser; local $/; open my $in, '<', $ARGV[0] or die; my $text = <$in>;
my $b = Mail::DeliveryStatus::BounceParser->new($text);
print join("\\t", 'bounce', ($b->is_bounce ? 1 : 0), $b->{type} // ''), "\\n";
for my $r ($b->reports) {
    print join("\\t", 'report', map { my $v = $r->get($_); $v = '' unless defined $v; $v =~ s/\\s+/ /g; $v =~ s/ $//; $v }
               ('email', 'status', 'action', 'std_reason')), "\\n";
}
"""

FLUFL = """
import email, sys
from flufl.bounce import all_failures
temporary, permanent = all_failures(email.message_from_binary_file(open(sys.argv[1], 'rb')))
for kind, found in (('temporary', temporary), ('permanent', permanent)):
    for address in sorted(found):
        print(kind, address.decode() if isinstance(address, bytes) else address, sep='\\t')
"""


def read_by(words, letter):
    """The lines that a command prints about a letter, split at tabs."""
    with tempfile.NamedTemporaryFile(suffix=".eml") as file:
        file.write(letter)
        file.flush()
        done = subprocess.run([*words, file.name], capture_output=True, text=True, check=True, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


def needs(*words):
    """Skips where the library cannot be loaded."""
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"it is not here: {words[-1]}")


@pytest.fixture
def notices(culver):
    """A notice of each fate: {name of the fate: (recipient, bytes)}."""
    replies = {fate.to: fate.reply for fate in FATES.values() if fate.reply}

    def answer(verb, argument, _default):
        said = replies.get(argument.partition("<")[2].partition(">")[0]) if verb == "RCPT" else None
        return said and said.encode() + b"\r\n"

    with smtp.Sink(answer=answer) as sink:
        culver.outbound += ["delay-notice 1s", "retry 1s 1s", "lifetime 4s"]
        # names below .test are nobody's: the resolver knows without asking
        culver.general.append("route nowhere.test {\n    smtp mx:nowhere.test\n}")
        culver.aliases = f"team: {culver.user}, other@remote.test\n"
        culver.relay_to(sink.port).start()
        sent = {name: submit(culver, culver.address, [(fate.to or culver.address, fate.parameters)], mail.small(name.replace(" ", "-")))
                for name, fate in FATES.items()}
        found = {}
        for name, ident in sent.items():
            culver.wait_event("notified", id=ident)
            letters = [letter for letter, _ in await_notice(culver, ident)
                       if f"\nX-Tag: {name.replace(' ', '-')}\n".encode() in letter]
            assert len(letters) == 1, (name, len(letters))
            found[name] = (FATES[name].to or culver.address, letters[0])
        yield found


def test_sisimai(notices):
    needs("perl", "-MSisimai", "-e1")
    wrong = {}
    for name, (recipient, letter) in notices.items():
        rows, fate = read_by(["perl", "-e", SISIMAI], letter), FATES[name]
        if rows != [[recipient, fate.status, fate.action, fate.sisimai]]:
            wrong[name] = rows
    assert not wrong, "\n".join(f"{name}: {FATES[name]}: {rows}" for name, rows in wrong.items())


def test_bounceparser(notices):
    needs("perl", "-MMail::DeliveryStatus::BounceParser", "-e1")
    wrong = {}
    for name, (recipient, letter) in notices.items():
        rows, fate = read_by(["perl", "-e", PARSER], letter), FATES[name]
        report = ["report", recipient, fate.status, fate.action]
        if fate.action == "failed":
            wanted = [["bounce", "1", ""], [*report, fate.parser]]
        else:
            # it stops reading at the word of a delay or a success, and reads on behind an expansion, in search of a failure
            wanted = [["bounce", "0", f"delivery-status {fate.action}"]] + ([[*report, "unknown"]] if fate.action == "expanded" else [])
        if rows != wanted:
            wrong[name] = rows
    assert not wrong, "\n".join(f"{name}: {FATES[name]}: {rows}" for name, rows in wrong.items())


def test_flufl_bounce(notices):
    needs("/usr/bin/python3", "-c", "import flufl.bounce")
    kinds = {"failed": PERMANENT, "delayed": TEMPORARY}
    wrong = {}
    for name, (recipient, letter) in notices.items():
        rows = read_by(["/usr/bin/python3", "-c", FLUFL], letter)
        kind = kinds.get(FATES[name].action)
        if rows != ([[kind, recipient]] if kind else []):
            wrong[name] = rows
    assert not wrong, "\n".join(f"{name}: {FATES[name]}: {rows}" for name, rows in wrong.items())
