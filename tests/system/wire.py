"""The inner protocols in Python: the same tables as common/protocol/*.c, for test clients that may misbehave.

encode(NAME, fields...) makes a datagram, decode(datagram, table) reads one.  test_wire.py compares the tables with the
C ones, so that a change there is noticed here.
"""

import ctypes
import socket
import struct

HEADER = struct.Struct("<HHII")
MORE = 1
DATAGRAM_MAX = 65536

# name: (type, [(field, kind)]); a list's kind is the table of its items
N, S = "number", "span"

INTAKE_CALLS = {
    "INTAKE_OPEN": (1, [("size", N)]),
    "INTAKE_ENVELOPE": (2, [("origin", N), ("client", S), ("helo", S), ("protocol", S), ("tls", S), ("sender", S),
                            ("eight_bit", N), ("utf8", N), ("tls_demand", N), ("ret", N), ("envid", S), ("uid", N), ("login", S), ("once", S), ("length", N),
                            ("checksum", N), ("top", S)]),
    "INTAKE_RECIPIENTS": (3, [("recipients", [("address", S), ("notify", N), ("orcpt", S)])]),
    "INTAKE_COMMIT": (4, [("count", N), ("early", N)]),
    "INTAKE_KEEP": (5, [("sync_us", N)]),
    "INTAKE_ABANDON": (6, []),
    "INTAKE_RETRY": (7, [("domain", S), ("below", N)]),
    "INTAKE_ANSWERED": (8, []),
}
INTAKE_ANSWERS = {
    "INTAKE_FILE": (101, [("id", N)]),
    "INTAKE_REFUSED": (102, [("code", N), ("status", S), ("text", S)]),
    "INTAKE_QUEUED": (103, [("wait_ms", N)]),
    "INTAKE_RETRYING": (104, [("outcome", N)]),
    "INTAKE_FINISHED": (105, [("finish", N), ("code", N), ("status", S), ("text", S)]),
    "INTAKE_TAKEN": (106, []),
}

RECIPIENT = [("number", N), ("address", S), ("original", S), ("notify", N), ("orcpt", S), ("direct", N), ("line", N)]
FAILURE = [("number", N), ("address", S), ("original", S), ("status", S), ("reply", S), ("code", N), ("host", S),
           ("at_us", N), ("action", N), ("orcpt", S), ("until_us", N)]
JOBS_CALLS = {
    "JOBS_PARENT": (1, [("kind", N)]),
    "JOBS_CANNOT": (2, [("fate", N), ("status", S), ("text", S)]),
    "JOBS_AGENT": (3, [("want", N)]),
    "JOBS_RESULT": (4, [("number", N), ("fate", N), ("code", N), ("status", S), ("text", S), ("host", S), ("last", N),
                        ("relayed", N), ("meaning", N), ("pause_ms", N), ("tls", S)]),
    "JOBS_LEAVE": (5, []),
    "JOBS_EXPANDED": (8, [("number", N), ("last", N), ("children", [("address", S), ("direct", N), ("line", N)])]),
    "JOBS_SITE": (6, [("name", S)]),
    "JOBS_HOST": (7, [("host", S)]),
}
JOBS_ORDERS = {
    "JOBS_WANT": (101, [("kind", N), ("hosts", S), ("user", S), ("domain", S), ("home", S), ("quota", N), ("delivery", S)]),
    "JOBS_JOB": (102, [("id", N), ("content_at", N), ("content_length", N), ("arrived_us", N), ("eight_bit", N),
                       ("utf8", N), ("tls_demand", N), ("ret", N), ("envid", S), ("sender", S), ("top", S), ("recipients", N),
                       ("avoid", S)]),
    "JOBS_RECIPIENTS": (103, [("recipients", RECIPIENT)]),
    "JOBS_FAILURES": (104, [("failures", FAILURE)]),
}

QUESTION = [("number", N), ("address", S), ("direct", N), ("line", N)]
LOOKUP_CALLS = {
    "LOOKUP_RECIPIENTS": (1, [("questions", QUESTION)]),
    "LOOKUP_ROUTES": (2, [("questions", QUESTION)]),
    "LOOKUP_SENDER": (5, [("address", S), ("login", S)]),
}
LOOKUP_ANSWERS = {
    "LOOKUP_VERDICTS": (101, [("verdicts", [("number", N), ("class", N), ("code", N), ("status", S), ("text", S), ("ask", S), ("block", S)])]),
    "LOOKUP_LEAVES": (102, [("leaves", [
        ("number", N), ("leaves", N), ("kind", N), ("address", S), ("direct", N), ("line", N), ("owner", S), ("user", S),
        ("domain", S),
        ("hosts", S), ("code", N), ("status", S), ("text", S), ("home", S), ("quota", N), ("delivery", S)])]),
}

