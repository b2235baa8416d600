"""The Python tables of the inner protocols are those of common/protocol/*.c."""

import os
import re

import pytest

import culver as helper
import wire

PROTOCOLS = {
    "intake": [wire.INTAKE_CALLS, wire.INTAKE_ANSWERS], "jobs": [wire.JOBS_CALLS, wire.JOBS_ORDERS],
    "lookup": [wire.LOOKUP_CALLS, wire.LOOKUP_ANSWERS], "resolver": [wire.RESOLVER_CALLS, wire.RESOLVER_ANSWERS],
    "signer": [wire.SIGNER_CALLS, wire.SIGNER_ANSWERS],
    "auth": [wire.AUTH_CALLS, wire.AUTH_ANSWERS],
    "verify": [wire.VERIFY_CALLS, wire.VERIFY_ANSWERS],
    "auth-pam": [wire.AUTH_PAM_CALLS, wire.AUTH_PAM_ANSWERS],
    "control": [wire.CONTROL_CALLS], "trace": [wire.TRACE_CALLS], "runner": [wire.RUNNER_CALLS, wire.RUNNER_ANSWERS],
}


def read(name):
    """A file of common/protocol."""
    with open(os.path.join(helper.CHECKOUT, "common/protocol", name), encoding="utf-8") as file:
        return file.read()


def c_shapes(protocol):
    """{NAME: (type, [(field, kind or [fields of the item])])} as the C file has them."""
    header, source = read(f"{protocol}.h"), re.sub(r"\s+", " ", read(f"{protocol}.c"))
    types = {m[1]: int(m[2]) for m in re.finditer(r"\b([A-Z]+_[A-Z_]+)\s*=\s*(\d+)", header)}

    def fields(text, items):
        found = []
        for m in re.finditer(r"WIRE_FIELD_(U64|SPAN|LIST)\(\w+, (\w+),([^()]*)\)", text):
            kind = {"U64": "number", "SPAN": "span"}.get(m[1]) or items[re.search(r"&(\w+)", m[3])[1]]
            found.append((m[2], kind))
        return found

    items = {}
    for m in re.finditer(r"struct wire_shape (\w+) = WIRE_SHAPE\( ?0,(.*?)\);", source):
        items[m[1]] = fields(m[2], items)
    shapes = {}
    for part in re.split(r"(?=WIRE_SHAPE)", source):
        m = re.match(r"WIRE_SHAPE(?:_EMPTY)?\( ?([A-Z][A-Z_]+),", part)
        if m:
            shapes[m[1]] = (types[m[1]], fields(part, items))
    return shapes


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_tables_are_those_of_the_programs(protocol):
    shapes = c_shapes(protocol)
    for table in PROTOCOLS[protocol]:
        for name, row in table.items():
            assert shapes[name] == row, name
