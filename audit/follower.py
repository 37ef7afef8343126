"""What is kept beside the ledger: tables that are learned from its entries, and artifacts that they name.

A follower reads entries in order and keeps tables. It never judges, never reads a clock and never calls out, so
that learning again from the first entry gives equal tables. The ledger calls it inside the writing transaction;
verification calls it on an empty database and compares.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, MetaData

from audit.record import Entry
from audit.statement import Statement

__all__ = ["Artifacts", "Follower"]


class Follower(Protocol):
    """Keeps tables that follow from the entries alone."""

    @property
    def metadata(self) -> MetaData:
        """The tables that this follower keeps, and nobody else writes."""
        ...

    def apply(self, connection: Connection, entry: Entry) -> None:
        """Learn from one entry."""
        ...


class Artifacts(Protocol):
    """Bytes kept outside the ledger under their SHA-256."""

    def references(self, statement: Statement) -> Iterable[str]:
        """Digests that a statement says are kept."""
        ...

    def problem(self, digest: str) -> str | None:
        """Read the bytes again; say in a sentence what is wrong with them, or None."""
        ...

    def kept(self) -> Iterator[str]:
        """Every digest that is kept, referred to or not."""
        ...

    def copied(self, folder: Path, digest: str) -> "Artifacts":
        """Copy one artifact into another ledger's folder, and open the store there."""
        ...

    def strays(self) -> Iterable[str]:
        """Names of files that are not artifacts at all."""
        ...
