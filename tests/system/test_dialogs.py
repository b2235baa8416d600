"""Dialogues of chasquid's own suite (*.cmy, in the optional data folder), with the list of where we differ and why."""

import ast
import glob
import os
import re

import pytest

import smtp
from test_hostile import seeds

FOLDER = "smtp-dialogs/chasquid"
# whole files whose subject is not built yet
LATER = {"auth_multi_dialog.cmy": "AUTH and TLS", "auth_too_many_failures.cmy": "AUTH and TLS"}

# (file or "", what chasquid says) -> (what we say, why)
DIFFERENCES = {
    ("auth_not_tls.cmy", "503 5.7.10 You feel vulnerable"): (r"502 5\.5\.1 ", "AUTH is known, and not offered"),
    ("bad_data.cmy", "503 5.5.1 Invisible customers are not welcome!"): (r"503 5\.5\.1 ", "our sentence"),
    ("bad_data.cmy", "503 5.5.1 Sender not yet given"): (r"503 5\.5\.1 ", "our sentence"),
    ("bad_data.cmy", "554 5.6.0 Error parsing message"): (
        r"250 ", "a header line without a colon is content: an MTA does not judge it"),
    ("bad_data_dot_2.cmy", "521 5.5.2 Error reading DATA: invalid line ending"): (
        r"550 5\.6\.11 ", "RFC 5321 has no 521 after DATA; the session goes on"),
    ("bad_data_dot_on_message_too_big.cmy", "521 5.5.2 Error reading DATA: invalid line ending"): (
        r"55[02] 5\.(6\.11|3\.4) ", "too big and bare line ends: either may be told"),
    ("bad_mail_from.cmy", "500 5.5.2 Unknown command"): (r"501 5\.5\.[24] ", "MAIL is known, its argument is wrong"),
    ("bad_rcpt_to.cmy", "500 5.5.2 Unknown command"): (r"501 5\.5\.[24] ", "RCPT is known, its argument is wrong"),
    ("bad_mail_from.cmy", "500"): (r"501 5\.", "RFC 5321, section 4.2.4: 501 for arguments"),
    ("bad_rcpt_to.cmy", "500"): (r"501 5\.", "RFC 5321, section 4.2.4: 501 for arguments"),
    ("bad_mail_from.cmy", "501 5.1.8 Malformed sender domain (IDNA conversion failed)"): (
        r"(501|553) 5\.1\.[78] ", "a name of letters and hyphens that ends in one: syntax"),
    ("bad_rcpt_to.cmy", "501 5.1.2 Malformed destination domain (IDNA conversion failed)"): (
        r"(501|553) 5\.1\.[23] ", "a name of letters and hyphens that ends in one: syntax"),
    ("bad_mail_from.cmy", "501 5.1.7 Sender address too long"): (r"501 5\.1\.7 ", "our sentence"),
    ("bad_rcpt_to.cmy", "501 5.1.3 Destination address too long"): (r"501 5\.1\.3 ", "our sentence"),
    ("bad_rcpt_to.cmy", "550 5.1.3 Destination address is invalid"): (
        r"(550|501|553) 5\.(6\.7|1\.3|5\.4) ", "8-bit without SMTPUTF8"),
    ("message_too_big.cmy", "552 5.3.4 Message too big"): (r"552 5\.3\.4 ", "our sentence"),
    ("line_too_long.cmy", "554"): (r"500 5\.5\.[126] ", "RFC 5321, section 4.5.3.1.9: 500 for long lines"),
    ("unknown_command.cmy", "500 5.5.1 Unknown command"): (r"500 5\.5\.[12] ", "our sentence"),
    ("wrong_proto.cmy", "502 5.7.0 You hear someone cursing shoplifters"): (
        r"(421|554|521|500|502) 5?\.?", "another protocol: one refusal, then the end"),
}


