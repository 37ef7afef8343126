"""Whether the stored checkpoints, one after the other, are heads of the recomputed tree that the log's keys signed."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row

from audit.errors import AffidavitError
from audit.log_keys import LogKeys
from audit.report import Findings
from audit.trust import Trust
from audit.verify_tree import Tree

__all__ = ["Checkpoints"]


class Checkpoints:
    """Walks the stored checkpoints beside the growing tree: each is checked when the tree has its size.

    So the keys that must have signed it are the log's keys as they stand there, and no root has to be remembered.
    `in_order` says whether their numbers and sizes rise as they must; `handovers` are the sizes at which two keys sign.
    """

    def __init__(
        self, found: Findings, rows: Iterator[Row[Any]], *, number: int = 0, size: int = 0, trusted: int = 0
    ) -> None:
        """Begin before the first of `rows`, which come in order of their numbers, and after `number` and `size`.

        Those of up to `trusted` entries are only counted.
        """
        self.number, self.size = number, size
        self.found, self._rows, self._trusted = found, rows, trusted
        self.in_order = True
        self.handovers: set[int] = set()
        self._next = self._following()

    def reach(self, tree: Tree, trust: Trust) -> None:
        """Check the checkpoints of the size that the tree has now."""
        while self._next is not None and self._next.size <= tree.size:
            self._check(self._next, tree, trust.logs)
            self._next = self._following()

    def finish(self, tree: Tree, trust: Trust) -> None:
        """Check those of more entries than there are, and what all of them together must be."""
        while self._next is not None:
            self._check(self._next, tree, trust.logs)
            self._next = self._following()
        for size in sorted(set(trust.logs.handovers) - self.handovers):
            self.found.add(f"the checkpoint of size {size}, signed by the log's old and new key, is missing")
        if self.size != tree.size:
            self.found.add(
                f"the newest checkpoint is of {self.size} entries, the table records has {tree.size}",
                min(self.size, tree.size),
            )

    def _following(self) -> Row[Any] | None:
        for row in self._rows:
            self.number += 1
            if row.number != self.number:
                self.in_order = False
                self.found.add(f"checkpoint {self.number} is missing from the table checkpoints")
                self.number = row.number
            if type(row.size) is int and row.size > self.size:
                self.size = row.size
                return row
            self.in_order = False
            self.found.add(f"checkpoints.size of checkpoint {row.number} is not more than the one before")
        return None

    def _check(self, row: Row[Any], tree: Tree, logs: LogKeys) -> None:
        if row.size in logs.handovers:
            self.handovers.add(row.size)
        if row.size <= self._trusted:
            return
        self.found.figures["checkpoints"] += 1
        problem = _problem(row, tree, logs)
        if problem:
            self.found.add(f"checkpoint {row.number} (size {row.size}): {problem}", row.size - 1)


def _problem(row: Row[Any], tree: Tree, logs: LogKeys) -> str:
    if logs.newest is None:
        return "the log's key is unknown, since the genesis entry does not read"
    try:
        checkpoint = logs.open(row.note if isinstance(row.note, bytes) else b"")
    except AffidavitError as error:
        return str(error)
    if checkpoint.size != row.size:
        return f"its note is of {checkpoint.size} entries"
    return "" if checkpoint.root == tree.root_at(row.size) else "its root is not that of the records"
