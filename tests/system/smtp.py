"""SMTP from both sides, byte for byte: a client that shows each reply, and a next hop that keeps what it got.

The real programs of Postfix and swaks (peers.py) talk to Culver too; these here see every byte and can
misbehave on purpose.
"""

import re
import socket
import ssl
import threading

REPLY_S = 60


class Reply:
    """A reply: .code, .status (X.Y.Z or ""), .text (lines joined by blanks), .lines."""

    def __init__(self, lines):
        self.lines = [line.decode("latin-1") for line in lines]
        self.code = int(self.lines[0][:3])
        texts = [line[4:] for line in self.lines]
        match = re.match(r"([245]\.\d{1,3}\.\d{1,3}) ?", texts[0])
        self.status = match[1] if match else ""
        self.text = " ".join(texts)

    def __repr__(self):
        return " / ".join(self.lines)


class Closed(Exception):
    """The server ended the connection where a reply was due."""


class Client:
    """One connection, to a port, to the path of a socket, or one that is made already.

    Every method that waits gives up after `timeout` seconds (socket.timeout).
    """

    def __init__(self, to, timeout=REPLY_S, greet=True, source=None, receive_buffer=None):
        self.socket = to if isinstance(to, socket.socket) else socket.socket(
            socket.AF_UNIX if isinstance(to, str) else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        if not isinstance(to, socket.socket):
            self.socket.connect(to if isinstance(to, str) else ("127.0.0.1", to))
        if self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.banner = self.reply() if greet else None

    def close(self):
        """Without QUIT."""
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Bytes as they are."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """The next whole reply."""
        lines = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                raise Closed(f"after {lines} {line!r}")
            assert line.endswith(b"\r\n") and re.match(rb"\d{3}[ -]", line), f"not a reply: {line!r}"
            lines.append(line[:-2])
            if line[3:4] == b" ":
                return Reply(lines)

    def command(self, line, expect=None):
        """One command and its reply, which must begin with one of the codes `expect` (2 means 2xx)."""
        self.send(line + "\r\n" if isinstance(line, str) else line + b"\r\n")
        answer = self.reply()
        check(answer, expect, line)
        return answer

    def ehlo(self, name="client.test"):
        """EHLO; returns the announced keywords with their parameters."""
        answer = self.command(f"EHLO {name}", 250)
        return {line[4:].split(" ")[0].upper(): line[4:].partition(" ")[2] for line in answer.lines[1:]}

    def ended(self):
        """True when the server closes without another byte."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True

    def message(self, sender, recipients, content, parameters="", pipeline=True):
        """A whole transaction; `content` has CRLF line ends and is dot-stuffed here.  The last reply."""
        commands = [f"MAIL FROM:<{sender}>{parameters and ' ' + parameters}"]
        commands += [f"RCPT TO:<{r}>" for r in recipients]
        if not pipeline:
            for line in commands:
                self.command(line, 2)
            self.command("DATA", 354)
        else:
            # never more under way than both sides can buffer
            for at in range(0, len(commands), 200):
                part = commands[at:at + 200]
                last = at + 200 >= len(commands)
                self.send("".join(line + "\r\n" for line in part + (["DATA"] if last else [])))
                for line in part:
                    check(self.reply(), 2, line)
                if last:
                    check(self.reply(), 354, "DATA")
        self.send(stuff(content) + b".\r\n")
        return self.reply()


class Unexpected(AssertionError):
    """Another reply than the test wanted: .reply."""

    def __init__(self, reply, text):
        super().__init__(text)
        self.reply = reply


def check(answer, expect, what=""):
    """The code begins with `expect` (a number or several)."""
    if expect is None:
        return
    wanted = expect if isinstance(expect, (tuple, list, set)) else (expect,)
    if not any(str(answer.code).startswith(str(w)) for w in wanted):
        raise Unexpected(answer, f"{what!r}: wanted {expect}, got {answer}")


def stuff(content):
    """Dots doubled where a line begins with one (RFC 5321, section 4.5.2); the content ends in CRLF."""
    assert content == b"" or content.endswith(b"\r\n")
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")


class Taken:
    """A message that the sink answered with 250: .sender, .recipients, .content (CRLF, dots unstuffed)."""

    def __init__(self, helo, sender, recipients, content, raw, connection):
        self.helo, self.sender, self.recipients = helo, sender, recipients
        self.content, self.raw, self.connection = content, raw, connection


class Sink:
    """A next hop in Python: keeps each message byte for byte; replies may be chosen.

    `answer(verb, argument, default)` may return another reply (bytes with CRLF), "close", or None for the usual one;
    verb is CONNECT, EHLO, HELO, MAIL, RCPT, DATA, "." and so on.  With `tls` (an ssl.SSLContext) it has STARTTLS, or begins with
    the handshake (`implicit`); `handshakes` are those that were done: version, cipher, whether the session was an old one.
    """

    def __init__(self, port=None, answer=None, host="127.0.0.1", extensions=("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES"), tls=None, implicit=False):
        self.tls, self.implicit, self.handshakes = tls, implicit, []
        self.host, self.port, self.answer, self.extensions = host, port, answer, extensions
        self.messages, self.commands, self.connections = [], [], 0
        self._lock = threading.Lock()
        self._open, self._secure = set(), {}
        self._listener = None

    def start(self):
        """Listens from now on."""
        self._listener = socket.create_server((self.host, self.port or 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        """Nobody listens any more, and every connection is cut."""
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._session(connection, number)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
                secure = self._secure.pop(connection, None)
                self._open.discard(secure)
            for one in (connection, secure):
                if one:
                    one.close()

    def _say(self, connection, verb, argument, default):
        chosen = self.answer(verb, argument, default) if self.answer else None
        if chosen == "close":
            raise ConnectionAbortedError
        connection.sendall(chosen or default)
        return (chosen or default)[:1] in b"23"

    def _take(self, connection, verb, argument, taken):
        """Counted before the reply is sent: whoever saw our 250 finds the message here."""
        reply = self.answer(verb, argument, b"") if self.answer else None
        if reply == "close":
            raise ConnectionAbortedError
        reply = reply or b"250 2.0.0 taken\r\n"
        if reply.startswith(b"2"):
            with self._lock:
                self.messages.append(taken)
        connection.sendall(reply)

    def _shake(self, connection):
        secure = self.tls.wrap_socket(connection, server_side=True)
        with self._lock:
            self._open.add(secure)
            self._secure[connection] = secure
            self.handshakes.append((secure.version(), secure.cipher()[0], secure.session_reused))
        return secure

    def _session(self, connection, number):
        if self.implicit:
            connection = self._shake(connection)
        file = connection.makefile("rb", buffering=1 << 16)
        helo, sender, recipients, chunks = "", None, [], b""
        if not self._say(connection, "CONNECT", "", b"220 sink.test ESMTP\r\n"):
            return
        while True:
            line = file.readline()
            if not line:
                return
            text = line.decode("latin-1").rstrip("\r\n")
            verb, _, argument = text.partition(" ")
            verb = verb.upper()
            with self._lock:
                self.commands.append((number, text))
            if verb == "EHLO":
                helo = argument
                words = ["sink.test", *self.extensions]
                if self.tls and not isinstance(connection, ssl.SSLSocket):
                    words.append("STARTTLS")
                self._say(connection, verb, argument, "".join(
                    f"250{' ' if at == len(words) - 1 else '-'}{word}\r\n" for at, word in enumerate(words)).encode())
            elif verb == "HELO":
                helo = argument
                self._say(connection, verb, argument, b"250 sink.test\r\n")
            elif verb == "MAIL":
                if self._say(connection, verb, argument, b"250 2.1.0 fine\r\n"):
                    sender, recipients = _path(argument), []
            elif verb == "RCPT":
                if self._say(connection, verb, argument, b"250 2.1.5 fine\r\n"):
                    recipients.append(_path(argument))
            elif verb == "DATA":
                if not recipients:
                    connection.sendall(b"554 5.5.1 no valid recipients\r\n")
                elif self._say(connection, verb, argument, b"354 go on\r\n"):
                    raw = _read_data(file)
                    if raw is None:
                        return
                    self._take(connection, ".", "", Taken(helo, sender, recipients, _unstuff(raw), raw, number))
                    sender, recipients = None, []
            elif verb == "BDAT":
                size, _, last = argument.partition(" ")
                piece = file.read(int(size))
                if len(piece) < int(size):
                    return
                chunks += piece
                if not recipients:
                    connection.sendall(b"503 5.5.1 no valid recipients\r\n")
                elif last:
                    self._take(connection, verb, argument, Taken(helo, sender, recipients, chunks, chunks, number))
                else:
                    self._say(connection, verb, argument, b"250 2.0.0 a chunk\r\n")
                if last:
                    sender, recipients, chunks = None, [], b""
            elif verb == "STARTTLS" and self.tls:
                if self._say(connection, verb, argument, b"220 2.0.0 go ahead\r\n"):
                    connection = self._shake(connection)
                    file = connection.makefile("rb", buffering=1 << 16)
            elif verb == "RSET":
                sender, recipients, chunks = None, [], b""
                self._say(connection, verb, argument, b"250 2.0.0 fine\r\n")
            elif verb == "QUIT":
                self._say(connection, verb, argument, b"221 2.0.0 bye\r\n")
                return
            elif verb == "NOOP":
                self._say(connection, verb, argument, b"250 2.0.0 fine\r\n")
            elif verb == "AUTH":
                self.auth(connection, file, argument, number)
            else:
                connection.sendall(b"500 5.5.1 what?\r\n")

    def auth(self, connection, _file, _argument, _number):
        """The rest of AUTH, for those who offer it."""
        connection.sendall(b"500 5.5.1 what?\r\n")


def _path(argument):
    match = re.search(r"<([^>]*)>", argument)
    return match[1] if match else argument


def _read_data(file):
    """Everything up to CRLF.CRLF, the dot's line left out; None when the client went away."""
    lines = []
    while True:
        line = file.readline()
        if not line:
            return None
        if line == b".\r\n" and (not lines or lines[-1].endswith(b"\r\n")):
            return b"".join(lines)
        lines.append(line)


def _unstuff(raw):
    if raw.startswith(b"."):
        raw = raw[1:]
    return raw.replace(b"\r\n.", b"\r\n")
