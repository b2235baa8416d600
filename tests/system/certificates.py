"""Certificates and keys for tests, made by openssl(1), and clients that speak TLS."""

import hashlib
import os
import socket
import ssl
import subprocess

import smtp

KINDS = {
    "rsa": ["-newkey", "rsa:2048"],
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["-newkey", "ed25519"],
}


class Pair:
    """A certificate that signed itself, and its key: .certificate, .key (paths)."""

    def __init__(self, folder, name, kind="rsa", days=30, hosts=None, owner=None):
        self.certificate = os.path.join(folder, f"{name}.pem")
        self.key = os.path.join(folder, f"{name}.key")
        self.hosts = hosts or [f"{name}.test"]
        self.owner = owner
        make(self.certificate, self.key, kind, days, self.hosts, owner)

    def fingerprint(self):
        """Of the certificate as it stands in its file."""
        return fingerprint_of(self.certificate)


def fingerprint_of(path):
    """SHA-256 of the first certificate of a file."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    end = "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[:text.index(end) + len(end)])).hexdigest()


def make(certificate, key, kind="rsa", days=30, hosts=("mx.test",), owner=None):
    """Both files, the key readable by its owner alone; each is exchanged at one blow, as certbot and its like do it."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    done = subprocess.run(
        ["openssl", "req", "-x509", *KINDS[kind], "-nodes", "-keyout", f"{key}.new", "-out", f"{certificate}.new",
         "-days", str(days), "-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={names}"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in (key, certificate):
        os.chmod(f"{path}.new", 0o600 if path == key else 0o644)
        if owner is not None:
            os.chown(f"{path}.new", owner, -1)
        os.rename(f"{path}.new", path)


def client_context(low=ssl.TLSVersion.TLSv1_2, high=ssl.TLSVersion.MAXIMUM_SUPPORTED, ciphers="DEFAULT:@SECLEVEL=0"):
    """One that believes every certificate: what is looked at is which one it was."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = low, high
    return context


class Client(smtp.Client):
    """A client that can begin TLS; .socket is an ssl.SSLSocket then."""

    def starttls(self, context=None, host=None, expect=220):
        """STARTTLS and the handshake."""
        self.command("STARTTLS", expect)
        self.shake(context, host)
        return self

    def shake(self, context=None, host=None):
        """The handshake alone."""
        self.file.close()
        self.socket = (context or client_context()).wrap_socket(self.socket, server_hostname=host)
        self.file = self.socket.makefile("rb")

    def fingerprint(self):
        """Of the certificate that the server has shown."""
        return hashlib.sha256(self.socket.getpeercert(binary_form=True)).hexdigest()


def implicit(port, context=None, host=None, timeout=60):
    """A client that begins with the handshake."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return Client((context or client_context()).wrap_socket(plain, server_hostname=host), timeout=timeout)


class Authority:
    """A certificate authority of the test's own: .certificate (path); .issue makes what it stands for."""

    def __init__(self, folder, name="authority"):
        self.folder, self.name = folder, name
        self.certificate, self.key = os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
        _openssl("req", "-x509", *KINDS["ecdsa"], "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "30",
                 "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
        os.chmod(self.certificate, 0o644)

    def issue(self, name, hosts, days=30):
        """(certificate with its authority's behind it, key): paths; `days` below 0: one that is over."""
        base = os.path.join(self.folder, name)
        _openssl("req", "-new", *KINDS["ecdsa"], "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", f"/CN={hosts[0]}")
        with open(f"{base}.ext", "w", encoding="ascii") as file:
            file.write("subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts) + "\nextendedKeyUsage=serverAuth\n")
        _openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.certificate, "-CAkey", self.key, "-days", str(days),
                 "-extfile", f"{base}.ext", "-out", f"{base}.leaf")
        with open(f"{base}.pem", "w", encoding="ascii") as file:
            for part in (f"{base}.leaf", self.certificate):
                with open(part, encoding="ascii") as one:
                    file.write(one.read())
        return f"{base}.pem", f"{base}.key"


def _openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=False, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def server_context(pair, low=ssl.TLSVersion.TLSv1_2, high=ssl.TLSVersion.MAXIMUM_SUPPORTED):
    """A server's, with (certificate, key)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.minimum_version, context.maximum_version = low, high
    return context


def tlsa(certificate, usage=3, selector=1, matching=1):
    """The data of a TLSA record for the first certificate of a file, as zone files have it."""
    data = _openssl("x509", "-in", certificate, "-outform", "DER")
    if selector == 1:
        key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], capture_output=True, check=True).stdout
        data = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, capture_output=True, check=True).stdout
    data = {0: lambda: data, 1: lambda: hashlib.sha256(data).digest(), 2: lambda: hashlib.sha512(data).digest()}[matching]()
    return f"{usage} {selector} {matching} {data.hex()}"
