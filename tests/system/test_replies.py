"""Replies of the world's servers, given by a next hop: what delivery reads in them, and what it then does with the recipient.

From the optional data folder: the replies in its bounces (with the verdict of the notice that they stand in), those beside the rules of
ZoneMTA (with the action of the rule), and one sample of each rule of KumoMTA.  Each is the answer to a RCPT of a site of its own.
"""

import collections
import email
import email.policy
import os
import re
import warnings

import pytest

import smtp
from culver import block

SITES_A_NET = 200
DONE_S = 120
FATE_OF_CLASS = {"4": "deferred", "5": "failed"}
FATE_OF_ACTION = {"failed": "failed", "failure": "failed", "delayed": "deferred", "deferred": "deferred"}

# (what we do, what the case says): why ours is right all the same
DIFFERENCES = {
    "bounces": {
        ("deferred", "failed"): "4xx, and its sender gave up (its time had run out, or it tries once only) or warns in words only; "
                                "we retry for our `lifetime`",
    },
    "zone-mta": {
        ("failed", "defer"): "5xx is the end of it (RFC 5321, 4.2.1); ZoneMTA has other addresses to send from, and tries those",
    },
}
# what Postfix adds to a reply
IN_REPLY_TO = re.compile(r" ?\(in reply to [\w ]+\)")
# a reply in words: behind such a verb, or with an enhanced status; its further lines are indented or begin with its code
IN_WORDS = re.compile(r"(?:\b(?:said|response|responded|reason): *\n? *|(?:^|[ >:'\[])(?=[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}\b))"
                      r"(([45]\d\d)[ -][^\n]*(?:\n(?:[ \t]+\S|\2[- ])[^\n]*)*)", re.M)


