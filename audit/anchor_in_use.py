"""The anchor file that a ledger has now, for a process that keeps the ledger open.

Rules:

- The list of anchors is read again where it is another file than before: it is always replaced, never written into.
- It is asked inside the writing transaction. Who names another file holds that lock too (`affidavit anchor add file`),
  so that each entry is in the file that the next append is compared with, whichever process wrote it.

>>> anchor = AnchorInUse(folder)                                              # doctest: +SKIP
>>> Ledger(engine, anchor=anchor)                                             # doctest: +SKIP
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from audit.anchor_file import AnchorFile
from audit.anchor_settings import SETTINGS, AnchorSettings

__all__ = ["AnchorInUse"]


@dataclass(slots=True)
class AnchorInUse:
    """Gives the anchor file that the list in a ledger's folder names, None for none."""

    folder: Path
    _list: tuple[int, ...] = field(default=(), repr=False)
    _file: AnchorFile | None = field(default=None, repr=False)

    def __call__(self) -> AnchorFile | None:
        """Return the file, read anew where the list was replaced."""
        there = self._look()
        if there != self._list:
            # Looked at before it is read: one that is replaced in between is read again the next time.
            self._file = AnchorSettings.read_if_possible(self.folder).anchor_file(self.folder)
            self._list = there
        return self._file

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self.folder / SETTINGS)  # noqa: PTH116 - asked for every append
        except OSError:
            return (0,)
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
