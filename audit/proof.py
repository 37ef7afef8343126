"""A proof that an entry is in a log, on its own: C2SP ``.tlog-proof``.

::

    c2sp.org/tlog-proof@v1
    extra <base64>                  left out by affidavit; read, and never trusted
    index <number of the entry>
    <inclusion proof, a hash in base64 to a line, the leaf's sibling first>
    <empty line>
    <a signed checkpoint, verbatim>

Rules:

- What is read is what would be written: other spellings of numbers or base64, and lines too many, are refused.
- A proof holds when the checkpoint is signed by a log key of its origin, and the hashes lead from the leaf to its root.

Source: C2SP tlog-proof.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.canonical import utf8
from audit.checkpoint import Checkpoint
from audit.errors import MalformedInput, NotVerified
from audit.merkle import HASH_SIZE, verify_inclusion
from audit.note import Note, VerifierKey

__all__ = ["HEADER", "TlogProof", "hash_lines", "parse_hash_lines"]

HEADER = "c2sp.org/tlog-proof@v1"
MOST_HASHES = 63
MOST_BYTES = 1 << 20

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The number of an entry, its inclusion proof, and the checkpoint (a signed note's bytes) that it leads to."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes = field(repr=False)
    extra: bytes = b""

    @property
    def head(self) -> Checkpoint:
        """What the checkpoint says; whether it is signed is for `verify` to find."""
        return Checkpoint.parse(Note.parse(self.checkpoint).text)

    def verify(self, leaf: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
        """Check the checkpoint's signature by one of the log's keys, and that it covers the leaf hash at `index`.

        Returns what the checkpoint says; raises `NotVerified` where any of it does not hold.
        """
        head = self.head
        own = [key for key in keys if key.name == head.origin]
        if not own:
            raise NotVerified(f"the proof is of the log {head.origin!r}, for which no key is given")
        Note.parse(self.checkpoint).verify(own)
        verify_inclusion(leaf, self.index, head.size, self.hashes, head.root)
        return head

    def to_bytes(self) -> bytes:
        """Write the proof."""
        extra = f"extra {base64.b64encode(self.extra).decode()}\n" if self.extra else ""
        head = f"{HEADER}\n{extra}index {self.index}\n"
        return head.encode() + hash_lines(self.hashes) + b"\n" + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> "TlogProof":
        """Read a proof strictly; raise `MalformedInput`."""
        if len(data) > MOST_BYTES:
            raise MalformedInput(f"a tlog-proof has at most {MOST_BYTES} bytes, this one has {len(data)}")
        head, gap, checkpoint = data.partition(b"\n\n")
        lines = utf8(head, "the tlog-proof").split("\n")
        if lines.pop(0) != HEADER or not gap:
            raise MalformedInput(
                f"a tlog-proof begins with the line {HEADER} and has an empty line before its checkpoint"
            )
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = _decoded(lines.pop(0).removeprefix("extra "))
        matched = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if matched is None:
            raise MalformedInput("a tlog-proof says `index` and the number of its entry")
        hashes = parse_hash_lines("".join(f"{line}\n" for line in lines).encode())
        proof = cls(int(matched[1]), hashes, checkpoint, extra)
        if proof.head.size <= proof.index:
            raise MalformedInput(
                f"the checkpoint of {proof.head.size} entries does not reach entry {proof.index}"
            )
        return proof


def hash_lines(hashes: Sequence[bytes]) -> bytes:
    """Write the hashes of a proof in base64, one to a line."""
    return "".join(f"{base64.b64encode(value).decode()}\n" for value in hashes).encode()


def parse_hash_lines(data: bytes) -> tuple[bytes, ...]:
    """Read what `hash_lines` wrote; raise `MalformedInput`."""
    *lines, last = utf8(data, "the proof").split("\n")
    hashes = tuple(_decoded(line) for line in lines)
    if last or len(hashes) > MOST_HASHES or any(len(value) != HASH_SIZE for value in hashes):
        raise MalformedInput(
            f"a proof has at most {MOST_HASHES} lines, each a hash of {HASH_SIZE} bytes in base64"
        )
    return hashes


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise MalformedInput("a line of a proof is standard base64 in its one spelling")
    return data
