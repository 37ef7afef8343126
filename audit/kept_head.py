"""A checkpoint that the reader of evidence kept, where the evidence cannot be held against it.

Rules:

- One of more entries than the copy at hand may be newer than the copy, or the copy may have lost its tail. Nobody can
  tell which from the two of them: nothing is refuted, nothing is vouched for, and the answer as a whole is not
  "verified", since what the reader asked was not answered.
- It is refuted all the same where it is of another log, where a signature by a key that is known does not verify, and
  where a key signed it that the log had given up before.
- The same is the answer where a bundle holds no proof from the checkpoint's tree to its own.

>>> incomparable(kept, logs, 12)                                              # doctest: +SKIP
'it is of 20 entries and this copy of 12: ...'
"""

from collections.abc import Callable

from audit.checkpoint import Checkpoint
from audit.errors import NotVerified
from audit.log_keys import LogKeys
from audit.note import Note

__all__ = ["incomparable"]


def incomparable(
    kept: bytes, logs: LogKeys, size: int, proves: Callable[[int], bool] = lambda size: True
) -> str:
    """Say why a checkpoint cannot be compared with a copy of `size` entries; empty where it can.

    `proves` says whether the copy can show that the tree of so many entries is the beginning of its own. Raises
    `NotVerified` where the checkpoint is refuted by itself.
    """
    note = Note.parse(kept)
    head = Checkpoint.parse(note.text)
    if logs.newest is None:
        return "no entry could be read that names the log's key"
    if head.size <= size:
        logs.open(kept)
        return "" if proves(head.size) else _unproven(head.size)
    _check_newer(note, head, logs)
    return (
        f"it is of {head.size} entries and this copy of {size}: either it is newer than the copy, or the copy lost its "
        f"tail; to tell, get a copy of {head.size} entries or more"
    )


def _unproven(size: int) -> str:
    return (
        f"nothing in the bundle proves that its {size} entries are the beginning of this history: ask for one that "
        "`affidavit export --checkpoint` made"
    )


def _check_newer(note: Note, head: Checkpoint, logs: LogKeys) -> None:
    """Raise `NotVerified` unless the head can be a later one of this log, by a key that is known here or is not."""
    newest = logs.keys[-1]
    if head.origin != newest.name:
        raise NotVerified(f"it is of the ledger {head.origin!r}, not of {newest.name!r}")
    if note.text != head.text():
        raise NotVerified("the log's own checkpoints have the lines origin, size and root, and no more")
    known = {(key.name, key.hash) for key in logs.keys}
    if not known & {(line.name, line.key_hash) for line in note.signatures}:
        return  # by a key that came later, or by somebody else's: it is not believed either way
    if note.verify(logs.keys) != (newest,):
        raise NotVerified("it is signed by a key that the log had given up before")
