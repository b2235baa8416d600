"""A client of SCRAM that can bind itself to its TLS, or lie about it (RFC 5802), on an smtp.Client that has said EHLO."""

import base64
import hashlib
import hmac


def b64(data):
    """As AUTH wants it."""
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def log_in(client, login, password, flag="n", binding=b"", mechanism="SCRAM-SHA-256", said=None):
    """The whole exchange; the last reply.  `flag` begins the first message, and `said` (else the same) what stands under the proof."""
    digest = "sha256" if "256" in mechanism else "sha1"
    bare = f"n={login},r=fyko+d2lbbFgONRv9qkxdawL"
    reply = client.command(f"AUTH {mechanism} " + b64(f"{flag},,{bare}"))
    if reply.code != 334:
        return reply
    first = base64.b64decode(reply.text).decode()
    nonce, salt, rounds = (part[2:] for part in first.split(","))
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", digest)
    without = f"c={b64(f'{said or flag},,'.encode() + binding)},r={nonce}"
    message = f"{bare},{first},{without}".encode()
    signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
    reply = client.command(b64(f"{without},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}"))
    if reply.code != 334:
        return reply
    expected = hmac.digest(hmac.digest(salted, b"Server Key", digest), message, digest)
    assert base64.b64decode(reply.text) == b"v=" + b64(expected).encode()
    return client.command("")
