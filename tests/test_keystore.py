"""Key files: openssl reads them, and what is wrong with one is said in a sentence."""

import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.keys import Algorithm, LocalSigner, new_private_key
from audit.keystore import LOG_KEY, ROUNDS, KeyStore, decrypt_pem, encrypt_pem

PASSPHRASE = "correct horse, Batterie mit Umlaut: ü".encode()


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


def openssl(*arguments: str | Path, passphrase: bytes = PASSPHRASE) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)],
        env={**os.environ, "SECRET": passphrase.decode()},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else f"refused: {done.stderr}"


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_openssl_reads_the_file_with_the_passphrase(store: KeyStore, algorithm: Algorithm) -> None:
    signer = store.create("ana", PASSPHRASE, algorithm)
    public = openssl("pkey", "-in", store.folder / "ana.pem", "-passin", "env:SECRET", "-pubout")
    assert public.encode() == signer.public.pem()


def test_openssl_does_not_read_the_file_with_another_passphrase(store: KeyStore) -> None:
    store.create("ana", PASSPHRASE)
    answer = openssl(
        "pkey", "-in", store.folder / "ana.pem", "-passin", "env:SECRET", "-pubout", passphrase=b"another"
    )
    assert answer.startswith("refused")


def test_openssl_shows_600000_rounds_of_pbkdf2_with_sha256_and_aes_256(store: KeyStore) -> None:
    store.create("ana", PASSPHRASE)
    shown = openssl("asn1parse", "-in", store.folder / "ana.pem")
    assert ROUNDS == 0x0927C0 == 600_000
    assert ":0927C0" in shown
    assert [word for word in ("PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc") if word not in shown] == []


def test_two_files_share_neither_salt_nor_iv() -> None:
    private = new_private_key()
    assert encrypt_pem(private, PASSPHRASE) != encrypt_pem(private, PASSPHRASE)


@pytest.mark.parametrize("passphrase", [b"", PASSPHRASE])
def test_a_key_that_was_made_opens_and_signs(store: KeyStore, passphrase: bytes) -> None:
    made = store.create("ana", passphrase)
    opened = store.open("ana", lambda name: passphrase)
    assert made.public.verify(opened.sign(b"message"), b"message")


def test_the_passphrase_is_asked_for_by_the_keys_name(store: KeyStore) -> None:
    store.create("ana", b"ana's own")
    assert store.open("ana", lambda name: f"{name}'s own".encode()).public == store.public("ana")


def test_no_passphrase_is_asked_for_a_key_that_has_none(store: KeyStore) -> None:
    store.create("ana", b"")

    def ask(name: str) -> bytes:
        raise AssertionError("nobody is asked")

    assert store.open("ana", ask).public == store.public("ana")


def test_naming_a_key_needs_no_passphrase(store: KeyStore) -> None:
    made = store.create("ana", PASSPHRASE)
    assert store.public("ana") == made.public


def test_a_wrong_passphrase_is_said(store: KeyStore) -> None:
    store.create("ana", PASSPHRASE)
    with pytest.raises(MalformedInput, match="the key 'ana' does not open: the passphrase is wrong"):
        store.open("ana", lambda name: b"wrong")


def test_a_missing_passphrase_is_said(store: KeyStore) -> None:
    store.create("ana", PASSPHRASE)
    with pytest.raises(MalformedInput, match="it is encrypted: give its passphrase"):
        store.open("ana", lambda name: b"")


def test_a_passphrase_for_a_file_that_has_none_is_said() -> None:
    with pytest.raises(MalformedInput, match="not encrypted, and a passphrase was given"):
        decrypt_pem(encrypt_pem(new_private_key(), b""), PASSPHRASE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610])
def test_a_file_that_others_can_touch_is_refused(store: KeyStore, mode: int) -> None:
    store.create("ana", b"")
    path = store.folder / "ana.pem"
    path.chmod(mode)
    with pytest.raises(MalformedInput, match=f"can be read by others: run `chmod 600 {path}`"):
        store.open("ana", lambda name: b"")


def test_files_are_made_for_their_owner_alone(store: KeyStore) -> None:
    store.create("ana", b"")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [store.folder, *store.folder.iterdir()]}
    assert modes == {"keys": 0o700, "ana.pem": 0o600, "ana.pub": 0o644 & modes["ana.pub"]}


@pytest.mark.parametrize("place", [0.2, 0.4, 0.6, 0.75, 0.85])
def test_a_damaged_file_is_said_by_name_or_does_not_matter(store: KeyStore, place: float) -> None:
    made = store.create("ana", PASSPHRASE)
    path = store.folder / "ana.pem"
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x01
    path.write_bytes(bytes(data))
    try:
        told = "" if store.open("ana", lambda name: PASSPHRASE).public == made.public else "another key"
    except MalformedInput as error:
        told = str(error)
    assert told == "" or re.match(r"the key 'ana' does not open: .*damaged", told)


def test_a_private_part_of_another_key_is_refused(store: KeyStore) -> None:
    for name in ("ana", "bob"):
        store.create(name, b"")
    (store.folder / "bob.pem").replace(store.folder / "ana.pem")
    with pytest.raises(MalformedInput, match=r"ana\.pem is damaged, or not the private part of ana\.pub"):
        store.open("ana", lambda name: b"")


