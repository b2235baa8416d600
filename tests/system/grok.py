"""Grok patterns, as logstash and crowdsec write them, expanded to what `re` understands."""

import re

# those that every grok library brings; by their descriptions, only as strict as lines of a log of mail need
BASE = {
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "WORD": r"\b\w+\b",
    "INT": r"[+-]?\d+",
    "NUMBER": r"[+-]?\d+(?:\.\d+)?",
    "PATH": r"(?:/[^/\s]*)+",
    "HOSTNAME": r"\b(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})(?:\.(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}))*\.?(?=\W|$)",
    "IP": r"(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]*)",
    "SYSLOGTIMESTAMP": r"[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d",
}
_GROUP = re.compile(r"%\{(\w+)(?::([^}]*))?\}|\(\?<([A-Za-z_][\w-]*)>")  # %{PATTERN:name}, %{PATTERN}, (?<name>


def read(path):
    """The patterns of a file: name -> pattern."""
    patterns = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, pattern = line.rstrip("\n").partition(" ")
            if name and not name.startswith("#"):
                patterns[name] = pattern
    return patterns


class Grok:
    """A pattern that tells the fields it finds; a field found twice has its last value."""

    def __init__(self, pattern, patterns):
        self.patterns = {**BASE, **patterns}
        self.names = []
        # the flag in the midst of a pattern is of the Go and Ruby dialects: here it is the whole pattern's
        flags = re.MULTILINE | (re.IGNORECASE if "(?i)" in pattern else 0)
        self.compiled = re.compile(self._expand(pattern.replace("(?i)", "")), flags)

    def _group(self, name):
        self.names.append(name)
        return f"(?P<g{len(self.names) - 1}>"

    def _expand(self, pattern):
        at, parts = 0, []
        for found in _GROUP.finditer(pattern):
            parts.append(pattern[at:found.start()])
            if found[3]:
                parts.append(self._group(found[3]))
            else:
                begin = self._group(found[2]) if found[2] else "(?:"
                parts.append(begin + self._expand(self.patterns[found[1]]) + ")")
            at = found.end()
        return "".join(parts) + pattern[at:]

    def fields(self, text):
        """What it finds; None: it does not match."""
        found = self.compiled.search(text)
        if not found:
            return None
        return {name: found[f"g{n}"] for n, name in enumerate(self.names) if found[f"g{n}"] is not None}
