"""The key of a ledger's keyed fingerprints: for columns of few possible values, which a bare digest gives away.

Rules:

- A key is 32 random bytes. Every column has one of its own, HMAC-SHA256(key, label | 0x00 | "column" | 0x00 | name), so
  that two columns with equal values have different leaves (domain separation, NIST SP 800-108r1 in feedback-free form
  of one block). The label is "affidavit-table-keyed-v1", the name in UTF-8. What is no column has keys of other
  purposes: "source" for files, "etag" for objects, "copy" for kept copies, and "value" | 0x00 | the part's name for
  values.
- Its id, the first 16 bytes of HMAC-SHA256(key, label | 0x00 | "id"), is in every fingerprint; it says which key, not
  what.
- The file has mode 0600, and one that others can read is refused. Whoever holds the key can try values out on the
  fingerprints, and whoever loses it can compare no new table with the old ones.
- With a passphrase the line below is encrypted as ``openssl enc`` does it: PBKDF2-HMAC-SHA256 at 600,000 rounds, as for
  signing keys (`audit.keystore`), and AES-256-CBC. What comes out must be such a line, so that a wrong passphrase and a
  damaged file are told.

::

    affidavit-fingerprint-key-v1 <64 hex digits>

``openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -a -in fingerprint.key`` asks for the passphrase and shows
the line.

>>> FingerprintKey(bytes(32)).id
'80cb347f987d70054902d4c92300ffe6'
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from audit.durable import new_file
from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.keystore import ROUNDS, Passphrase

__all__ = ["NAME", "FingerprintKey", "create_key", "key_file_of", "read_key"]

NAME = "fingerprint"
"""The name by which its passphrase is asked for (`AFFIDAVIT_PASSPHRASE_FINGERPRINT`)."""

_LABEL = b"affidavit-table-keyed-v1"
_LINE = re.compile(rb"affidavit-fingerprint-key-v1 ([0-9a-f]{64})\n")
_ENCRYPTED = base64.b64encode(b"Salted__")[:10]
_MOST_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """A secret of 32 bytes."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Name the key (32 hex digits) without giving it away."""
        return self._derived(b"id")[:16].hex()

    def of_column(self, name: str) -> bytes:
        """Derive the key of one column."""
        return self._derived(b"column\0" + name.encode("utf-8"))

    def of_sources(self) -> bytes:
        """Derive the key of source files."""
        return self._derived(b"source")

    def of_etags(self) -> bytes:
        """Derive the key of what object stores tell of their objects."""
        return self._derived(b"etag")

    def of_value(self, part: str) -> bytes:
        """Derive the key of the values that are recorded under one name."""
        return self._derived(b"value\0" + part.encode("utf-8"))

    def of_copies(self) -> bytes:
        """Derive the key of what makes the digests of kept copies unknown."""
        return self._derived(b"copy")

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, _LABEL + b"\0" + purpose, "sha256")


def key_file_of(keys: Path) -> Path:
    """Return where the key of a ledger is: in the folder of its keys, else where AFFIDAVIT_FINGERPRINT_KEY says."""
    return Path(os.environ.get("AFFIDAVIT_FINGERPRINT_KEY") or keys / "fingerprint.key")


def create_key(path: Path, passphrase: bytes = b"") -> FingerprintKey:
    """Make a key and its file, whole or not at all; raise `MalformedInput` where there is one already.

    The file is encrypted unless the passphrase is empty.
    """
    key = FingerprintKey(secrets.token_bytes(32))
    line = f"affidavit-fingerprint-key-v1 {key.secret.hex()}\n".encode()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        new_file(path, _encrypted(line, passphrase) if passphrase else line, mode=0o600)
    except FileExistsError:
        raise MalformedInput(
            f"there is a key at {path} already: without it no table could be compared"
        ) from None
    return key


def read_key(path: Path, passphrase: Passphrase = lambda _: b"") -> FingerprintKey:
    """Read a key, asking for the passphrase of `NAME` where the file is encrypted.

    Raises `NotFound`, `EnvironmentFailed` where others can read it, `MalformedInput` where it is none or does not open.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise EnvironmentFailed(f"others can read {path}: make it yours alone with `chmod 600 {path}`")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        raise NotFound(
            f"there is no fingerprint key at {path}: make one with `affidavit key fingerprint --new`, or copy it from "
            "where the ledger is"
        ) from None
    except OSError as error:
        raise EnvironmentFailed(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    found = _LINE.fullmatch(_opened(data, path, passphrase) if data.startswith(_ENCRYPTED) else data)
    if found is None:
        raise MalformedInput(f"{path} is no fingerprint key: restore it from a copy")
    return FingerprintKey(bytes.fromhex(found[1].decode()))


def _opened(data: bytes, path: Path, passphrase: Passphrase) -> bytes:
    """Decrypt a file, or say that the passphrase is missing or wrong."""
    given = passphrase(NAME)
    if not given:
        raise MalformedInput(
            f"the fingerprint key {path} does not open: it is encrypted: give its passphrase at the prompt or in "
            "AFFIDAVIT_PASSPHRASE"
        )
    try:
        salted = base64.b64decode(data.replace(b"\n", b""), validate=True)
        cipher = _cipher(given, salted[8:16]).decryptor()
        unpadder = PKCS7(128).unpadder()
        plain = unpadder.update(cipher.update(salted[16:]) + cipher.finalize()) + unpadder.finalize()
    except ValueError:
        plain = b""
    if _LINE.fullmatch(plain) is None:
        raise MalformedInput(
            f"the fingerprint key {path} does not open: the passphrase is wrong, or the file is damaged"
        )
    return plain


def _encrypted(line: bytes, passphrase: bytes) -> bytes:
    salt = secrets.token_bytes(8)
    padder = PKCS7(128).padder()
    cipher = _cipher(passphrase, salt).encryptor()
    secret = cipher.update(padder.update(line) + padder.finalize()) + cipher.finalize()
    text = base64.b64encode(b"Salted__" + salt + secret)
    return b"".join(text[start : start + 64] + b"\n" for start in range(0, len(text), 64))


def _cipher(passphrase: bytes, salt: bytes) -> Cipher[modes.CBC]:
    material = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ROUNDS, 48)
    return Cipher(algorithms.AES256(material[:32]), modes.CBC(material[32:]))
