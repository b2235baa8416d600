#!/usr/bin/python3
"""The house rules that a compiler does not know.

- No program includes another program's header; common/ includes no program.
- A shelf of common/ uses those before it only: text, system, mail, config, accounts, protocol, tls.
- Every #include of our own starts at the root.
- No file is longer than LINES_MAX lines (tables and tests excepted by name below).
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["master", "smtpd", "queue-manager", "delivery", "local", "bounce", "lookup", "resolver", "signer", "auth", "auth-pam", "log", "culver"]
SHELVES = ["text", "system", "mail", "config", "accounts", "protocol", "tls", "verified"]
LINES_MAX = 700
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1)


def check_file(path, wrong):
    place = path.relative_to(ROOT)
    room = place.parts[0]
    for number, name in includes(path):
        target = pathlib.PurePath(name).parts
        if not (ROOT / name).exists():
            wrong.append(f"{place}:{number}: \"{name}\" does not start at the root")
        elif target[0] == "common":
            if room == "common" and SHELVES.index(target[1]) > SHELVES.index(place.parts[1]):
                wrong.append(f"{place}:{number}: the shelf {place.parts[1]} uses the higher shelf {target[1]}")
        elif target[0] != room:
            wrong.append(f"{place}:{number}: {room} includes a header of {target[0]}")
    lines = len(path.read_text().splitlines())
    if lines > LINES_MAX:
        wrong.append(f"{place}: {lines} lines; a file is one subject (at most {LINES_MAX})")


def main():
    wrong, files = [], 0
    for room in PROGRAMS + ["common"]:
        for path in sorted((ROOT / room).rglob("*.[ch]")):
            files += 1
            check_file(path, wrong)
    for room in PROGRAMS:
        for needed in ["main.c"]:
            if not (ROOT / room / needed).exists():
                wrong.append(f"{room}: no {needed}")
    print("\n".join(wrong) if wrong else f"house rules: {files} files keep them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