AUTH_CALLS = {
    "AUTH_START": (1, [("mechanism", N), ("has_response", N), ("response", S), ("client", S), ("session", S), ("server", S), ("tls", S),
                       ("certificate", S), ("exporter", S), ("unique", S), ("end_point", S)]),
    "AUTH_CONTINUE": (2, [("response", S)]),
    "AUTH_CANCEL": (3, []),
    "AUTH_LIST": (4, []),
}
AUTH_ANSWERS = {
    "AUTH_CHALLENGE": (101, [("data", S)]),
    "AUTH_SUCCESS": (102, [("login", S)]),
    "AUTH_FAILURE": (103, [("reason", N)]),
    "AUTH_TROUBLE": (104, [("guesses", N)]),
    "AUTH_OFFERS": (105, [("mechanisms", N)]),
}

VERIFY_CALLS = {"VERIFY_ASK": (1, [("address", S), ("block", S)])}
VERIFY_ANSWERS = {
    "VERIFY_ANSWER": (101, [("outcome", N), ("code", N), ("status", S), ("reply", S), ("host", S), ("asked_ms", N), ("is_kept", N)]),
}
AUTH_PAM_CALLS = {"AUTH_PAM_ASK": (1, [("login", S), ("password", S), ("client", S)])}
AUTH_PAM_ANSWERS = {"AUTH_PAM_ANSWER": (101, [("verdict", N), ("reason", S)])}

RESOLVER_CALLS = {"RESOLVER_ASK": (1, [("rr", N), ("name", S)])}
RESOLVER_ANSWERS = {
    "RESOLVER_ANSWER": (101, [("outcome", N), ("security", N), ("ttl", N), ("canonical", S), ("text", S),
                              ("records", [("preference", N), ("name", S), ("data", S)])]),
}

SIGNER_CALLS = {"SIGNER_READY": (1, [("key", N)]), "SIGNER_SIGN": (2, [("key", N), ("scheme", N), ("text", S)])}
SIGNER_ANSWERS = {
    "SIGNER_HAS": (101, [("key", N)]),
    "SIGNER_SIGNED": (102, [("signature", S)]),
    "SIGNER_REFUSED": (103, [("reason", N)]),
}
RUNNER_CALLS = {
    "RUNNER_BIND": (1, [("user", S), ("what", N), ("domain", S), ("delivery", S), ("virtual", S), ("home", S)]),
    "RUNNER_RUN": (2, [("command", S), ("sender", S), ("recipient", S), ("original", S), ("ext", S), ("id", N), ("size", N)]),
}
RUNNER_ANSWERS = {"RUNNER_RESULT": (101, [("how", N), ("value", N), ("output", S)])}

CONTROL_CALLS = {
    "CONTROL_LIST": (1, [("selector", [("word", S)]), ("recipients", N)]),
    "CONTROL_SHOW": (2, [("id", N)]),
    "CONTROL_ACT": (3, [("verb", N), ("selector", [("word", S)]), ("dry", N), ("address", S)]),
    "CONTROL_STATUS": (4, []),
    "CONTROL_SITES": (5, [("selector", [("word", S)])]),
}
TRACE_CALLS = {"TRACE_ASK": (1, [("what", S)])}

# which table speaks to which socket
CALLS = {"intake": INTAKE_CALLS, "jobs": JOBS_CALLS, "lookup": LOOKUP_CALLS, "resolver": RESOLVER_CALLS, "signer": SIGNER_CALLS, "auth": AUTH_CALLS, "pam": AUTH_PAM_CALLS, "verify": VERIFY_CALLS,
         "control": CONTROL_CALLS,
         "trace": TRACE_CALLS, "runner": RUNNER_CALLS}
TABLES = {**INTAKE_CALLS, **INTAKE_ANSWERS, **JOBS_CALLS, **JOBS_ORDERS, **LOOKUP_CALLS, **LOOKUP_ANSWERS,
          **RESOLVER_CALLS, **RESOLVER_ANSWERS, **SIGNER_CALLS, **SIGNER_ANSWERS, **AUTH_CALLS, **AUTH_ANSWERS, **AUTH_PAM_CALLS, **AUTH_PAM_ANSWERS, **VERIFY_CALLS, **VERIFY_ANSWERS,
          **RUNNER_CALLS, **RUNNER_ANSWERS, **CONTROL_CALLS, **TRACE_CALLS}


