"""Whether a statement stands in a ledger twice: its id is unique, also where the database's own index says so falsely.

Every id is kept in the scratch database, since a ledger may have more of them than fit in memory.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import BLOB, Column, Connection, Integer, MetaData, Table, select
from sqlalchemy.dialects.sqlite import insert

from audit import tables
from audit.entry_findings import is_there_twice
from audit.report import Findings

__all__ = ["StatementIds"]

_ids = Table(
    "statement_ids",
    MetaData(),
    Column("id", BLOB, primary_key=True),
    Column("seq", Integer, nullable=False),
    sqlite_with_rowid=False,
)


class StatementIds:
    """Takes the ids of statements with the numbers of their entries, in order."""

    def __init__(self, scratch: Connection) -> None:
        """Know of no statement yet."""
        self._scratch = scratch
        tables.create_empty(scratch, [_ids])

    def add(self, ids: Sequence[tuple[str, int]], found: Findings) -> None:
        """Take some more; a statement that stands there already is a finding at the later entry."""
        if not ids:
            return
        rows = [{"id": UUID(text).bytes, "seq": seq} for text, seq in ids]
        before = self._changes()
        self._scratch.execute(insert(_ids).on_conflict_do_nothing(), rows)
        if self._changes() - before == len(rows):
            return
        for text, seq in ids:
            first = self._scratch.execute(select(_ids.c.seq).where(_ids.c.id == UUID(text).bytes)).scalar()
            if first != seq:
                is_there_twice(found, seq)

    def _changes(self) -> int:
        return int(self._scratch.exec_driver_sql("SELECT total_changes()").scalar_one())
