"""What differs between two fingerprints: columns, runs of rows, names, types, order, row counts.

A fingerprint keeps one digest per column and run of `RUN` rows, so two of them are enough to say where two
tables differ; the tables themselves are not needed.

Rules:

- Columns are matched by name. One that only the second table has is *added*, one that only the first has is
  *removed*, one whose logical type changed is *retyped* (and differs in all its rows).
- An added column of the type and digests of a removed one is *renamed*, where no other column could be meant. Leaves of
  keyed columns depend on their names, so that these are never seen to be renamed.
- Row ranges are half-open `(start, stop)`, counted from 0. They are as fine as the runs: a change in one cell
  is located to the run that holds it. Neighbouring runs are joined.
- A row put in or taken out moves every row behind it, so every run from there on differs. Where that is what the
  leaves look like, `reasons` says so; `registry/cells.py` finds out, with both tables at hand.
- A column that is keyed on one side, or with another key, is *unknown*: nothing can be said about its values. Tables
  with such a column are never called equal.

>>> Difference(False, (ColumnDifference("income", (0, 65536)),), rows=(90000, 90000)).lines()
["column 'income' differs somewhere in rows 0 to 65535"]
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.canonical import Json, JsonObject

__all__ = ["RUN", "ColumnDifference", "Difference", "difference"]

RUN = 65_536
"""Rows per run: the resolution of a difference, and part of the scheme."""


class Column(Protocol):
    """What is asked of one column of a fingerprint."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def leaves(self) -> tuple[str, ...]: ...
    @property
    def key(self) -> str | None: ...


class Table(Protocol):
    """What is asked of a fingerprint."""

    @property
    def rows(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def columns(self) -> Sequence[Column]: ...


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """Rows `rows[0]` up to, not including, `rows[1]` of a column hold a difference."""

    column: str
    rows: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything two fingerprints can say about how their tables differ."""

    equal: bool
    differences: tuple[ColumnDifference, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reordered: bool = False
    retyped: tuple[tuple[str, str, str], ...] = ()
    rows: tuple[int, int] = (0, 0)
    unknown: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """What a column was called and is called now; both names are in `removed` and `added` too."""
    moved_from: int | None = None
    """The row from which every column that can be compared differs, up to the end; None where it is not so."""

    @property
    def only_unknown(self) -> bool:
        """Whether all that keeps the tables from being called equal is columns that cannot be compared."""
        known = (self.differences, self.added, self.removed, self.reordered, self.retyped)
        return bool(self.unknown) and not any(known) and self.rows[0] == self.rows[1]

    def to_json(self) -> JsonObject:
        """Return the document of `affidavit fingerprint --against`."""
        return {
            "equal": self.equal,
            "differences": [{"column": each.column, "rows": list(each.rows)} for each in self.differences],
            "added": list(self.added),
            "removed": list(self.removed),
            "renamed": [{"from": old, "to": new} for old, new in self.renamed],
            "reordered": self.reordered,
            "retyped": [{"column": name, "from": old, "to": new} for name, old, new in self.retyped],
            "rows": list(self.rows),
            "unknown": list(self.unknown),
            "reasons": list[Json](self.reasons()),
        }

    def lines(self) -> list[str]:
        """Say the difference in sentences, the coarsest first."""
        if self.equal:
            return ["the tables are equal"]
        lines = []
        if self.rows[0] != self.rows[1]:
            lines.append(f"{self.rows[0]:,} rows became {self.rows[1]:,}")
        told = {name for names in self.renamed for name in names}
        lines += [
            f"column {old!r} is called {new!r} now: all its values are the same" for old, new in self.renamed
        ]
        lines += [f"column {name!r} is new" for name in self.added if name not in told]
        lines += [f"column {name!r} is gone" for name in self.removed if name not in told]
        lines += [f"column {name!r} was {old} and is {new}" for name, old, new in self.retyped]
        if self.reordered:
            lines.append("the columns stand in another order")
        retyped = {name for name, _, _ in self.retyped}
        for each in self.differences:
            if each.column not in retyped:
                start, stop = each.rows
                lines.append(f"column {each.column!r} differs somewhere in rows {start} to {stop - 1}")
        lines += [
            f"column {name!r} is not known to be equal: it is not keyed alike on both sides"
            for name in self.unknown
        ]
        return lines or ["the tables differ"]

    def reasons(self) -> list[str]:
        """Say why whole ranges of rows are named, and what they look like."""
        retyped = {name for name, _, _ in self.retyped}
        said = []
        if any(each.column not in retyped for each in self.differences):
            said.append(
                f"a fingerprint has one digest for {RUN:,} rows of a column, so a difference is known to that range "
                "and not to its cell"
            )
        if self.moved_from is not None:
            said.append(
                f"every column differs from row {self.moved_from} to the end, as it does when rows are put in, taken "
                "out or sorted anew there: all rows behind them move"
            )
        return said


def difference(old: Table, new: Table) -> Difference:
    """Compare two fingerprints; the second is what the first became."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    common = [name for name in before if name in after]
    unknown = tuple(name for name in common if before[name].key != after[name].key)
    added = tuple(name for name in after if name not in before)
    removed = tuple(name for name in before if name not in after)
    rows = max(old.rows, new.rows)
    spans = {name: list(_spans(before[name], after[name], rows)) for name in common if name not in unknown}
    retyped = tuple(
        (name, before[name].type, after[name].type)
        for name in common
        if before[name].type != after[name].type
    )
    return Difference(
        equal=old.digest == new.digest,
        differences=tuple(ColumnDifference(name, span) for name, many in spans.items() for span in many),
        added=added,
        removed=removed,
        reordered=common != [name for name in after if name in before],
        retyped=retyped,
        rows=(old.rows, new.rows),
        unknown=unknown,
        renamed=tuple(_renamed(before, after)) if rows else (),
        moved_from=_moved_from(spans, rows, {name for name, _, _ in retyped}),
    )


def _renamed(before: Mapping[str, Column], after: Mapping[str, Column]) -> Iterator[tuple[str, str]]:
    """Yield the old and the new name of columns that each table has once, under a name of its own."""
    was, now = _by_content(before), _by_content(after)
    for content, names in was.items():
        others = now.get(content, [])
        if len(names) == len(others) == 1 and names[0] not in after and others[0] not in before:
            yield names[0], others[0]


def _by_content(columns: Mapping[str, Column]) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """Return the names of the bare columns by what is in them."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, column in columns.items():
        if column.key is None:
            found.setdefault((column.type, column.leaves), []).append(name)
    return found


def _moved_from(spans: dict[str, list[tuple[int, int]]], rows: int, retyped: set[str]) -> int | None:
    """Return where the last range begins, if all columns have the same one and it reaches the end."""
    last = [many[-1] if many else None for name, many in spans.items() if name not in retyped]
    if len(last) < 2 or len(set(last)) != 1:
        return None
    span = last[0]
    return span[0] if span is not None and span[1] == rows else None


def _spans(before: Column, after: Column, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the joined row ranges of the runs that differ or that only one side has."""
    old, new, runs = before.leaves, after.leaves, -(-rows // RUN)
    retyped = before.type != after.type
    start: int | None = None
    for run in range(runs + 1):
        differs = run < runs and (retyped or old[run : run + 1] != new[run : run + 1])
        if differs and start is None:
            start = run
        elif not differs and start is not None:
            yield start * RUN, min(run * RUN, rows)
            start = None