def _put(fields, values):
    out = bytearray()
    for name, kind in fields:
        value = values.get(name, [] if isinstance(kind, list) else 0 if kind == N else b"")
        if kind == N:
            power = 3 if value >> 32 else 2 if value >> 16 else 1 if value >> 8 else 0
            out.append(1 | power << 4)
            out += value.to_bytes(1 << power, "little")
        elif kind == S:
            raw = value.encode() if isinstance(value, str) else value
            out += b"\x02" + struct.pack("<I", len(raw)) + raw
        else:
            items = b"".join(_put(kind, item) for item in value)
            out += b"\x03" + struct.pack("<II", len(value), len(items)) + items
    return bytes(out)


def encode(message, request=0, flags=0, **values):
    """A whole datagram of the message of that name; what is not given is 0 or empty."""
    number, fields = TABLES[message]
    body = _put(fields, values)
    return HEADER.pack(number, flags, len(body), request) + body


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError("a field goes past the end")
        self.at += size
        return self.data[self.at - size:self.at]

    def fields(self, table):
        result = {}
        for name, kind in table:
            mark = self.take(1)[0]
            if kind == N:
                if mark & 15 != 1:
                    raise ValueError(f"{name} is no number")
                result[name] = int.from_bytes(self.take(1 << (mark >> 4)), "little")
            elif kind == S:
                if mark != 2:
                    raise ValueError(f"{name} is no span")
                result[name] = self.take(*struct.unpack("<I", self.take(4)))
            else:
                if mark != 3:
                    raise ValueError(f"{name} is no list")
                count, size = struct.unpack("<II", self.take(8))
                items = _Reader(self.take(size))
                result[name] = [items.fields(kind) for _ in range(count)]
        return result


def decode(datagram, table):
    """(name, request, flags, fields) of a datagram that is one of the table's; ValueError if it is none."""
    number, flags, length, request = HEADER.unpack_from(datagram)
    if length != len(datagram) - HEADER.size:
        raise ValueError("its length is wrong")
    for name, (wanted, fields) in table.items():
        if wanted == number:
            reader = _Reader(datagram[HEADER.size:])
            values = reader.fields(fields)
            if reader.at != len(reader.data):
                raise ValueError("something is left over")
            return name, request, flags, values
    raise ValueError(f"type {number} is none of these")


_xxhash = None


def checksum(data):
    """XXH3, 64 bits, of bytes (libxxhash, which apt itself needs)."""
    global _xxhash
    if _xxhash is None:
        _xxhash = ctypes.CDLL("libxxhash.so.0")
        _xxhash.XXH3_64bits.restype = ctypes.c_uint64
        _xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        _xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
        _xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return _xxhash.XXH3_64bits(data, len(data))


class Peer:
    """One end of an inner connection (SOCK_SEQPACKET) with the answers' table."""

    def __init__(self, connected, answers):
        self.socket, self.answers, self.request, self.left = connected, answers, 0, b""

    def send(self, message, fds=(), flags=0, request=None, **values):
        """One message, perhaps with descriptors."""
        if request is None:
            self.request += 1
            request = self.request
        socket.send_fds(self.socket, [encode(message, request, flags, **values)], list(fds))

    def send_raw(self, data, fds=()):
        """Any bytes as one datagram."""
        socket.send_fds(self.socket, [data], list(fds))

    def receive(self):
        """(name, fields, descriptors); (None, {}, []) when the other end has closed."""
        name, _, values, fds = self.receive_request()
        return name, values, fds

    def receive_request(self):
        """(name, request number, fields, descriptors) of one message; a datagram may hold several."""
        data, fds = self.left, []
        if not data:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, DATAGRAM_MAX, 4)
            except ConnectionError:
                pass
        if not data:
            return None, 0, {}, []
        length = 12 + int.from_bytes(data[4:8], "little")
        data, self.left = data[:length], data[length:]
        name, request, _, values = decode(data, self.answers)
        return name, request, values, fds

    def ended(self):
        """True when the other end closes without another datagram (within the socket's timeout)."""
        try:
            return self.socket.recv(DATAGRAM_MAX) == b""
        except ConnectionError:
            return True

    def close(self):
        """Our end goes."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
