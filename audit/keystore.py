"""A folder of keys: private keys in files, as PKCS#8 that openssl reads, and the names of keys kept elsewhere.

Rules:

- Encrypted with PBES2: PBKDF2-HMAC-SHA256 at 600,000 rounds and AES-256-CBC (RFC 8018; OWASP 2023 for the count).
  cryptography's ``BestAvailableEncryption`` uses 2,048 rounds, so the container is written here with asn1crypto.
- Files are created with mode 0600, and a file that others can read is refused.
- ``NAME.pub`` beside ``NAME.pem`` holds the public key, so that naming a key needs no passphrase.
- A key that is on a hardware token or in a key service has ``NAME.uri`` in the place of ``NAME.pem``: where it is, and
  no secret (see `audit.signers`). Others may read that file, not write it: it names the module that is loaded.
- An empty passphrase leaves the file unencrypted; who calls must say so to the person.

``openssl pkey -in NAME.pem -text`` asks for the passphrase and shows the key.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import algos, core, keys, pem
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from audit.durable import make_folder, new_file
from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.keys import Algorithm, LocalSigner, PrivateKey, PublicKey, Signer, new_private_key
from audit.signers import open_uri

__all__ = [
    "LOG_KEY",
    "ROUNDS",
    "KeyStore",
    "Passphrase",
    "decrypt_pem",
    "encrypt_pem",
    "passphrase_from_environment",
]

ROUNDS = 600_000
LOG_KEY = "log"
"""The name of the files that hold the log's own key."""

MOST_BYTES = 65_536
Passphrase = Callable[[str], bytes]
"""Gives the passphrase of a key by its name; empty for none."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
MOST_OF_A_NAME = 64
"""Of a new key; a rotation adds to it (`audit.rotation`)."""


@dataclass(frozen=True, slots=True)
class KeyStore:
    """A folder of key files."""

    folder: Path

    def names(self) -> list[str]:
        """Names of the keys here, sorted; files that are no pair of ours are passed over."""
        found = (*self.folder.glob("*.pem"), *self.folder.glob("*.uri"))
        named = {path.stem for path in found if _NAME.fullmatch(path.stem)}
        return sorted(name for name in named if (self.folder / f"{name}.pub").is_file())

    def named(self, keyid: str) -> str | None:
        """Find the file of a key by the key's id."""
        return next((name for name in self.names() if self.public(name).keyid == keyid), None)

    def create(self, name: str, passphrase: bytes, algorithm: Algorithm = "ed25519") -> LocalSigner:
        """Make a key and write both its files; an existing name is refused."""
        private = new_private_key(algorithm)
        signer = LocalSigner(private)
        self._keep(name, f"{name}.pem", encrypt_pem(private, passphrase), 0o600, signer.public)
        return signer

    def register(self, name: str, uri: str, public: PublicKey) -> None:
        """Write where a key is that is kept elsewhere, and its public part; an existing name is refused."""
        self._keep(name, f"{name}.uri", f"{uri}\n".encode(), 0o644, public)

    def check_free(self, name: str) -> None:
        """Refuse a name that has files already, before a key is made for it elsewhere."""
        self._path(name)
        if len(name) > MOST_OF_A_NAME:
            raise MalformedInput(f"the key name {name!r} is not usable: at most {MOST_OF_A_NAME} characters")
        public = self.folder / f"{name}.pub"
        for taken in (self._path(name), self.folder / f"{name}.uri", public):
            if os.path.lexists(taken) and not public.exists():
                raise MalformedInput(
                    f"{_taken(taken)} (it has no {public.name}: if making it was interrupted, remove it)"
                )
            if os.path.lexists(taken):
                raise MalformedInput(_taken(taken))

    def discard(self, name: str) -> None:
        """Remove the files of a key that was just made and will never be used."""
        self._path(name).unlink(missing_ok=True)
        (self.folder / f"{name}.uri").unlink(missing_ok=True)
        (self.folder / f"{name}.pub").unlink(missing_ok=True)

    def public(self, name: str) -> PublicKey:
        """Read a public key by the name of its file."""
        self._path(name)
        path = self.folder / f"{name}.pub"
        try:
            return PublicKey.parse_pem(self._read(path, name, others_may=0o77))
        except MalformedInput as error:
            raise MalformedInput(f"the key file {path}: {error}") from None

    def open(self, name: str, passphrase: Passphrase) -> Signer:
        """Open a private key; what is wrong with its file, or its passphrase, is one clear error."""
        path = self._path(name)
        elsewhere = self.folder / f"{name}.uri"
        if not os.path.lexists(path) and os.path.lexists(elsewhere):
            uri = self._read(elsewhere, name, others_may=stat.S_IRGRP | stat.S_IROTH).decode(
                "utf-8", "replace"
            )
            return open_uri(uri.rstrip("\n"), self.public(name), lambda: passphrase(name))
        data = self._read(path, name, others_may=0)
        encrypted = b"ENCRYPTED" in data
        try:
            signer = LocalSigner(decrypt_pem(data, passphrase(name) if encrypted else b""))
        except MalformedInput as error:
            raise MalformedInput(f"the key {name!r} does not open: {error}") from None
        # CBC tells no damage: a changed byte of the file can decrypt to another private key.
        if (self.folder / f"{name}.pub").exists() and signer.public != self.public(name):
            raise MalformedInput(
                f"the key {name!r} does not open: {path.name} is damaged, or not the private part of {name}.pub"
            )
        return signer

    def _read(self, path: Path, name: str, *, others_may: int) -> bytes:
        """Read a file of a key, if it is one and others may do no more with it than they should."""
        try:
            info = path.stat()
            if not stat.S_ISREG(info.st_mode):
                raise MalformedInput(f"{path} is not a file: put the file of the key {name!r} in its place")
            if info.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~others_may:
                can = "changed" if others_may else "read"
                raise MalformedInput(f"the key file {path} can be {can} by others: run `chmod 600 {path}`")
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"there is no key named {name!r} in {self.folder}: {self._known()}") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise MalformedInput(
                    f"{path} is a symbolic link that leads to itself: put the file of the key {name!r} in its place"
                ) from None
            raise EnvironmentFailed(f"the key file {path} cannot be read: {error.strerror}") from None
        if len(data) > MOST_BYTES:
            raise MalformedInput(
                f"{path} is too large for a key: put the file of the key {name!r} in its place"
            )
        return data

    def _keep(self, name: str, private_name: str, private: bytes, mode: int, public: PublicKey) -> None:
        self.check_free(name)
        made: list[Path] = []
        try:
            make_folder(self.folder, 0o700)
            # The private part first: a public key whose private part nobody has must not be there to be granted.
            _write_new(self.folder / private_name, private, mode, made)
            _write_new(self.folder / f"{name}.pub", public.pem(), 0o644, made)
        except (OSError, MalformedInput) as error:
            for half in made:
                with suppress(OSError):
                    half.unlink()
            if isinstance(error, MalformedInput):
                raise
            raise EnvironmentFailed(
                f"the key {name!r} cannot be kept in {self.folder}: {error.strerror}"
            ) from None

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise MalformedInput(
                f"the key name {name!r} is not usable: lower-case letters, digits, dots, hyphens and underscores"
            )
        return self.folder / f"{name}.pem"

    def _known(self) -> str:
        # The log's own key speaks for nobody: who looks for a person's is not sent to it.
        names = [name for name in self.names() if name != LOG_KEY]
        return f"the keys here are {', '.join(names)}" if names else "make one with `affidavit key create`"


