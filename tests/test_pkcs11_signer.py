"""Keys on a token, for real: SoftHSM2 signs, and what is wrong with a token is said in a sentence."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotFound
from audit.keys import Algorithm
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.signers import create_at, open_uri
from tests.command_line import Folder, a_lender
from tests.small_ledger import People, new_ledger, reopened, report, signer
from tests.soft_token import MODULE, PIN, new_token, uri

pkcs11 = pytest.importorskip("pkcs11")


@pytest.fixture(scope="module", autouse=True)
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        new_token(tmp_path_factory.mktemp("token"), "bank", patch)
        yield


def pin() -> bytes:
    return PIN.encode()


def logged_out() -> None:
    """Let the module forget every session, as a service that was started anew does."""
    pkcs11.lib(MODULE).reinitialize()


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_a_token_signs_what_its_public_key_verifies(algorithm: Algorithm) -> None:
    public = create_at(uri(f"signs-{algorithm}"), pin, algorithm=algorithm)
    held = open_uri(uri(f"signs-{algorithm}"), public, pin)
    messages = [b"", b"message", bytes(70_000)]
    assert all(public.verify(held.sign(message), message) for message in messages)
    assert public.algorithm == algorithm


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_a_private_key_never_leaves_the_token(algorithm: Algorithm) -> None:
    create_at(uri(f"stays-{algorithm}"), pin, algorithm=algorithm)
    logged_out()
    with pkcs11.lib(MODULE).get_token(token_label="bank").open(user_pin=PIN) as session:
        key = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=f"stays-{algorithm}")
        assert (key[pkcs11.Attribute.SENSITIVE], key[pkcs11.Attribute.EXTRACTABLE]) == (True, False)


def test_entries_signed_on_a_token_verify_in_their_ledger(tmp_path: Path) -> None:
    people = People()
    ledger = new_ledger(tmp_path, people)
    held = open_uri(uri("ana"), create_at(uri("ana"), pin), pin)
    ledger.grant("ana", held.public, ("recorder",), "Ana Ruiz")
    for _ in range(3):
        ledger.append(report(), signer=held)
    answer = reopened(tmp_path, people).verify()
    assert answer
    assert answer.size == 5


def test_two_keys_of_one_token_sign_in_two_threads(tmp_path: Path) -> None:
    made = {name: create_at(uri(name), pin) for name in ("first", "second")}
    logged_out()
    held = [open_uri(uri(name), public, pin) for name, public in made.items()]

    def sign(number: int) -> bool:
        key, message = held[number % 2], f"message {number}".encode()
        return key.public.verify(key.sign(message), message)

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(sign, range(40)))


def test_a_session_that_was_lost_is_opened_and_logged_in_again() -> None:
    asked: list[str] = []

    def ask() -> bytes:
        asked.append("PIN")
        return pin()

    held = open_uri(uri("lost"), create_at(uri("lost"), pin), ask)
    logged_out()
    held.sign(b"one")
    held.sign(b"two")
    logged_out()
    held.sign(b"three")
    assert asked == ["PIN", "PIN"]


def test_a_wrong_pin_is_tried_once() -> None:
    asked: list[str] = []

    def ask() -> bytes:
        asked.append("PIN")
        return b"0000"

    public = create_at(uri("tried"), pin)
    logged_out()
    with pytest.raises(MalformedInput, match="the PIN of the token 'bank' is wrong"):
        open_uri(uri("tried"), public, ask).sign(b"")
    assert asked == ["PIN"]


@pytest.mark.parametrize(
    ("named", "secret", "error", "sentence"),
    [
        (uri("ana", token="vault"), PIN, EnvironmentFailed, "the token 'vault' is not there: connect it"),
        (uri("nobody"), PIN, NotFound, "the token 'bank' has no key 'nobody': check object="),
        (uri("ana", module="/nowhere/x.so"), PIN, EnvironmentFailed, "module /nowhere/x.so cannot be loaded"),
        (uri("ana"), "", EnvironmentFailed, "the token 'bank' asks for its PIN: give it at the prompt"),
    ],
)
def test_what_is_missing_is_said(named: str, secret: str, error: type[AffidavitError], sentence: str) -> None:
    logged_out()
    with pytest.raises(error, match=sentence):
        open_uri(named, signer().public, secret.encode).sign(b"")


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        ("PinLocked", EnvironmentFailed, "is locked after too many wrong PINs"),
        ("PinLenRange", MalformedInput, "the PIN of the token 'bank' is wrong"),
        ("DeviceRemoved", EnvironmentFailed, "is not there: connect it"),
        ("UserPinNotInitialized", EnvironmentFailed, "has no PIN yet"),
        ("MultipleTokensReturned", MalformedInput, "several tokens are called 'bank'"),
        ("MechanismInvalid", EnvironmentFailed, "does not do this kind of key"),
        ("GeneralError", EnvironmentFailed, "answered GeneralError: nothing was signed"),
    ],
)
def test_what_no_token_in_software_answers_is_said_too(
    answer: str, error: type[AffidavitError], sentence: str
) -> None:
    from audit.pkcs11_signer import failures
    from audit.pkcs11_uri import Pkcs11Uri

    with pytest.raises(error, match=sentence), failures(Pkcs11Uri.parse(uri("ana"))):
        raise getattr(pkcs11.exceptions, answer)


def test_a_key_that_is_not_the_registered_one_signs_nothing() -> None:
    create_at(uri("other"), pin)
    with pytest.raises(EnvironmentFailed, match="is not the private part of the public key"):
        open_uri(uri("other"), signer().public, pin).sign(b"message")


def test_a_name_on_the_token_is_used_once_unless_its_key_is_taken_on_purpose() -> None:
    made = create_at(uri("once"), pin)
    with pytest.raises(MalformedInput, match=r"has a key 'once' already: .* take it with --existing"):
        create_at(uri("once"), pin)
    assert create_at(uri("once"), pin, existing=True) == made


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return a_lender(tmp_path / "lender")


def test_a_person_signs_with_a_token_on_the_command_line(here: Folder) -> None:
    keys = KeyStore(here.path / ".affidavit" / "keys")
    variables = {"AFFIDAVIT_PASSPHRASE_DANA": PIN}
    assert here("key", "create", "dana", "--uri", uri("dana"), variables=variables).exit_code == 0
    here.text("key", "grant", "dana", "--role", "validator", "--holder", "Dana Moss")
    said = here(
        *("approve", "loans@2", "--stage", "production", "--as", "dana", "--role", "validator"),
        *("--meaning", "Reviewed"),
        variables=variables,
    )
    assert said.exit_code == 0, said.stderr
    assert sorted(path.name for path in keys.folder.glob("dana.*")) == ["dana.pub", "dana.uri"]
    assert PIN not in (keys.folder / "dana.uri").read_text()
    assert here.json("verify")["verified"]


def test_a_pin_is_never_written_beside_a_key(here: Folder) -> None:
    named = uri("dana") + f"&pin-value={PIN}"
    assert "a PIN is not kept beside a key" in here("key", "create", "dana", "--uri", named).stderr
    assert list((here.path / ".affidavit" / "keys").glob("dana.*")) == []


def test_the_logs_key_can_move_to_a_token(here: Folder) -> None:
    variables = {"AFFIDAVIT_PASSPHRASE_LOG": PIN}
    rotated = here(
        *("key", "rotate", "log", "--reason", "to the token", "--uri", uri("log")), variables=variables
    )
    assert rotated.exit_code == 0, rotated.stderr
    assert here("policy", "adopt", "strict.yaml", "--stage", "staging", variables=variables).exit_code == 0
    assert (here.path / ".affidavit" / "keys" / "log.uri").exists()
    assert here.json("verify")["verified"]


def test_a_ledger_that_a_token_cannot_sign_for_is_left_as_it_was(tmp_path: Path) -> None:
    ledger: Ledger = new_ledger(tmp_path, People())
    held = open_uri(uri("absent", token="vault"), signer().public, pin)
    ledger.grant("ana", held.public, ("recorder",), "Ana Ruiz")
    with pytest.raises(EnvironmentFailed, match="is not there"):
        ledger.append(report(), signer=held)
    assert ledger.head().size == 2
    assert ledger.verify()
