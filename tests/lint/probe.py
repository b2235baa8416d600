#!/usr/bin/python3
"""The README's table of what the kernel answers to `culver sandbox --probe`.

    probe.py                 lint: its columns are the programs of master/trust.c, its rows the attempts of common/system/probe.c
    probe.py table < LINES   the table that the output of a probe makes; `probe.py write < LINES` puts it into the README

tests/system/test_sandbox.py compares it with what the kernel answers here.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
HEAD = "| it tries to |"
WORDS = {
    "No such file or directory": "not there",
    "Permission denied": "denied",
    "Function not implemented": "no such call",
    "Operation not permitted": "not permitted",
    "killed by the kernel": "killed",
}
NOT_TRIED = "–"


def programs():
    """In the order of the trust map."""
    return re.findall(r'\.program = "([\w-]+)"', (ROOT / "master/trust.c").read_text())


def attempts():
    """In the order of the probe."""
    text = (ROOT / "common/system/probe.c").read_text()
    return re.findall(r'^\t\{"([^"]+)", \w+\},$', text, re.M)


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(lines):
    """Of what programs have said; each line PROGRAM: ATTEMPT: refused|allowed|died: ANSWER."""
    answers, heard = {}, set()
    for line in lines:
        heard.add(line.split(":")[0])
        found = re.fullmatch(r"([\w-]+): (.+): (refused|allowed|died): (.*)", line.strip())
        if found:
            word = WORDS.get(found[4], found[4]) if found[3] == "refused" else found[3].upper()
            answers[found[1], found[2]] = word
    if set(programs()) - heard:
        raise SystemExit(f"probe: nothing was heard of {sorted(set(programs()) - heard)}")
    made = [row(["it tries to", *(f"`{p}`" for p in programs())]), "|" + "---|" * (len(programs()) + 1)]
    return made + [row([a, *(answers.get((p, a), NOT_TRIED) for p in programs())]) for a in attempts()]


def shown(text):
    """The lines of the table in the README: first and behind the last, and they."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(HEAD))
    last = first
    while lines[last].startswith("|"):
        last += 1
    return first, last, lines[first:last]


def lint():
    _, _, lines = shown(README.read_text())
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    wrong = []
    # what the cells say needs a root install: the system tests look
    if [cell.strip("`") for cell in cells[0][1:]] != programs():
        wrong.append(f"README.md: the probe's table has the columns {cells[0][1:]}; the trust map has {programs()}")
    if [line[0] for line in cells[2:]] != attempts():
        wrong.append(f"README.md: the probe's table has the rows {[line[0] for line in cells[2:]]}; the probe tries {attempts()}")
    print("\n".join(wrong) if wrong else f"probe: {len(programs())} programs and {len(attempts())} attempts are in the README")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["table"]:
        print("\n".join(table(sys.stdin)))
        return 0
    if sys.argv[1:] == ["write"]:
        text = README.read_text()
        first, last, _ = shown(text)
        lines = text.splitlines()
        README.write_text("\n".join(lines[:first] + table(sys.stdin) + lines[last:]) + "\n")
        return 0
    return lint()


if __name__ == "__main__":
    sys.exit(main())
