#!/usr/bin/env python3
"""Every event that the code tells stands in docs/events/, and every one that stands there is told; no event says a key twice."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = "master smtpd queue-manager delivery local bounce lookup resolver fetch signer auth auth-pam log culver".split()
CALL = re.compile(r'\b(?:EVENT|event_emit)\(\s*"([a-z][a-z0-9-]*)"')
# the two lines that common/system/events.c writes itself; hello is no event, log takes it for itself
RAW = re.compile(r'PRId64 " (events-lost) ')
KEY = re.compile(r'\bevent_(?:text|string|number)\(\s*"([a-z0-9_]+)"|\bevent_(id)\(')
ROW = re.compile(r"^\|\s*`?([a-z][a-z0-9-]*)`?\s*\|([^|]*)\|", re.M)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def call_text(text, start):
    """from the opening bracket to the one that closes it"""
    depth, quoted, at = 0, False, start
    while at < len(text):
        c = text[at]
        if quoted:
            if c == "\\":
                at += 1
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
            if depth == 0:
                return text[start : at + 1]
        at += 1
    return text[start:]


def told(folder):
    """name -> set of keys, with the mistakes in the calls"""
    events, wrong = {}, []
    for path in sorted(folder.rglob("*.c")):
        text = without_comments(path.read_text())
        for m in CALL.finditer(text):
            call = call_text(text, text.index("(", m.start()))
            keys = [a or b for a, b in KEY.findall(call)]
            line = text.count("\n", 0, m.start()) + 1
            for key in {k for k in keys if keys.count(k) > 1}:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {m.group(1)} says the key {key} twice")
            events.setdefault(m.group(1), set()).update(keys)
        for m in RAW.finditer(text):
            events.setdefault(m.group(1), set())
    return events, wrong


def described(name):
    """event -> set of keys, of docs/events/NAME.md"""
    path = ROOT / "docs/events" / f"{name}.md"
    if not path.exists():
        return {}
    rows = {}
    for m in ROW.finditer(path.read_text()):
        if m.group(1) not in ("event", "key"):
            rows[m.group(1)] = set(re.findall(r"[a-z][a-z0-9_]*", m.group(2)))
    return rows


def main():
    wrong = []
    common, mistakes = told(ROOT / "common")
    wrong += mistakes
    pages = {"common": (common, described("common"))}
    for program in PROGRAMS:
        events, mistakes = told(ROOT / program)
        wrong += mistakes
        pages[program] = (events, described(program))
    shared = pages["common"][1]
    # what shared code tells may stand on the pages of those who use it
    anywhere = set().union(*(rows.keys() for _, rows in pages.values()))
    for name, (events, rows) in pages.items():
        page = f"docs/events/{name}.md"
        known = anywhere if name == "common" else rows.keys() | shared.keys()
        for event in sorted(events.keys() - known):
            wrong.append(f"{page}: {event} is told by {name}/ but does not stand here")
        for event in sorted(rows.keys() - events.keys() - common.keys()):
            wrong.append(f"{page}: {event} stands here but {name}/ never tells it")
        for event in sorted(events.keys() & rows.keys()):
            missing = events[event] - rows[event]
            if missing:
                wrong.append(f"{page}: {event}: keys that do not stand here: {' '.join(sorted(missing))}")
    every = set().union(*(events.keys() for events, _ in pages.values()))
    story = (ROOT / "culver/story.c").read_text()
    for event in re.findall(r'^\t\{"([a-z-]+)",', story, re.M):
        if event not in every:
            wrong.append(f"culver/story.c: nobody tells {event}")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
