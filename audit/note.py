"""C2SP signed notes: a text with detached Ed25519 signature lines.

::

    <text, ending in a newline>
    <empty line>
    — <key name> <base64 of 4 bytes key hash and 64 bytes signature>

Rules:

- The text is UTF-8 without control characters other than newline, and ends in a newline.
- A key's hash is the first 4 bytes of SHA-256(name || 0x0A || 0x01 || public key); a verifier key is written
  ``name+<hash in hex>+<base64 of 0x01 and the public key>``. The hash only finds the key; it proves nothing.
- Signatures of unknown keys are passed over; one of a known key that does not verify is an error.
- Witnesses sign another message under another algorithm byte: see `audit.cosignature`.

Source: C2SP signed-note v1.0.0.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.canonical import utf8
from audit.curve import has_prime_order
from audit.errors import MalformedInput, NotVerified
from audit.keys import Signer

__all__ = [
    "NamedKey",
    "Note",
    "NoteSignature",
    "VerifierKey",
    "key_hash",
    "read_line",
    "read_vkey",
    "sign_note",
    "write_vkey",
]

MOST_SIGNATURES = 64
_MARK = "— "


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A name and the 32 bytes of an Ed25519 key; `algorithm` is C2SP's number of what it signs."""

    algorithm: ClassVar[int]
    name: str
    raw: bytes

    @property
    def hash(self) -> bytes:
        """The 4 bytes by which a signature line names this key."""
        return key_hash(self.name, self.algorithm, self.raw)

    def __str__(self) -> str:
        """Write the key as C2SP does: name+hash+key."""
        return write_vkey(self.name, self.algorithm, self.raw)


@dataclass(frozen=True, slots=True)
class VerifierKey(NamedKey):
    """A named key that verifies notes."""

    algorithm = 1

    def verify(self, signature: bytes, text: str) -> bool:
        """Say whether the signature over the text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read ``name+hash+key`` strictly; raise `MalformedInput`."""
        return cls(*read_vkey(text, cls.algorithm, "a ledger"))


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: name, 4 bytes key hash, signature."""

    name: str
    key_hash: bytes
    signature: bytes

    def __str__(self) -> str:
        """Write the line without its newline."""
        return f"{_MARK}{self.name} {base64.b64encode(self.key_hash + self.signature).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and the signature lines under it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Write the note."""
        return (self.text + "\n" + "".join(f"{s}\n" for s in self.signatures)).encode()

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Read a note strictly; raise `MalformedInput`."""
        note = utf8(data, "the note")
        if any(ch < " " and ch != "\n" for ch in note) or "\x7f" in note:
            raise MalformedInput("a signed note has no control characters other than newline")
        head, mark, tail = note.rpartition("\n\n")
        if not mark or not tail.endswith("\n"):
            raise MalformedInput("a signed note is a text, an empty line and signature lines")
        lines = tail[:-1].split("\n")
        if not 1 <= len(lines) <= MOST_SIGNATURES:
            raise MalformedInput(f"a signed note has 1 to {MOST_SIGNATURES} signature lines")
        return cls(text=head + "\n", signatures=tuple(read_line(line) for line in lines))

    def verify(self, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Return the known keys that signed this note; raise `NotVerified` when none did or one is wrong."""
        by_hash = {(key.name, key.hash): key for key in keys}
        signers = []
        for signature in self.signatures:
            key = by_hash.get((signature.name, signature.key_hash))
            if key is None:
                continue
            if not key.verify(signature.signature, self.text):
                raise NotVerified(f"the note's signature by {key.name} does not verify")
            if key not in signers:
                signers.append(key)
        if not signers:
            raise NotVerified("the note is signed by none of the keys that are known here")
        return tuple(signers)


def sign_note(text: str, name: str, signer: Signer) -> Note:
    """Sign a text with an Ed25519 key under a name."""
    key = VerifierKey(name=name, raw=signer.public.raw)
    return Note(text, (NoteSignature(name, key.hash, signer.sign(text.encode())),))


def key_hash(name: str, algorithm: int, raw: bytes) -> bytes:
    """Compute the 4 bytes by which signature lines name a key of an algorithm (the byte of C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + raw).digest()[:4]


def write_vkey(name: str, algorithm: int, raw: bytes) -> str:
    """Write a verifier key, name+hash+key."""
    encoded = base64.b64encode(bytes([algorithm]) + raw).decode()
    return f"{name}+{key_hash(name, algorithm, raw).hex()}+{encoded}"


def read_vkey(text: str, algorithm: int, whose: str) -> tuple[str, bytes]:
    """Read name and 32 bytes of an Ed25519 verifier key of one algorithm strictly; raise `MalformedInput`."""
    try:
        name, written_hash, encoded = text.split("+", 2)
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise MalformedInput("a verifier key is written name+hash+base64") from None
    if len(key) != 33 or key[0] != algorithm:
        raise MalformedInput(
            f"a verifier key of {whose} is Ed25519 (algorithm byte {algorithm} and 32 bytes)"
        )
    if not _is_name(name):
        raise MalformedInput("a verifier key's name has no space and no plus sign, and is not empty")
    raw = key[1:]
    if write_vkey(name, algorithm, raw) != text or key_hash(name, algorithm, raw).hex() != written_hash:
        raise MalformedInput("the verifier key's hash is not that of its name and key")
    if not has_prime_order(raw):
        raise MalformedInput("the verifier key is not a point of prime order")
    return name, raw


def read_line(line: str) -> NoteSignature:
    """Read one signature line without its newline; raise `MalformedInput`."""
    if not line.startswith(_MARK) or line.count(" ") != 2:
        raise MalformedInput("a signature line is an em dash, a name and base64, with one space between")
    name, encoded = line.removeprefix(_MARK).split(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise MalformedInput("a signature line ends in base64") from None
    if not _is_name(name) or len(blob) < 5 or base64.b64encode(blob).decode() != encoded:
        raise MalformedInput("a signature line has a name, and at least 5 bytes in base64")
    return NoteSignature(name=name, key_hash=blob[:4], signature=blob[4:])


def _is_name(name: str) -> bool:
    # A command line gives bytes that are not UTF-8 as surrogates, which no name can hold.
    return bool(name) and not any(ch == "+" or ch.isspace() or "\ud800" <= ch <= "\udfff" for ch in name)
