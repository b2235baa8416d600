#!/usr/bin/python3
"""culver(8) and the table of verbs in culver/main.c say the same.

- Every verb of the table stands in the SYNOPSIS and in the list of the page, and the other way round.
- Every option that the table's usages or main.c's parser name stands in both, for the verbs that have it.
- Every exit status that the code has (options.h, fatal.h) stands in the page.
- A page of ours that a page of ours refers to exists.
- Every program has its page, and so have the second instance of smtpd and each classic name.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "man/culver.8"
OURS = re.compile(r"\.Xr (culver[a-z.-]*|master|smtpd|queue-manager|delivery|local|runner|bounce|lookup|log|spool|submit|resolver|fetch|signer|auth|auth-pam|verify|sendmail|mailq|newaliases) ([158])")


def table():
    """{verb: options of its usage}"""
    text = (ROOT / "culver/main.c").read_text()
    text = text[text.index("verbs[] = {"):]
    text = text[:text.index("\n};")]
    rows = {}
    for row in re.split(r"\n\t\{", text)[1:]:
        strings = re.findall(r'"((?:[^"\\]|\\.)*)"', row)
        rows[strings[0]] = set(re.findall(r"--[a-z-]+", " ".join(strings[1:])))
    return rows


def parsed_options():
    text = (ROOT / "culver/main.c").read_text()
    return set(re.findall(r'strcmp\(word, "(--[a-z-]+|-h)"\)', text))


def section(page, name):
    found = re.search(rf"^\.S[hs] {name}\n(.*?)(?=^\.S[hs] |\Z)", page, re.M | re.S)
    return found.group(1) if found else ""


def synopsis(page):
    """{verb: options}"""
    rows = {}
    for part in section(page, "SYNOPSIS").split(".Nm\n")[1:]:
        verb = re.match(r"\.Cm ([a-z]+)", part)
        if verb:
            rows[verb.group(1)] = {"--" + o for o in re.findall(r"Fl -([a-z-]+)", part)}
    return rows


def statuses():
    text = (ROOT / "common/system/fatal.h").read_text() + (ROOT / "culver/options.h").read_text()
    return set(re.findall(r"\b(?:EXIT|OPTIONS)_[A-Z_]+(?: =|\t| ) *(6[4-9]|7[0-8])\b", text))


def check_page(wrong):
    page, rows = PAGE.read_text(), table()
    shown = synopsis(page)
    listed = set(re.findall(r"^\.It Cm ([a-z]+)$", section(page, "DESCRIPTION"), re.M))
    for name, there in (("SYNOPSIS", set(shown)), ("list of verbs", listed)):
        for verb in sorted(set(rows) - there):
            wrong.append(f"man/culver.8: `{verb}` is not in the {name}")
        for verb in sorted(there - set(rows)):
            wrong.append(f"man/culver.8: `{verb}` is in the {name}, but there is no such verb")
    for verb in sorted(set(rows) & set(shown)):
        if rows[verb] != shown[verb]:
            wrong.append(f"man/culver.8: `{verb}` has {sorted(rows[verb])}, its SYNOPSIS {sorted(shown[verb])}")
    described = re.findall(r"^\.It ((?:Fl.*))$", section(page, "Options"), re.M)
    described = {"-" + o for line in described for o in re.findall(r"Fl (-?[a-z-]+)", line)} - {"-c"}
    if described != parsed_options():
        wrong.append(f"man/culver.8: options {sorted(described ^ parsed_options())} stand on one side only")
    told = set(re.findall(r"^\.It (\d+)$", section(page, "EXIT STATUS"), re.M))
    for status in sorted(statuses() - told):
        wrong.append(f"man/culver.8: exit status {status} is not in EXIT STATUS")
    return len(rows), len(described), len(told)


def main():
    wrong = []
    verbs, options, told = check_page(wrong)
    if verbs < 5 or options < 5 or len(statuses()) < 5:
        wrong.append("the table of verbs, the options or the statuses were not found")
    for path in sorted((ROOT / "man").glob("*.[158]")):
        for name, number in OURS.findall(path.read_text()):
            if not (ROOT / f"man/{name}.{number}").exists():
                wrong.append(f"man/{path.name}: refers to {name}({number}), which is not there")
    programs = re.search(r"^PROGRAMS *= *(.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
    names = re.findall(r'\{"([a-z]+)", \w+\}', (ROOT / "culver/names.c").read_text())
    if len(programs) < 9 or len(names) < 3:
        wrong.append("the programs or the classic names were not found")
    for name in programs + ["submit"] + names:
        if not list((ROOT / "man").glob(f"{name}.[18]")):
            wrong.append(f"man/{name}.8: there is no page of {name}")
    print("\n".join(wrong) if wrong else f"culver(8): {verbs} verbs, {options} options and {told} exit statuses are as in the code")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
