"""Hosts that want to know who sends: files of secrets and blocks of `login` for us, and a next hop in Python that asks."""

import base64
import http.server
import json
import os
import threading
import urllib.parse

import certificates
import culver as helper
import peers
import postfix
import smtp

PASSWORD = "correct horse, =2C battery"


def write_secret(culver, name, text=PASSWORD, mode=0o600):
    """A file of the instance's, as its master wants it; its path."""
    path = os.path.join(culver.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text + "\n")
    if culver.place.mode == "user" and os.geteuid() == 0:
        os.chown(path, culver.place.runner.pw_uid, culver.place.runner.pw_gid)
    return path


def add_login(culver, name, user, *lines, secret=PASSWORD, kind="password"):
    """A block `login NAME`; the path of its file."""
    path = write_secret(culver, f"secret-{name}", secret)
    culver.general.append(helper.block(f"login {name}", [f"user {user}", f"{kind} {path}", *lines]).rstrip())
    return path


class LoginSink(smtp.Sink):
    """A next hop that takes mail of whoever is logged in.  `accounts`: {user: secret}, by PLAIN, LOGIN or XOAUTH2.

    `attempts` has each (connection, user, secret); `logins` the user of each connection that got in.
    """

    def __init__(self, accounts, mechanisms=("PLAIN", "LOGIN"), refusal=b"535 5.7.8 you are nobody\r\n", **more):
        super().__init__(**more)
        self.accounts, self.refusal = accounts, refusal
        self.extensions = (*self.extensions, "AUTH " + " ".join(mechanisms))
        self.attempts, self.logins = [], {}

    def auth(self, connection, file, argument, number):
        mechanism, _, initial = argument.partition(" ")

        def ask(challenge):
            connection.sendall(b"334 " + base64.b64encode(challenge) + b"\r\n")
            return base64.b64decode(file.readline())

        first = base64.b64decode(initial) if initial else ask(b"Username:" if mechanism == "LOGIN" else b"")
        if mechanism == "PLAIN":
            _, user, secret = first.split(b"\0")
        elif mechanism == "LOGIN":
            user, secret = first, ask(b"Password:")
        else:
            user, secret = (part.split(b"=", 1)[1].removeprefix(b"Bearer ") for part in first.split(b"\1")[:2])
        user, secret = user.decode(), secret.decode()
        self.attempts.append((number, user, secret))
        if self.accounts.get(user) != secret:
            if mechanism == "XOAUTH2":
                assert ask(b'{"status":"400"}') == b""
            connection.sendall(self.refusal)
            return
        self.logins[number] = user
        connection.sendall(b"235 2.7.0 come in\r\n")

    def senders(self):
        """{user: the senders whose mail came by his login}, None being nobody's."""
        found = {}
        for message in self.messages:
            found.setdefault(self.logins.get(message.connection), set()).add(message.sender)
        return found


class Endpoint(http.server.ThreadingHTTPServer):
    """Where tokens are fetched: https://localhost:PORT/token.  `answer(form)` gives (status, object); `forms` has what was asked."""

    daemon_threads = True

    def __init__(self, pair, answer):
        super().__init__(("127.0.0.1", peers.free_port()), _Asked)
        self.socket = certificates.server_context(pair).wrap_socket(self.socket, server_side=True)
        self.answer, self.forms = answer, []
        self.url = f"https://localhost:{self.server_port}/token"

    def handle_error(self, request, client_address):
        """A client that went away is no news."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Asked(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.server.forms.append((self.path, form))
        status, said = self.server.answer(form)
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is logged."""


class Postfix(postfix.Postfix):
    """A Postfix that takes mail of whoever a Dovecot (dovecot.Judge) lets in, and of nobody else."""

    def __init__(self, next_hop, judge):
        self.judge = judge
        super().__init__(next_hop)

    def configure(self):
        super().configure()
        with open(self.path("postfix/main.cf"), "a", encoding="ascii") as file:
            file.write(f"smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{self.judge.port}\n"
                       "smtpd_sasl_security_options = noanonymous\n"
                       "smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n")
