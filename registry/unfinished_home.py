"""The folder in which a ledger is made before it gets its name, and what is left of one that nobody finished.

Rules:

- It lies beside the place of the ledger, is named `.affidavit-new-...`, and is locked as long as somebody works in it.
- It goes away with whatever ends the making. What a killed process leaves is not locked any more, was never a ledger
  to anybody, and is cleared away by the next one who makes a ledger there.
- An anchor file outside that such a ledger had begun goes with it: only where the log's key that lies in the folder
  signed what the file holds, so that no other ledger's is ever touched.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audit.anchor_settings import AnchorSettings
from audit.checkpoint import Checkpoint
from audit.durable import sync_folder
from audit.errors import AffidavitError
from audit.keystore import LOG_KEY, KeyStore
from audit.note import Note, VerifierKey

__all__ = ["clear_unfinished", "unfinished_home"]

_PREFIX = ".affidavit-new-"


@contextmanager
def unfinished_home(folder: Path) -> Iterator[Path]:
    """Make the folder for a ledger that is about to be made in `folder`; it goes away, unless it was renamed."""
    making = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        # By its name the next one finds what a loss of power left, and an anchor outside that belongs to it.
        sync_folder(folder)
        descriptor = os.open(making, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield making
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def clear_unfinished(folder: Path) -> list[str]:
    """Remove what is left of ledgers that were being made in `folder` when their process was killed; name it."""
    cleared = list[str]()
    for left in sorted(folder.glob(f"{_PREFIX}*/")):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _forget_anchor(left)
                shutil.rmtree(left)
                cleared.append(left.name)
            finally:
                os.close(descriptor)
    return cleared


def _forget_anchor(left: Path) -> None:
    """Remove the anchor file outside that names a ledger which was never there."""
    with suppress(AffidavitError, OSError):
        named = AnchorSettings.read(left).file
        if named is None or not Path(named).is_absolute():
            return
        note = Note.parse(Path(named).read_bytes())
        log = KeyStore(left / "keys").public(LOG_KEY)
        note.verify([VerifierKey(Checkpoint.parse(note.text).origin, log.raw)])
        Path(named).unlink()