class Dialogue:
    """Runs one file against an instance."""

    def __init__(self, instance, name):
        self.instance, self.name, self.client, self.used = instance, name, None, set()

    def receive(self):
        """The next line, without its end."""
        line = self.client.file.readline()
        if not line.endswith(b"\r\n"):
            raise smtp.Closed(f"instead of a line: {line!r}")
        return line[:-2].decode("utf-8", "replace")

    def expect(self, wanted, have, matches):
        """Ours may differ where the list says so; then the whole reply must be as listed."""
        if matches:
            return
        ours = DIFFERENCES.get((self.name, wanted))
        assert ours and re.match(ours[0], have), f"{self.name}: wanted {wanted!r}, got {have!r}"
        self.used.add((self.name, wanted))

    def whole(self):
        """All lines of the next reply; the first."""
        first = line = self.receive()
        while line[3:4] == "-":
            line = self.receive()
        return first

    def step(self, kind, rest):
        """One line of the file."""
        rest = rest.replace("user@testserver", self.instance.address)
        if kind == "tcp_connect":
            if self.client:
                self.client.close()
            self.client = smtp.Client(self.instance.port, greet=False)
        elif kind == "close":
            self.client.close()
        elif kind == "->":
            self.client.send(rest.encode() + b"\r\n")
        elif kind == "~>":
            self.client.send(literal(rest))
        elif kind == "<-":
            have = self.whole()
            self.expect(rest, have, have == rest)
        elif kind == "<~":
            have = self.whole()
            self.expect(rest, have, re.search(rest, have))
        elif kind == "<...":
            while not re.match(r"250 ", have := self.receive()):
                assert have.startswith("250-"), have
        else:
            raise AssertionError(f"{self.name}: unknown step {kind}")


def literal(text):
    """A Python expression of string literals, + and * (nothing else is evaluated)."""
    def value(node):
        if isinstance(node, ast.Constant):
            return node.value
        assert isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)), text
        left, right = value(node.left), value(node.right)
        return left + right if isinstance(node.op, ast.Add) else left * right
    return value(ast.parse(text, mode="eval").body).encode()


def test_dialogues(culver, data):
    files = sorted(glob.glob(os.path.join(data, FOLDER, "**/*.cmy"), recursive=True))
    if not files:
        pytest.skip("the data folder has no dialogues")
    culver.limit.append("message-size 1M")
    culver.start()
    since = culver.mark()
    ran, used, wrong = 0, set(), []
    for path in files:
        name = os.path.basename(path)
        if name in LATER:
            continue
        dialogue = Dialogue(culver, name)
        with open(path, encoding="utf-8") as file:
            steps = [re.match(r"c (\S+) ?(.*)$", line.rstrip("\n")) for line in file if line.startswith("c ")]
        try:
            for step in steps:
                dialogue.step(step[1], step[2])
        except (AssertionError, smtp.Closed, OSError) as problem:
            wrong.append(f"{name}: {problem}")
        if dialogue.client:
            dialogue.client.close()
        used |= dialogue.used
        ran += 1
    assert not wrong, "\n".join(wrong)
    assert used == set(DIFFERENCES), f"no longer different: {set(DIFFERENCES) - used}"
    assert not culver.events("session-died", since=since)
    print(f"{ran} dialogues, {len(files) - ran} left for later, {len(used)} listed differences")


def test_alias_files_of_the_fuzz_corpora(culver, data):
    """`culver check` reads each, and says in a sentence what it does not take."""
    files = seeds(data, "aliases")
    assert files
    wrong = 0
    for text in files:
        culver.aliases = text.decode()
        culver.write()
        done = culver.command("check")
        assert done.returncode in (0, 1), f"{text}: {done}"
        if done.returncode == 1:
            assert re.search(rf"^{re.escape(culver.aliases_path)}:\d+:\d+: .", done.stdout + done.stderr, re.M), f"{text}: {done}"
        wrong += done.returncode
    print(f"{len(files)} alias files, {wrong} with mistakes that are named")
