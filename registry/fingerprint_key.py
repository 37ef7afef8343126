"""The key of a ledger's keyed fingerprints: for columns of few possible values, which a bare digest gives away.

Rules:

- A key is 32 random bytes. Every column has one of its own, HMAC-SHA256(key, label | 0x00 | name), so that two columns
  with equal values have different leaves (domain separation, NIST SP 800-108r1 in feedback-free form of one block).
- Its id, the first 16 bytes of HMAC-SHA256(key, label of the id), is in every fingerprint; it says which key, not what.
- The file has mode 0600, and one that others can read is refused. It has no passphrase: whoever holds it can try
  values out on the fingerprints, and whoever loses it can compare no new table with the old ones.

::

    affidavit-fingerprint-key-v1 <64 hex digits>

>>> FingerprintKey(bytes(32)).id
'fc78cea2bcb371b27ac4e7d6d4f4cdb0'
"""

import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from audit.durable import new_file
from audit.errors import EnvironmentFailed, MalformedInput, NotFound

__all__ = ["FingerprintKey", "create_key", "key_file_of", "read_key"]

_LABEL = b"affidavit-table-keyed-v1"
_LINE = re.compile(rb"affidavit-fingerprint-key-v1 ([0-9a-f]{64})\n")


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

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, _LABEL + b"\0" + purpose, "sha256")


def key_file_of(keys: Path) -> Path:
    """Return where the key of a ledger is: in the folder of its keys, else where AFFIDAVIT_FINGERPRINT_KEY says."""
    return Path(os.environ.get("AFFIDAVIT_FINGERPRINT_KEY") or keys / "fingerprint.key")


def create_key(path: Path) -> FingerprintKey:
    """Make a key and its file, whole or not at all; raise `MalformedInput` where there is one already."""
    key = FingerprintKey(secrets.token_bytes(32))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        new_file(path, f"affidavit-fingerprint-key-v1 {key.secret.hex()}\n".encode(), mode=0o600)
    except FileExistsError:
        raise MalformedInput(
            f"there is a key at {path} already: without it no table could be compared"
        ) from None
    return key


def read_key(path: Path) -> FingerprintKey:
    """Read a key; raise `NotFound`, `EnvironmentFailed` where others can read it, `MalformedInput` where it is none."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise EnvironmentFailed(f"others can read {path}: make it yours alone with `chmod 600 {path}`")
        found = _LINE.fullmatch(path.read_bytes()[:200])
    except FileNotFoundError:
        raise NotFound(
            f"there is no fingerprint key at {path}: make one with `affidavit key fingerprint --new`, or copy it from "
            "where the ledger is"
        ) from None
    except OSError as error:
        raise EnvironmentFailed(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    if found is None:
        raise MalformedInput(f"{path} is no fingerprint key: restore it from a copy")
    return FingerprintKey(bytes.fromhex(found[1].decode()))