class Case:
    """One reply as its lines, what the source says of it, and where it stands."""

    def __init__(self, lines, verdict, where, rule=None):
        self.lines, self.verdict, self.where, self.rule = lines, verdict, where, rule
        self.code = int(lines[-1][:3])
        found = [m for m in (re.match(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)", line[4:].lstrip()) for line in lines) if m]
        # an enhanced status of another class than the code is none (RFC 2034, section 4)
        same = [m[1] for m in found if m[1][0] == lines[0][0]]
        self.is_liar = bool(found) and not same
        self.status = same[0] if same else f"{lines[0][0]}.0.0"

    def wire(self):
        """As a peer sends it."""
        return "".join(line + "\r\n" for line in self.lines).encode("utf-8", "replace")


def lines_of(text):
    """The lines of a reply that was folded into a field or a paragraph; None: it begins with no refusal."""
    text = " ".join(text.split())
    found = re.match(r"[45]\d\d(?=[ -]|$)", text)
    if not found:
        return None
    code = found[0]
    lines = re.split(rf" (?={code}-)| (?={code} )", text) if text[3:4] == "-" else [text]
    # each but the last goes on; where the end was cut off, the last one is the last
    return [code + ("-" if at < len(lines) - 1 else " ") + line[4:] for at, line in enumerate(lines)]


# ---- bounces ----

def of_report(message, where):
    """Cases of the per-recipient blocks of a delivery status; how many blocks hold no reply of SMTP."""
    cases, without = [], 0
    for part in message.walk():
        if part.get_content_type() not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        for fields in part.get_payload() if part.is_multipart() else []:
            action = FATE_OF_ACTION.get(str(fields["Action"]).strip().lower().split(" ")[0])
            code = str(fields["Diagnostic-Code"] or "")
            if not code or not action:
                continue
            said = re.split(r"\bsaid: ", re.sub(r"^\s*[\w-]+\s*;\s*", "", " ".join(code.split())))[-1]
            lines = lines_of(IN_REPLY_TO.sub("", said))
            without += lines is None
            if lines:
                cases.append(Case(lines, action, where))
    return cases, without


def of_text(message, where):
    """Cases of notices that say it in words only, as qmail, Exim and old Sendmail do: each is a failure."""
    text = "".join(part.get_payload(decode=True).decode("latin-1") for part in message.walk()
                   if part.get_content_type() in ("text/plain", "message/delivery-status") and not part.is_multipart())
    found = IN_WORDS.findall(text.replace("\r\r\n", "\n").replace("\r\n", "\n"))
    return [Case(lines, "failed", where) for text, _ in found if (lines := lines_of(IN_REPLY_TO.sub("", " ".join(text.split()))))]


def bounces(folder):
    """All cases of the folder; blocks of notices without a reply."""
    cases, without = [], 0
    for where, _, names in os.walk(os.path.join(folder, "bounces")):
        for name in sorted(names):
            if where.endswith("not") or name.endswith(".md"):
                continue
            with open(os.path.join(where, name), "rb") as file:
                data = file.read()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of dates and addresses that are none
                message = email.message_from_bytes(data, policy=email.policy.compat32)
            some, none = of_report(message, name)
            without += none
            cases += some or of_text(message, name)
    return cases, without


# ---- rules ----

def sample(pattern):
    """A text that the pattern matches: the first branch, the least repeats, a blank behind digits for any byte, a status of the code's own class."""
    import re._parser as parser  # what the pattern is made of, as the module itself sees it

    def one_of(members, class_of_code):
        members = [(str(kind), value) for kind, value in members]
        if ("LITERAL", ord(class_of_code)) in members:
            return class_of_code
        kind, value = members[0]
        return {"LITERAL": lambda: chr(value), "RANGE": lambda: chr(value[0]), "NEGATE": lambda: "x",
                "CATEGORY": lambda: {"CATEGORY_DIGIT": "5", "CATEGORY_SPACE": " "}.get(str(value), "x")}[kind]()

    def text(tree, before):
        out = before
        for kind, value in tree:
            kind = str(kind)
            if kind == "LITERAL":
                out += chr(value)
            elif kind in ("ANY", "NOT_LITERAL"):
                out += " " if out[-1:].isdigit() else "x"
            elif kind == "IN":
                out += one_of(value, (out or "5")[0])
            elif kind in ("MAX_REPEAT", "MIN_REPEAT"):
                for _ in range(max(value[0], 1 if value[1] > 1 else 0)):
                    out = text(value[2], out)
            elif kind == "SUBPATTERN":
                out = text(value[3], out)
            elif kind == "BRANCH":
                out = text(value[1][0], out)
        return out
    return text(parser.parse(pattern), "")


def zone_mta(folder):
    """The replies above each rule that the rule fits, with its action."""
    path = os.path.join(folder, "provider-replies/zone-mta/config/bounces.txt")
    cases, above = [], []
    with open(path, encoding="utf-8") as file:
        for line in map(str.strip, file):
            said = re.match(r'#\s*"?([45]\d\d(?:[ -].*)?)$', line)
            rule = re.match(r"([^#].*),(defer|reject|slowdown),\w+,", line)
            if said:
                above.append(said[1].rstrip('"'))
            elif rule:
                cases += [Case(lines_of(text), rule[2], text, rule[1]) for text in above if re.search(rule[1], text, re.I)]
                above = []
            elif not line:
                above = []
    return cases


def kumomta(folder):
    """A sample of each rule that names a code."""
    import tomllib
    cases = []
    for name in ("bounce_classifier/iana.toml", "community/bounces.toml"):
        with open(os.path.join(folder, "provider-replies/kumomta", name), "rb") as file:
            rules = tomllib.load(file)["rules"]
        for pattern in (pattern for patterns in rules.values() for pattern in patterns):
            # those of statuses alone end in a blank: a text follows
            text = sample(pattern) + ("x" if pattern.endswith(" ") else "")
            if re.match(r"[45]\d\d[ -]", text):
                assert re.search(pattern, text), (pattern, text)
                cases.append(Case(lines_of(text), FATE_OF_CLASS[text[0]], pattern, pattern))
    return cases


# ---- the next hop ----

def play(instance, cases):
    """Each case is what the host of its own site answers; [(fate, event)] in their order."""
    def answer(verb, argument, _default):
        found = re.search(r"<n(\d+)@", argument) if verb == "RCPT" else None
        return cases[int(found[1])].wire() if found else None

    with smtp.Sink(host="0.0.0.0", answer=answer) as sink:
        instance.outbound.append("retry 1h 1h")
        instance.limit += ["commands 100000"]
        instance.general += [block(f"route d{n}.test", [f"smtp 127.1.{n // SITES_A_NET}.{n % SITES_A_NET + 1}:{sink.port}"])
                             for n in range(len(cases))]
        instance.start()
        with instance.smtp() as client:
            client.ehlo()
            for n in range(len(cases)):
                # nobody is told: a notice of each would say nothing about the replies
                smtp.check(client.message("", [f"n{n}@d{n}.test"], b"Subject: x\r\n\r\nx\r\n"), 250)
        result = {}
        for fate in ("deferred", "failed"):
            for case in [c for c in cases if FATE_OF_CLASS[c.lines[0][0]] == fate]:
                number = cases.index(case)
                result[number] = (fate, instance.wait_event(fate, DONE_S, to=f"n{number}@d{number}.test"))
    return [result[n] for n in range(len(cases))]


def judge(instance, source, cases):
    """Plays them and compares; prints the numbers; AssertionError names each that is otherwise than listed."""
    explained, wrong, numbers = collections.Counter(), [], collections.Counter()
    for case, (fate, event) in zip(cases, play(instance, cases)):
        kept = (int(event["code"]), event["status"])
        numbers["parsed"] += kept[0] != 0
        numbers["code"] += kept[0] == case.code
        numbers["status"] += kept[1] == case.status
        numbers["of the peer"] += case.status[1:] != ".0.0"
        numbers["liars"] += case.is_liar
        numbers["lines"] += len(case.lines) > 1
        if kept != (case.code, case.status):
            wrong.append(f"{case.where}: {case.lines}: read as {kept}, not {(case.code, case.status)}")
        # a rule still finds what it looks for in what the log and the queue keep of the reply
        said = f"{event['code']} " + (f"{event['status']} " if case.status[1:] != ".0.0" else "") + event["reply"]
        if case.rule and not re.search(case.rule, said, re.I):
            wrong.append(f"{case.where}: {case.rule!r} does not find {said!r}")
        verdict = case.verdict
        if fate == {"defer": "deferred", "reject": "failed"}.get(verdict, verdict):
            numbers["agreed"] += 1
        elif (fate, verdict) in DIFFERENCES.get(source, {}):
            explained[fate, verdict] += 1
        else:
            wrong.append(f"{case.where}: {case.lines}: {fate}, not {verdict}")
    print(f"{source}: {len(cases)} replies, {numbers['lines']} of several lines; {numbers['parsed']} parsed, {numbers['code']} codes and "
          f"{numbers['status']} statuses right ({numbers['of the peer']} the peer's own, {numbers['liars']} of another class than its code, "
          f"and so none), {numbers['agreed']} agree with the verdict"
          + "".join(f"\n    {count} {ours} where it says {theirs}: {DIFFERENCES[source][ours, theirs]}"
                    for (ours, theirs), count in explained.items()))
    assert not wrong, "\n".join(wrong)
    unused = set(DIFFERENCES.get(source, {})) - set(explained)
    assert not unused, f"no longer different: {unused}"
    return numbers


def test_replies_in_bounces(culver, data):
    cases, without = bounces(data)
    if not cases:
        pytest.skip("the data folder has no bounces")
    print(f"bounces: {without} blocks hold no reply of SMTP")
    assert judge(culver, "bounces", cases)["lines"] > 0


def test_replies_that_zone_mta_knows(culver, data):
    judge(culver, "zone-mta", zone_mta(data))


def test_replies_that_kumomta_knows(culver, data):
    judge(culver, "kumomta", kumomta(data))
