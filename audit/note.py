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

Source: C2SP signed-note v1.0.0.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.canonical import utf8
from audit.curve import has_prime_order
from audit.errors import MalformedInput, NotVerified
from audit.keys import Signer

__all__ = ["Note", "NoteSignature", "VerifierKey", "sign_note"]

MOST_SIGNATURES = 64
_ALGORITHM = b"\x01"
_MARK = "— "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 key that verifies notes; `raw` is its 32 bytes."""

    name: str
    raw: bytes

    @property
    def hash(self) -> bytes:
        """The 4 bytes by which a signature line names this key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ALGORITHM + self.raw).digest()[:4]

    def __str__(self) -> str:
        """Write the key as C2SP does: name+hash+key."""
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(_ALGORITHM + self.raw).decode()}"

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
        parts = text.split("+", 2)
        try:
            name, written_hash, encoded = parts
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise MalformedInput("a verifier key is written name+hash+base64") from None
        if len(key) != 33 or key[:1] != _ALGORITHM:
            raise MalformedInput("a verifier key of a ledger is Ed25519 (algorithm byte 1 and 32 bytes)")
        if not _is_name(name):
            raise MalformedInput("a verifier key's name has no space and no plus sign, and is not empty")
        parsed = cls(name=name, raw=key[1:])
        if str(parsed) != text or parsed.hash.hex() != written_hash:
            raise MalformedInput("the verifier key's hash is not that of its name and key")
        if not has_prime_order(parsed.raw):
            raise MalformedInput("the verifier key is not a point of prime order")
        return parsed


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
        return cls(text=head + "\n", signatures=tuple(_line(line) for line in lines))

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


def _line(line: str) -> NoteSignature:
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
    return bool(name) and "+" not in name and not any(ch.isspace() for ch in name)