def passphrase_from_environment(name: str) -> bytes:
    """Give the passphrase of a key: `AFFIDAVIT_PASSPHRASE_<NAME>`, else `AFFIDAVIT_PASSPHRASE`, else none."""
    own = "AFFIDAVIT_PASSPHRASE_" + "".join(c if c.isalnum() else "_" for c in name.upper())
    return (os.environ.get(own) or os.environ.get("AFFIDAVIT_PASSPHRASE") or "").encode()


def encrypt_pem(private: PrivateKey, passphrase: bytes, rounds: int = ROUNDS) -> bytes:
    """Write a private key as PKCS#8 PEM, encrypted unless the passphrase is empty."""
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if not passphrase:
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    key = PBKDF2HMAC(hashes.SHA256(), 32, salt, rounds).derive(passphrase)
    padder = PKCS7(128).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    container = keys.EncryptedPrivateKeyInfo(
        {
            "encryption_algorithm": {
                "algorithm": "pbes2",
                "parameters": {
                    "key_derivation_func": {
                        "algorithm": "pbkdf2",
                        "parameters": {
                            "salt": algos.Pbkdf2Salt("specified", core.OctetString(salt)),
                            "iteration_count": rounds,
                            "prf": {"algorithm": "sha256", "parameters": core.Null()},
                        },
                    },
                    "encryption_scheme": {"algorithm": "aes256_cbc", "parameters": iv},
                },
            },
            "encrypted_data": encryptor.update(padded) + encryptor.finalize(),
        }
    )
    armoured: bytes = pem.armor("ENCRYPTED PRIVATE KEY", container.dump())
    return armoured


def decrypt_pem(data: bytes, passphrase: bytes) -> PrivateKey:
    """Read a PKCS#8 PEM; `MalformedInput` for a wrong passphrase or another kind of key."""
    try:
        private = load_pem_private_key(data, passphrase or None)
    except TypeError:
        raise MalformedInput(
            "it is not encrypted, and a passphrase was given"
            if passphrase
            else "it is encrypted: give its passphrase at the prompt or in AFFIDAVIT_PASSPHRASE"
        ) from None
    except Exception:
        if passphrase and not _reads_as_encrypted(data):
            raise MalformedInput("the file is damaged: restore it from a copy") from None
        # What cryptography and OpenSSL raise on a damaged file is not one class, and their words help nobody.
        reason = (
            "the passphrase is wrong, or the file is damaged"
            if passphrase
            else "the file is not a PKCS#8 key, or it is damaged"
        )
        raise MalformedInput(reason) from None
    if isinstance(private, Ed25519PrivateKey):
        return private
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return private
    raise MalformedInput("a key is Ed25519 or ECDSA on P-256, no other algorithm is accepted")


def _reads_as_encrypted(data: bytes) -> bool:
    """Say whether a file is whole as far as it can be read without its passphrase."""
    try:
        _, _, der = pem.unarmor(data)
        keys.EncryptedPrivateKeyInfo.load(der, strict=True).native  # noqa: B018 - reading it is the check
    except Exception:
        # asn1crypto raises what it meets first, of any class.
        return False
    return True


def _write_new(path: Path, data: bytes, mode: int, made: list[Path]) -> None:
    """Write a file that is not there yet, whole and durable under its name or not at all; note it in `made`."""
    try:
        new_file(path, data, mode)
    except FileExistsError:
        raise MalformedInput(_taken(path)) from None
    made.append(path)


def _taken(path: Path) -> str:
    return f"{path} exists: a key file is never overwritten, choose another name"
