"""A checkpoint: the signed head of a ledger's tree (C2SP tlog-checkpoint).

The text is three lines, origin, size and root hash in base64; lines of extension after them, which other logs
may have, are read and never written: the log's own checkpoints have none (`audit.log_keys`). The log's key is named by
the origin.

>>> print(Checkpoint("bank.example/models", 3, bytes(32)).text(), end="")
bank.example/models
3
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""

import base64
import re
import unicodedata
from dataclasses import dataclass

from audit.errors import MalformedInput, NotVerified
from audit.keys import Signer
from audit.merkle import HASH_SIZE
from audit.note import Note, VerifierKey, sign_note

__all__ = ["Checkpoint", "check_origin", "open_checkpoint", "sign_checkpoint"]

_SIZE = re.compile(r"0|[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, number of entries, and root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Write the note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a note's text; raise `MalformedInput`."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or "" in lines[:-1] or _SIZE.fullmatch(lines[1]) is None:
            raise MalformedInput("a checkpoint has the lines origin, size and root hash")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except ValueError:
            root = b""
        if len(root) != HASH_SIZE or base64.b64encode(root).decode() != lines[2]:
            raise MalformedInput("a checkpoint's root is 32 bytes in base64")
        return cls(origin=lines[0], size=int(lines[1]), root=root)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Sign a checkpoint with the log's key; return the note's bytes."""
    return sign_note(checkpoint.text(), checkpoint.origin, signer).to_bytes()


def open_checkpoint(data: bytes, key: VerifierKey) -> Checkpoint:
    """Read and verify a checkpoint; raise `MalformedInput` or `NotVerified`."""
    note = Note.parse(data)
    note.verify([key])
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != key.name:
        raise NotVerified(f"the checkpoint is of the ledger {checkpoint.origin!r}, not of {key.name!r}")
    return checkpoint


def check_origin(origin: str) -> str:
    """Return a ledger's origin, or raise `MalformedInput`: it is the name that every checkpoint carries."""
    if (
        not origin
        or len(origin) > 200
        or any(ch.isspace() or ch == "+" or not ch.isprintable() for ch in origin)
    ):
        raise MalformedInput(
            f"the origin {origin!r} is not usable: give a name without spaces or plus signs, "
            "such as example.com/credit-models"
        )
    composed = unicodedata.normalize("NFC", origin)
    if composed != origin:
        raise MalformedInput(
            f"the origin {origin!r} is not in Unicode's form NFC, so that another one would look the same: paste this, "
            f"which is: {composed}"
        )
    return origin
