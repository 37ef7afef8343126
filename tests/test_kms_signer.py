"""Keys in a key service. None is reached from a test: securesystemslib's signer of files, which signs for real, stands
for them behind the same calls; of most services only what happens without their package is seen here.

For AWS KMS the nearest real part: Amazon's own client (boto3) speaks over HTTP to a server on the loopback interface
that signs as Amazon documents the operation Sign (ECDSA over the digest that it is given, `MessageType=DIGEST`). It is
no Amazon service: rights, regions and failures of theirs are not seen.
"""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from audit.errors import EnvironmentFailed, MalformedInput
from audit.keys import LocalSigner, PublicKey, new_private_key
from audit.signers import create_at, open_uri
from tests.command_line import Folder, a_lender
from tests.small_ledger import new_ledger, report, signer

signers = pytest.importorskip("securesystemslib.signer")

from audit.kms_signer import KmsSigner  # noqa: E402 - only where the package is there


def kept(folder: Path, algorithm: str) -> tuple[str, PublicKey]:
    """Make a key with securesystemslib, in a file."""
    made = getattr(signers.CryptoSigner, f"generate_{algorithm}")()
    file = folder / f"{algorithm}.pem"
    file.write_bytes(made.private_bytes)
    return f"file2:{file}", PublicKey.parse_pem(made.public_key.keyval["public"].encode()) if (
        algorithm == "ecdsa"
    ) else PublicKey.of_raw(bytes.fromhex(made.public_key.keyval["public"]))


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa"])
def test_what_a_service_signed_is_a_signature_of_ours(tmp_path: Path, algorithm: str) -> None:
    uri, public = kept(tmp_path, algorithm)
    held = KmsSigner(uri, public)
    assert public.verify(held.sign(b"message"), b"message")


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa"])
def test_entries_signed_by_a_service_verify_in_their_ledger(tmp_path: Path, algorithm: str) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    held = KmsSigner(*kept(tmp_path, algorithm))
    ledger.grant("service", held.public, ("recorder",), "The platform team")
    ledger.append(report(), signer=held)
    assert ledger.verify()


def test_a_service_with_another_key_than_the_registered_one_signs_nothing(tmp_path: Path) -> None:
    uri, _ = kept(tmp_path, "ed25519")
    with pytest.raises(EnvironmentFailed, match=r"KeyMismatchError.*: nothing was signed"):
        KmsSigner(uri, signer().public).sign(b"message")


def test_a_signature_that_is_not_by_the_registered_key_goes_no_further(tmp_path: Path) -> None:
    held = KmsSigner("awskms:alias/models", signer().public)
    held._signer = signers.CryptoSigner.generate_ed25519()
    with pytest.raises(EnvironmentFailed, match="is not the private part of the public key"):
        held.sign(b"message")


def test_a_service_that_fails_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        EnvironmentFailed, match=r"did not sign with file2:.*FileNotFoundError.*nothing was signed"
    ):
        KmsSigner(f"file2:{tmp_path}/nothing.pem", signer().public).sign(b"message")


@pytest.mark.parametrize(
    ("uri", "extra"),
    [
        ("awskms:alias/models", "awskms"),
        ("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "gcpkms"),
        ("azurekms:vault/key/1", "azurekms"),
        ("hv:models/1", "vault"),
    ],
)
def test_a_service_whose_package_is_missing_is_said_with_what_installs_it(uri: str, extra: str) -> None:
    package = {
        "awskms": "boto3",
        "gcpkms": "google.cloud.kms",
        "azurekms": "azure.keyvault",
        "vault": "hvac",
    }[extra]
    public = signer().public if extra == "vault" else LocalSigner(new_private_key("ecdsa-p256")).public
    # In a process of its own, where the package is not to be had even if this environment has it for another test.
    code = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        "from audit.errors import EnvironmentFailed\n"
        "from audit.keys import PublicKey\n"
        "from audit.signers import open_uri\n"
        "try:\n"
        "    open_uri(sys.argv[1], PublicKey.parse_pem(sys.argv[2].encode()), bytes).sign(b'message')\n"
        "except EnvironmentFailed as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, uri, public.pem().decode()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"securesystemslib[{extra}]" in done.stdout


@pytest.mark.parametrize("uri", ["file2:key.pem", "hsm:2?label=x", "gnupg:", "", "awskms", "awskms:a\nb"])
def test_other_signers_of_that_package_are_not_accepted(uri: str) -> None:
    with pytest.raises(MalformedInput, match="is not usable: it begins with pkcs11:"):
        open_uri(uri if uri != "awskms" else "aws", signer().public, bytes)


def test_a_service_makes_its_keys_itself() -> None:
    with pytest.raises(MalformedInput, match="give its public part with --public"):
        create_at("awskms:alias/models", bytes)


def test_a_key_whose_service_does_not_answer_is_not_registered(tmp_path: Path) -> None:
    here = a_lender(tmp_path / "lender")
    public = here.path / "new.pem"
    public.write_bytes(signer().public.pem())
    made = here("key", "create", "deploy", "--uri", "hv:models/1", "--public", str(public))
    assert made.exit_code == 3
    assert list((here.path / ".affidavit" / "keys").glob("deploy.*")) == []


def test_an_existing_key_in_no_place_is_refused(tmp_path: Path) -> None:
    here: Folder = a_lender(tmp_path / "lender")
    assert "is named by its place: --uri" in here("key", "create", "x", "--existing").stderr


KMS_KEY = ec.generate_private_key(ec.SECP256R1())


class Kms(BaseHTTPRequestHandler):
    """Answers the operation Sign of AWS KMS, API version 2014-11-01."""

    twice = False
    """Whether the digest is hashed once more, as a server does that takes no notice of MessageType."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["X-Amz-Target"] == "TrentService.Sign"
        assert (asked["MessageType"], asked["SigningAlgorithm"]) == ("DIGEST", "ECDSA_SHA_256")
        digest = base64.b64decode(asked["Message"])
        assert len(digest) == 32
        how = ec.ECDSA(SHA256() if self.twice else Prehashed(SHA256()))
        signature = base64.b64encode(KMS_KEY.sign(digest, how)).decode()
        said = json.dumps(
            {"KeyId": asked["KeyId"], "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256"}
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Kms]]:
    """Serve a key service, and let the environment name it as it does a real one."""
    pytest.importorskip("boto3", reason="NOT TESTED: AWS KMS: install securesystemslib[awskms]")

    class Served(Kms):
        pass

    server = HTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    ambient = {
        "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in ambient.items():
        monkeypatch.setenv(name, value)
    yield Served
    server.shutdown()
    thread.join()
    server.server_close()


def test_entries_signed_through_amazons_own_client_verify_in_their_ledger(
    kms: type[Kms], tmp_path: Path
) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    held = KmsSigner("awskms:alias/models", LocalSigner(KMS_KEY).public)
    ledger.grant("service", held.public, ("recorder",), "The platform team")
    ledger.append(report(), signer=held)
    assert ledger.verify()


def test_a_service_that_hashes_the_digest_again_signs_nothing(kms: type[Kms]) -> None:
    kms.twice = True
    held = KmsSigner("awskms:alias/models", LocalSigner(KMS_KEY).public)
    with pytest.raises(EnvironmentFailed, match="nothing was signed"):
        held.sign(b"message")
