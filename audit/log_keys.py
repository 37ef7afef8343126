"""Who signs the heads of a ledger: the log's keys over time.

Rules:

- The genesis entry names the log's first key, and every ``log-rotate`` another one, never one that it had before.
- A checkpoint of ``size`` entries is signed by the key that the newest of these names among the entries before
  ``size``.
- The checkpoint that ends with a ``log-rotate`` is signed by both keys, the old one first: who knows the old key
  learns the new one from it. So a ``log-rotate`` is the last entry of its batch.
- Every key of the log carries the ledger's origin as its name.

>>> LogKeys().at(1) is None
True
"""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.checkpoint import Checkpoint
from audit.errors import MalformedInput, NotPermitted, NotVerified
from audit.keys import PublicKey, Signer
from audit.note import Note, NoteSignature, VerifierKey, sign_note

__all__ = ["LogKeys", "sign_head"]


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log's keys, the oldest first, each with the number of the entry that named it."""

    named: tuple[tuple[int, VerifierKey], ...] = ()

    @property
    def newest(self) -> VerifierKey | None:
        """The key that signs from here on; None before the genesis entry."""
        return self.named[-1][1] if self.named else None

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key that the log has had, the oldest first."""
        return tuple(key for _, key in self.named)

    @property
    def handovers(self) -> tuple[int, ...]:
        """The sizes at which a checkpoint stands that two keys signed."""
        return tuple(seq + 1 for seq, _ in self.named[1:])

    def at(self, size: int) -> VerifierKey | None:
        """Return the key that signs a checkpoint of `size` entries; None where there is none yet."""
        return next((key for seq, key in reversed(self.named) if seq < size), None)

    def signing(self, size: int) -> tuple[VerifierKey, ...]:
        """List the keys that must sign a checkpoint of `size` entries: one, or two where the log's key changed."""
        known = [key for seq, key in self.named if seq < size]
        return tuple(known[-2:] if size in self.handovers else known[-1:])

    def had(self, public: PublicKey) -> bool:
        """Say whether a public key is or was the log's."""
        return any(PublicKey.of_raw(key.raw) == public for key in self.keys)

    def then(self, seq: int, key: VerifierKey) -> "LogKeys":
        """Return the keys once the entry `seq` has named another; `MalformedInput` for one that it had before."""
        if key in self.keys:
            raise MalformedInput("the log had this key before: its next one is a new key")
        if self.newest is not None and key.name != self.newest.name:
            raise MalformedInput(f"the log's key is named {key.name!r}, this ledger is {self.newest.name!r}")
        return LogKeys((*self.named, (seq, key)))

    def open(self, data: bytes) -> Checkpoint:
        """Read a checkpoint and verify that it is signed by the keys that must have; raise `NotVerified`."""
        note = Note.parse(data)
        checkpoint = Checkpoint.parse(note.text)
        needed = self.signing(checkpoint.size)
        if not needed:
            raise NotVerified(f"no key of the log is known that signs a checkpoint of size {checkpoint.size}")
        if note.text != checkpoint.text():
            raise NotVerified("the log's own checkpoints have the lines origin, size and root, and no more")
        if checkpoint.origin != needed[-1].name:
            raise NotVerified(
                f"the checkpoint is of the ledger {checkpoint.origin!r}, not of {needed[-1].name!r}"
            )
        if not {(line.name, line.key_hash) for line in note.signatures} & {
            (k.name, k.hash) for k in self.keys
        }:
            raise NotVerified(
                f"the checkpoint is of a ledger {checkpoint.origin!r} and signed by none of the keys of this one: "
                "it is newer than what is here and the log's key was rotated since, or there are two ledgers with one "
                "origin, or it was forged"
            )
        signed = note.verify(self.keys)
        if signed != needed:
            raise NotVerified(
                f"the checkpoint of size {checkpoint.size} is not signed by {_named(needed)}, but by {_named(signed)}"
            )
        return checkpoint


def sign_head(checkpoint: Checkpoint, before: LogKeys, after: LogKeys, signers: Sequence[Signer]) -> bytes:
    """Sign the head that a batch of entries ends with; return the note's bytes.

    `before` and `after` are the log's keys before and after the batch, `signers` those at hand, in any order. Raises
    `NotPermitted` where one that must sign is not among them, `MalformedInput` where entries follow a ``log-rotate``
    in its batch.
    """
    new = after.named[len(before.named) :]
    if before.named and any(seq != checkpoint.size - 1 for seq, _ in new):
        raise MalformedInput(
            "the entry that changes the log's key is the last of its batch, and the only such one"
        )
    at_hand = {signer.public: signer for signer in signers}
    lines: list[NoteSignature] = []
    for key in after.signing(checkpoint.size):
        signer = at_hand.get(PublicKey.of_raw(key.raw))
        if signer is None:
            raise NotPermitted(
                f"the log key at hand is not the one that signs this ledger's heads now ({key.hash.hex()}): "
                "`affidavit key list` shows which does"
            )
        lines += sign_note(checkpoint.text(), checkpoint.origin, signer).signatures
    return Note(checkpoint.text(), tuple(lines)).to_bytes()


def _named(keys: Sequence[VerifierKey]) -> str:
    return " and ".join(f"the log key {key.hash.hex()}" for key in keys)
