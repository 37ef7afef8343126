"""Keys in a key service. None is reached from a test: securesystemslib's signer of files, which signs for real, stands
for them behind the same calls; of the services themselves only what happens without their package is seen here.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from audit.errors import EnvironmentFailed, MalformedInput
from audit.keys import LocalSigner, PublicKey
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
    public = (
        signer().public
        if extra == "vault"
        else LocalSigner(signers.CryptoSigner.generate_ecdsa()._private_key).public
    )
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
