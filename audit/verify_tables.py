"""Whether the tables beside the records are what replaying the entries gives: step 6 of verification.

The entries are replayed into a scratch database, and both databases are read side by side in the order of their keys,
so that neither has to fit in memory. The definitions of tables, indexes and triggers are compared too, and SQLite's
own check of its pages is run. Tables that can be erased are compared with what entries commit to (`audit.bindings`).
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select
from sqlalchemy.exc import DatabaseError, OperationalError

from audit import tables
from audit.bindings import Bindings
from audit.errors import EnvironmentFailed
from audit.follower import Follower
from audit.record import Entry
from audit.report import Findings, Step, counted
from audit.trust import Trust

__all__ = ["Replay"]

_Key = tuple[tuple[int, Any], ...]


class Replay:
    """Lets the followers learn from every entry again, and compares what is stored with what they learned."""

    def __init__(
        self, scratch: Connection, followers: Sequence[Follower], expected: Sequence[Table], found: Findings
    ) -> None:
        """Make empty tables in `scratch`: those of the followers, and `expected` of the ledger itself."""
        self.found = found
        self._scratch, self._followers, self._expected = scratch, followers, expected
        self._bindings = Bindings()
        self._stopped = False
        self._tables = [*expected, *(table for f in followers for table in f.metadata.sorted_tables)]
        tables.create_empty(scratch, self._tables)
        tables.create_guards(scratch)

    def compare_schema(self, stored: Connection) -> None:
        """Compare every definition in the database."""
        self.found.extend(f"the database's {mark}" for mark in tables.changed_marks(stored))
        here, expected = tables.schema(stored), tables.expected_schema(stored, self._scratch, self._tables)
        # Tables first: the indexes that come and go with them say nothing more.
        for name in sorted(here.keys() | expected.keys(), key=lambda n: (not n.startswith("table "), n)):
            if name not in here:
                self.found.add(f"the database has no {name}")
            elif name not in expected:
                self.found.add(f"the {name} in the database is not affidavit's")
            elif here[name] != expected[name]:
                self.found.add(f"the definition of the {name} was changed")

    def see(self, seq: int, entry: Entry | None) -> None:
        """Replay one entry; None is one that does not read."""
        if entry is not None:
            self._bindings.see(entry)
        if self._stopped:
            return
        if entry is None:
            self._stop(seq, "it does not read")
            return
        try:
            for follower in self._followers:
                follower.apply(self._scratch, entry)
        except Exception as error:
            if isinstance(error, OperationalError) and not tables.is_damage(error):
                raise EnvironmentFailed(f"the entries could not be replayed: {error.orig}") from error
            # A follower meets anything in a ledger that was tampered with: whatever it raises is a finding.
            # Of a database's error the driver's own words: SQLAlchemy adds the statement and a link.
            said = error.orig if isinstance(error, DatabaseError) else error
            self._stop(seq, f"{type(said).__name__}: {said}")

    def _stop(self, seq: int, reason: str) -> None:
        self._stopped = True
        self.found.add(f"the tables could not be replayed from entry {seq} on ({reason})", seq)

    def finish(self, stored: Connection, trust: Trust) -> Step:
        """Compare every row of the followers' tables, who holds which key, and the pages of the file."""
        for metadata in () if self._stopped else [f.metadata for f in self._followers]:
            lost = tables.lost_columns(stored, metadata.sorted_tables)
            self.found.extend(f"the database has no {what}" for what in lost)
            gone = {what.split()[1].split(".")[0] for what in lost}
            for table in metadata.sorted_tables:
                if table.name not in gone:
                    _compare_rows(self.found, table, stored, self._scratch)
        self._compare_erasable(stored, trust)
        damaged = tables.check_pages(stored)
        if damaged:
            self.found.add(f"SQLite's own check found damage: {damaged[0]}")
        figures = self.found.figures
        unchecked = (
            "; the pages of the database were not checked (pg_amcheck does)" if damaged is None else ""
        )
        return self.found.step(
            f"{counted(figures['rows'], 'row')} replayed from the entries equal those stored; "
            f"{self._bindings.summary(trust.grants)}{unchecked}"
        )

    def _compare_erasable(self, stored: Connection, trust: Trust) -> None:
        """Compare people with what entries commit to, but for those whom an entry erased."""
        erasable = (tables.holders, tables.subjects)
        rows = [stored.execute(select(t)).all() if t in self._expected else [] for t in erasable]
        self.found.figures["holders"] = len(rows[0])
        for sentence, seq in self._bindings.problems(trust.grants, *rows):
            self.found.add(sentence, seq)


def _compare_rows(found: Findings, table: Table, stored: Connection, replayed: Connection) -> None:
    """Compare two tables row by row, both read in the order of their keys."""
    both = merge(_rows(table, replayed, "replayed"), _rows(table, stored, "stored"), key=itemgetter(0))
    for _, rows in groupby(both, key=itemgetter(0)):
        by = {whose: row for _, whose, row in rows}
        expected, here = by.get("replayed"), by.get("stored")
        found.figures["rows"] += here is not None
        if here is None:
            found.add(f"the row {_where(table, by['replayed'])} is missing")
        elif expected is None:
            found.add(f"the row {_where(table, here)} follows from no entry")
        else:
            for column in (c.name for c in table.columns if here[c.name] != expected[c.name]):
                found.add(f"{table.name}.{column} of the row {_where(table, here)} was changed")


def _rows(table: Table, connection: Connection, whose: str) -> Iterator[tuple[_Key, str, RowMapping]]:
    keys = list(table.primary_key.columns)
    for row in connection.execute(select(table).order_by(*keys)).mappings():
        yield tuple(_sortable(row[key.name]) for key in keys), whose, row


def _sortable(value: object) -> tuple[int, Any]:
    """Order any value as SQLite does, also one of a type that the column should not hold.

    Source: SQLite documentation, "Datatypes in SQLite", 4.1, and memcmp for text.
    """
    match value:
        case None:
            return (0, 0)
        case int() | float():
            return (1, value)
        case str():
            return (2, value.encode("utf-8", "surrogateescape"))
    return (3, value)


def _where(table: Table, row: RowMapping) -> str:
    return f"{table.name} {', '.join(str(row[key.name]) for key in table.primary_key.columns)}"
