"""A time stamp authority for tests: certificates made here, tokens made by `openssl ts`, answers over real HTTP."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["POLICY", "Certified", "LocalAuthority", "certified", "root_certificate", "served"]

POLICY = "1.3.6.1.4.1.57264.2"
_CONFIGURATION = f"""
[tsa]
default_tsa = here
[here]
serial = serial
signer_digest = sha256
default_policy = {POLICY}
other_policies = 1.2.3.4
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


@dataclass(frozen=True)
class Certified:
    """A certificate with its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def root_certificate(name: str = "Test root") -> Certified:
    """Make a root that signs the certificates of authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    certificate = (
        _builder(subject, subject, key, 1, days=(-30, 3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certified(key, certificate)


def certified(
    root: Certified,
    name: str = "Test authority",
    *,
    serial: int | None = None,
    days: tuple[int, int] = (-10, 365),
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING,
    critical: bool = True,
) -> Certified:
    """Make the certificate of an authority under a root, valid from and until so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    number = serial or x509.random_serial_number()
    certificate = (
        _builder(_name(name), root.certificate.subject, key, number, days=days)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False
        )
        .sign(root.key, hashes.SHA256())
    )
    return Certified(key, certificate)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    serial: int,
    *,
    days: tuple[int, int],
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )


@dataclass(frozen=True)
class LocalAuthority:
    """An authority whose files lie in a folder; `openssl ts` makes its tokens."""

    folder: Path
    signer: Certified
    root: Certified

    @classmethod
    def make(
        cls, folder: Path, root: Certified | None = None, signer: Certified | None = None
    ) -> "LocalAuthority":
        folder.mkdir(parents=True)
        root = root or root_certificate()
        signer = signer or certified(root)
        (folder / "signer.pem").write_text(signer.pem)
        (folder / "signer.key").write_bytes(signer.key_pem)
        (folder / "tsa.cnf").write_text(_CONFIGURATION)
        (folder / "serial").write_text("01\n")
        return cls(folder, signer, root)

    @property
    def chain(self) -> str:
        """The signer's certificate and its root, as an authority publishes them."""
        return self.signer.pem + self.root.pem

    def answer(self, query: bytes, *more: str) -> bytes:
        """Answer a request."""
        (self.folder / "query.tsq").write_bytes(query)
        arguments = ["-config", "tsa.cnf", "-queryfile", "query.tsq", "-signer", "signer.pem"]
        subprocess.run(
            ["openssl", "ts", "-reply", *arguments, "-inkey", "signer.key", "-out", "answer.tsr", *more],
            cwd=self.folder,
            capture_output=True,
            check=True,
        )
        return (self.folder / "answer.tsr").read_bytes()


@contextmanager
def served(authority: LocalAuthority) -> Iterator[str]:
    """Serve an authority over HTTP on this machine; yields its address."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                answer = authority.answer(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tsr"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