@pytest.mark.parametrize(
    "data", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_that_is_no_key_is_said_by_name(store: KeyStore, data: bytes) -> None:
    store.create("ana", b"")
    (store.folder / "ana.pem").write_bytes(data)
    with pytest.raises(MalformedInput, match="the key 'ana' does not open: the file is not a PKCS#8 key"):
        store.open("ana", lambda name: b"")


def test_a_public_file_that_is_damaged_is_said_by_its_path(store: KeyStore) -> None:
    store.create("ana", b"")
    (store.folder / "ana.pub").write_bytes(b"garbage")
    with pytest.raises(MalformedInput, match=r"ana\.pub: this is not a PEM public key"):
        store.public("ana")


@pytest.mark.parametrize("suffix", ["pem", "pub"])
def test_an_existing_name_is_refused_and_nothing_is_overwritten(store: KeyStore, suffix: str) -> None:
    store.folder.mkdir()
    taken = store.folder / f"ana.{suffix}"
    taken.write_bytes(b"mine")
    with pytest.raises(MalformedInput, match="exists: a key file is never overwritten"):
        store.create("ana", b"")
    assert [(p.name, p.read_bytes()) for p in store.folder.iterdir()] == [(taken.name, b"mine")]


def test_a_key_that_is_not_there_is_said_with_those_that_are(store: KeyStore) -> None:
    store.create("ana", b"")
    store.create(LOG_KEY, b"")
    with pytest.raises(NotFound, match=r"no key named 'bob' .*: the keys here are ana$"):
        store.open("bob", lambda name: b"")


def test_a_public_key_that_is_not_there_is_said(store: KeyStore) -> None:
    with pytest.raises(NotFound, match=r"no key named 'bob' .*: make one with"):
        store.public("bob")


@pytest.mark.parametrize("name", ["", "Ana", "../ana", "a/b", ".ana", "a b", "ä", "a" * 65, "a\n"])
def test_a_name_that_no_file_should_have_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(MalformedInput, match="key name"):
        store.create(name, b"")


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _loop(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path)


def _pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)


def _large(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o600)
    os.truncate(path, 10**9)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_folder, "is not a file"),
        (_pipe, "is not a file"),
        (_loop, "is a symbolic link that leads to itself"),
        (_large, "is too large for a key"),
    ],
)
@pytest.mark.parametrize("suffix", ["pem", "uri", "pub"])
def test_what_is_no_key_file_in_the_place_of_one_is_said(
    store: KeyStore, make: Callable[[Path], None], said: str, suffix: str
) -> None:
    make(store.folder / f"ana.{suffix}")
    with pytest.raises(MalformedInput, match=f"{said}.*: put the file of the key 'ana' in its place"):
        store.public("ana") if suffix == "pub" else store.open("ana", lambda name: b"")


def test_a_damaged_file_is_told_from_a_wrong_passphrase(store: KeyStore) -> None:
    store.create("ana", PASSPHRASE)
    path = store.folder / "ana.pem"
    path.write_bytes(path.read_bytes().replace(b"MI", b"MA", 1))
    with pytest.raises(MalformedInput, match="does not open: the file is damaged: restore it from a copy"):
        store.open("ana", lambda name: PASSPHRASE)


def test_a_uri_that_others_can_change_is_refused(store: KeyStore) -> None:
    store.register(
        "ana", "pkcs11:token=t;object=ana?module-path=/lib/x.so", LocalSigner(new_private_key()).public
    )
    (store.folder / "ana.uri").chmod(0o666)
    with pytest.raises(MalformedInput, match="can be changed by others"):
        store.open("ana", lambda name: b"")


def test_a_key_that_is_kept_elsewhere_is_one_of_the_keys_here(store: KeyStore) -> None:
    public = LocalSigner(new_private_key()).public
    store.register("ana", "pkcs11:token=t;object=ana?module-path=/lib/x.so", public)
    assert store.names() == ["ana"]
    assert store.open("ana", lambda name: b"").public == public
    assert store.named(public.keyid) == "ana"
    with pytest.raises(MalformedInput, match="exists: a key file is never overwritten"):
        store.create("ana", b"")


def test_a_place_where_no_folder_can_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFailed, match="cannot be kept"):
        KeyStore(tmp_path / "file" / "keys").create("ana", b"")


def test_names_are_those_of_whole_pairs_and_sorted(store: KeyStore) -> None:
    for name in ("zoe", "ana"):
        store.create(name, b"")
    for stranger in ("Chain.pem", "half.pem", "notes.txt", "only.pub"):
        (store.folder / stranger).write_bytes(b"")
    assert store.names() == ["ana", "zoe"]


def test_a_folder_that_is_not_there_holds_no_names(store: KeyStore) -> None:
    assert store.names() == []


def test_a_key_that_openssl_made_opens() -> None:
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True)
    assert isinstance(decrypt_pem(made.stdout, b""), ed25519.Ed25519PrivateKey)


def test_a_key_that_another_library_encrypted_opens() -> None:
    private = new_private_key()
    data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))
    assert LocalSigner(decrypt_pem(data, PASSPHRASE)).public == LocalSigner(private).public


@pytest.mark.parametrize(
    "private",
    [
        pytest.param(lambda: rsa.generate_private_key(65537, 2048), id="RSA"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="P-384"),
    ],
)
def test_a_key_of_another_algorithm_is_refused(private: Callable[[], Any]) -> None:
    data = private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(MalformedInput, match="no other algorithm"):
        decrypt_pem(data, b"")
