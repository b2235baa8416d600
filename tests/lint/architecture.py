#!/usr/bin/python3
"""docs/architecture.md tells the truth.

- Every `file.c:function` that it names exists.
- Its graph of who waits for whom has no circle, and names every row of the trust map: each socket that
  a program reaches stands there once, with the program that serves it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/architecture.md"
EDGE = re.compile(r"^(waits|asks|tells): +([a-z-]+) +-> +([a-z-]+) +\(([a-z]+)\)", re.M)
NAMED = re.compile(r"`([a-z-]+(?:/[a-z0-9-]+)+\.[ch]):([a-z_0-9]+)`")


def trust_map():
    """{program: (serves, reaches)} from the table in master/trust.c"""
    text = (ROOT / "master/trust.c").read_text()
    text = text[text.index("trust_map["):text.index("trust_sockets[")]
    rows = {}
    for row in re.split(r"\.program = ", text)[1:]:
        name = re.match(r'"([^"]+)"', row).group(1)
        lists = {}
        for key in ("serves", "reaches"):
            found = re.search(r"\." + key + r" = \{([^}]*)\}", row)
            lists[key] = re.findall(r'"([^"]+)"', found.group(1)) if found else []
        rows[name] = (lists["serves"], lists["reaches"])
    return rows


def circle(edges):
    """a circle of the graph, or None"""
    state = {}

    def visit(node, path):
        if state.get(node) == "done":
            return None
        if node in path:
            return path[path.index(node):] + [node]
        for a, b in edges:
            if a == node:
                found = visit(b, path + [node])
                if found:
                    return found
        state[node] = "done"
        return None

    for a, _ in edges:
        found = visit(a, [])
        if found:
            return found
    return None


def main():
    page, wrong = PAGE.read_text(), []
    rows = trust_map()
    server = {s: program for program, (serves, _) in rows.items() for s in serves}
    edges = EDGE.findall(page)
    told = {(a, socket): b for _, a, b, socket in edges}
    for program, (_, reaches) in rows.items():
        for socket in reaches:
            if told.get((program, socket)) != server[socket]:
                wrong.append(f"the page does not say what {program} does with {socket} of {server[socket]}")
    for (a, socket), b in told.items():
        if a in rows and socket not in rows[a][1]:
            wrong.append(f"the page lets {a} reach {socket} of {b}; the trust map does not")
    found = circle([(a, b) for kind, a, b, _ in edges if kind != "tells"])
    if found:
        wrong.append("a circle of waits: " + " -> ".join(found))
    names = NAMED.findall(page)
    for file, function in names:
        path = ROOT / file
        if not path.exists():
            wrong.append(f"the page names {file}, which is not there")
        elif not re.search(r"\b" + re.escape(function) + r"\b *\(", path.read_text()):
            wrong.append(f"the page names {file}:{function}, which is not there")
    if len(names) < 20 or len(edges) < 10:
        wrong.append(f"only {len(names)} functions and {len(edges)} edges were found in the page")
    print("\n".join(wrong) if wrong else f"architecture: {len(names)} functions and {len(edges)} edges are as told")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
