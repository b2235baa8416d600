"""A web server of the test's own, at port 443 of a loopback address of its own: it says what a test wants it to say, also nonsense."""

import random
import socket
import ssl
import threading

import certificates

PORT = 443


def answer(body, status="200 OK", kind="text/plain", extra=""):
    """A whole answer."""
    body = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{extra}"
    return head.encode() + (f"Content-Type: {kind}\r\n".encode() if kind else b"") + b"\r\n" + body


class Unavailable(Exception):
    """Nobody may bind port 443 here."""


class Server:
    """.pages: {host: bytes, or a function of the connection}; .pairs: {host: (certificate, key)}; .asked: hosts, in their order."""

    def __init__(self, pairs, pages=None):
        self.pairs, self.pages, self.asked = pairs, dict(pages or {}), []
        self.contexts = {host: certificates.server_context(pair) for host, pair in pairs.items()}
        self.changed = threading.Condition()
        self.connections = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.address = f"127.{random.randint(64, 127)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        try:
            self.listener.bind((self.address, PORT))
        except PermissionError as reason:
            raise Unavailable(str(reason)) from reason
        self.listener.listen(64)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _choose(self, connection, name, _context):
        if name in self.contexts:
            connection.context = self.contexts[name]

    def _serve(self, raw):
        first = next(iter(self.pairs.values()))
        context = certificates.server_context(first)
        context.sni_callback = self._choose
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                self.connections.append(connection)
                request = b""
                while b"\r\n\r\n" not in request:
                    part = connection.recv(65536)
                    if not part:
                        return
                    request += part
                host = next((line.split(b":", 1)[1].strip().decode() for line in request.split(b"\r\n")
                             if line.lower().startswith(b"host:")), "")
                with self.changed:
                    self.asked.append((host, request.split(b"\r\n")[0].decode()))
                    self.changed.notify_all()
                page = self.pages.get(host, answer("", "404 Not Found"))
                if callable(page):
                    page(connection)
                else:
                    connection.sendall(page)
        except (OSError, ssl.SSLError, ValueError):
            pass

    def await_asked(self, count, seconds=60):
        """Until so many requests have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, seconds), self.asked

    def close(self):
        """And everything that hangs on it."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.close()
            except OSError:
                pass
