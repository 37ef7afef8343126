"""The folder in which a ledger is made before it gets its name, and what is left of one that nobody finished.

Rules:

- It lies beside the place of the ledger, is named `.affidavit-new-...`, and is locked as long as somebody works in it.
- It goes away with whatever ends the making. What a killed process leaves is not locked any more, was never a ledger
  to anybody, and is cleared away by the next one who makes a ledger there.
- Its name is no proof of that: somebody may have copied a ledger there. A file in it says that it is unfinished, which
  comes first and goes last, or when the folder has its name. Without it only an empty folder is cleared away, and no
  link is followed.
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

__all__ = ["clear_unfinished", "mark_finished", "unfinished_home"]

_MARK = "unfinished"

_PREFIX = ".affidavit-new-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def unfinished_home(folder: Path) -> Iterator[Path]:
    """Make the folder for a ledger that is about to be made in `folder`; it goes away, unless it was renamed."""
    making = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        (making / _MARK).touch()
        sync_folder(making)
        # By its name the next one finds what a loss of power left, and an anchor outside that belongs to it.
        sync_folder(folder)
        descriptor = os.open(making, _FOLDER)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield making
        finally:
            os.close(descriptor)
    finally:
        with suppress(OSError):
            _remove(making)


def mark_finished(home: Path) -> None:
    """Say of a folder that was made as an unfinished one, and has its name now, that it is a ledger."""
    # Whatever becomes of this: a ledger is known by its name.
    with suppress(OSError):
        (home / _MARK).unlink()


def clear_unfinished(folder: Path) -> list[str]:
    """Remove what is left of ledgers that were being made in `folder` when their process was killed; name it."""
    cleared = list[str]()
    for left in sorted(folder.glob(f"{_PREFIX}*/")):
        # One that is locked is being worked in, and one that does not go is in nobody's way.
        with suppress(OSError):
            _clear(left)
            cleared.append(left.name)
    return cleared


def _clear(left: Path) -> None:
    """Remove a folder that nobody works in any more; `OSError` where it is locked or does not go."""
    descriptor = os.open(left, _FOLDER)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (left / _MARK).exists():
            _forget_anchor(left)
            _remove(left)
        else:
            left.rmdir()  # of a process that was killed at once: it is empty, or it is somebody's
    finally:
        os.close(descriptor)


def _remove(left: Path) -> None:
    for path in left.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _MARK:
            path.unlink()
    (left / _MARK).unlink(missing_ok=True)
    left.rmdir()


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
