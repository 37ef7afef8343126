"""Which cells differ, and which rows moved, with both tables at hand.

Rules:

- Two cells are equal if the scheme says so (`registry/columns.py`): NaN is missing, 1.5 is 1.50, width does not count.
- Only columns and runs whose leaves differ are read again. Every differing cell is counted; the first ones are listed,
  by row, with the values as text, unless nobody is to see them. Values of keyed columns are never shown.
- Where the fingerprints look as if rows moved, or the numbers of rows differ, rows are matched by hashes of their cells
  (`registry/alignment.py`), and so they are where a row stands in another's place. What is said then is which rows were
  put in, taken out and moved, and the cells that differ in rows that belong together. A row that both tables have is
  never said to be put in, taken out or changed (`registry/matched_rows.py`).
- A retyped column differs as a whole, and its cells are not compared.

>>> import pyarrow as pa
>>> old, new = (AtHand.of(pa.table({"a": values})) for values in ([1, 2, 3], [1, 5, 3]))
>>> cells_of(old, new).lines()
["column 'a', row 1: 2 became 5"]
"""

import json
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from audit.canonical import Json, JsonObject
from registry.alignment import Block, aligned
from registry.at_hand import AtHand
from registry.columns import leaf, logical_type
from registry.diff import RUN, Difference
from registry.layouts import joined, plain, undone
from registry.matched_rows import Span, matched_rows
from registry.row_hashes import hashes_of

__all__ = ["Cell", "Cells", "cells_of"]

MOST_ROWS = 50_000_000
"""Rows that are matched: two hashes of 8 bytes for each are held."""

MOST_PICKED = 10_000
"""Rows that moved and changed whose cells are read."""

MOST_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that differs: its row now and before, and both values as text; a missing one is None."""

    column: str
    row: int
    row_before: int
    before: str | None
    after: str | None

    def to_json(self, *, values: bool) -> JsonObject:
        """Return the member of the command's document."""
        said: JsonObject = {"column": self.column, "row": self.row, "row_before": self.row_before}
        return said | {"before": self.before, "after": self.after} if values else said


@dataclass(frozen=True, slots=True)
class Cells:
    """What differs, cell by cell; `blocks` are the rows that belong together, None where no rows moved."""

    count: int | None
    """How many cells differ in rows that belong together; None where there are too many to read them all, or where
    it is not known which rows do."""
    listed: tuple[Cell, ...]
    hidden: frozenset[str]
    rows: tuple[int, int]
    blocks: tuple[Block, ...] | None = None
    put_in: tuple[Span, ...] = ()
    """The rows of the new table that the old one does not have."""
    taken_out: tuple[Span, ...] = ()
    """The rows of the old table that the new one does not have."""
    elsewhere: int = 0
    """How many rows are in both tables and not in the order of the others."""
    reordered: bool = False
    """The new table has the rows of the old one, each as often, in another order."""
    unmatched: str | None = None
    """Why rows could not be matched, where they would have had to be."""
    most: int = 20

    def to_json(self, *, values: bool) -> JsonObject:
        """Return the member `cells` of the document of `affidavit fingerprint --against`."""
        return {
            "count": self.count,
            "listed": [
                cell.to_json(values=values and cell.column not in self.hidden) for cell in self.listed
            ],
            "put_in": [list(rows) for rows in self.put_in],
            "taken_out": [list(rows) for rows in self.taken_out],
            "moved": [
                {"rows": [block.old, block.old + block.rows], "by": block.new - block.old}
                for block in self.blocks or ()
                if block.new != block.old
            ],
            "elsewhere": self.elsewhere,
            "reordered": self.reordered,
            "unmatched": self.unmatched,
        }

    def lines(self, *, values: bool = True) -> list[str]:
        """Say it in sentences."""
        if self.reordered:
            return [
                f"the same rows in another order: {self.elsewhere:,} of {self.rows[1]:,} stand elsewhere than before"
            ]
        said = [f"{_rows(*rows)} of the new table {_verb(*rows)} put in" for rows in self.put_in]
        said += [f"{_rows(*rows)} of the old table {_verb(*rows)} taken out" for rows in self.taken_out]
        for block in self.blocks or ():
            by = block.new - block.old
            if by:
                said.append(f"{_rows(block.old, block.old + block.rows)} moved by {by:+,}")
        if len(said) > self.most:
            said[self.most :] = [f"and {len(said) - self.most:,} more such changes of rows"]
        if self.elsewhere:
            said.append(f"{self.elsewhere:,} of the same rows in another order")
        if self.unmatched is not None:
            return [*said, self.unmatched]
        said += [self._line(cell, values) for cell in self.listed]
        if self.count is None:
            said += ["more cells differ"] if self.listed else []
        elif self.count > len(self.listed):
            said.append(f"{self.count - len(self.listed):,} more cells differ")
        return said

    def _line(self, cell: Cell, values: bool) -> str:
        where = f"column {cell.column!r}, row {cell.row}"
        if cell.row != cell.row_before:
            where += f" (before: {cell.row_before})"
        if not values or cell.column in self.hidden:
            return f"{where}: another value"
        return f"{where}: {_shown(cell.before)} became {_shown(cell.after)}"


def cells_of(old: AtHand, new: AtHand, *, most: int = 20, seed: bytes | None = None) -> Cells:
    """Compare two tables at hand; `most` cells are listed. The second is what the first became.

    Rows are found again by hashes with this `seed`, a random one where there is none: who knew it could make rows that
    pass for others.
    """
    seed = secrets.token_bytes(16) if seed is None else seed
    difference = old.fingerprint.diff(new.fingerprint)
    columns = _columns(old, new)
    hidden = frozenset(c.name for each in (old, new) for c in each.fingerprint.columns if c.key is not None)
    if difference.moved_from is not None or old.fingerprint.rows != new.fingerprint.rows:
        return _moved(old, new, columns, most, hidden, seed)
    differing = _differing(difference, columns)
    if _rows_moved(old, new, columns, differing, seed):
        return _moved(old, new, columns, most, hidden, seed)
    found = _Found(most)
    for run, before, after in _pairs(old, new, differing):
        for name in before:
            at = np.flatnonzero(unequal(before[name], after[name]))
            found.add(name, before[name], after[name], at, at + run * RUN, at + run * RUN)
    return Cells(found.count, found.listed(), hidden, difference.rows, most=most)


def unequal(old: pa.Array, new: pa.Array) -> NDArray[np.bool_]:
    """Tell for each row whether the scheme calls the two cells different; both have one logical type."""
    one, other = _comparable(plain(old)), _comparable(plain(new))
    if one is None or other is None or one.type != other.type:
        return _by_leaves(old, new)
    differs = pc.fill_null(pc.not_equal(one, other), False).to_numpy(zero_copy_only=False)
    presence: NDArray[np.bool_] = pc.xor(one.is_valid(), other.is_valid()).to_numpy(zero_copy_only=False)
    unlike: NDArray[np.bool_] = presence | differs
    return unlike


def _comparable(array: pa.Array) -> pa.Array | None:
    """Return the values in a type in which Arrow compares them as the scheme does, or None."""
    types, data_type = pa.types, array.type
    if types.is_floating(data_type):
        wide = array.cast(pa.float64())
        return pc.if_else(pc.is_nan(wide), pa.scalar(None, pa.float64()), wide)
    if types.is_integer(data_type) and data_type != pa.uint64():
        return array.cast(pa.int64())
    if types.is_string(data_type) or types.is_large_string(data_type):
        return array.cast(pa.large_string())
    if types.is_binary(data_type) or types.is_large_binary(data_type):
        return array.cast(pa.large_binary())
    return array if types.is_boolean(data_type) or types.is_temporal(data_type) else None


def _by_leaves(old: pa.Array, new: pa.Array) -> NDArray[np.bool_]:
    """Halve the rows where the leaves differ, down to single rows: slower, and right for every type."""
    kind = logical_type(old.type)
    differs = np.zeros(len(old), np.bool_)
    spans = [(0, len(old))]
    while spans:
        start, stop = spans.pop()
        rows = stop - start
        if rows == 0 or leaf(kind, old.slice(start, rows)) == leaf(kind, new.slice(start, rows)):
            continue
        if rows == 1:
            differs[start] = True
        else:
            spans += [(start, start + rows // 2), (start + rows // 2, stop)]
    return differs


# --- rows in their places -----------------------------------------------------------------------------------


def _columns(old: AtHand, new: AtHand) -> list[str]:
    """Return the columns that both tables have in one type, in the order of the new table."""
    before = {column.name: column.type for column in old.fingerprint.columns}
    return [c.name for c in new.fingerprint.columns if before.get(c.name) == c.type]


def _differing(difference: Difference, columns: list[str]) -> dict[str, set[int]]:
    """Return the runs that may differ of every column that can be compared; all of them where it is not known."""
    runs: dict[str, set[int]] = {}
    for each in difference.differences:
        if each.column in columns:
            runs.setdefault(each.column, set()).update(range(each.rows[0] // RUN, -(-each.rows[1] // RUN)))
    for name in difference.unknown:
        if name in columns:
            runs[name] = set(range(-(-difference.rows[0] // RUN)))
    return runs


def _pairs(
    old: AtHand, new: AtHand, wanted: dict[str, set[int]]
) -> Iterator[tuple[int, dict[str, pa.Array], dict[str, pa.Array]]]:
    """Yield the runs of both tables side by side, with the columns that are wanted in them."""
    if not wanted:
        return
    runs = set().union(*wanted.values())
    both = zip(old.runs(list(wanted), runs), new.runs(list(wanted), runs), strict=True)
    for (run, before), (_, after) in both:
        names = [name for name in wanted if run in wanted[name]]
        yield run, {name: before[name] for name in names}, {name: after[name] for name in names}


class _Found:
    """The cells found so far; the first ones by row are kept."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._cells: list[Cell] = []

    def add(self, name: str, old: pa.Array, new: pa.Array, at: Any, rows_old: Any, rows_new: Any) -> None:
        """Take the cells of one column at these places of two arrays, which are these rows of the tables."""
        self.count += len(at)
        several = (
            at[: self._most].tolist(),
            rows_old[: self._most].tolist(),
            rows_new[: self._most].tolist(),
        )
        for place, before, after in zip(*several, strict=True):
            self._cells.append(Cell(name, after, before, *_texts(old[place], new[place])))
        if len(self._cells) > 100 * self._most:
            self._cells = list(self.listed())

    def listed(self) -> tuple[Cell, ...]:
        return tuple(sorted(self._cells, key=lambda cell: cell.row)[: self._most])


# --- rows that moved ----------------------------------------------------------------------------------------


def _moved(
    old: AtHand, new: AtHand, columns: list[str], most: int, hidden: frozenset[str], seed: bytes
) -> Cells:
    rows = (old.fingerprint.rows, new.fingerprint.rows)
    if not columns or max(rows) > MOST_ROWS:
        why = "no column" if not columns else f"more than {MOST_ROWS:,} rows"
        return Cells(None, (), hidden, rows, unmatched=f"rows were not matched: {why} to match them by")
    before, after = _hashes(old, columns, seed), _hashes(new, columns, seed)
    if len(before) == len(after) and bool((np.sort(before) == np.sort(after)).all()):
        elsewhere = int((before != after).sum())
        return Cells(None, (), hidden, rows, elsewhere=elsewhere, reordered=True, most=most)
    blocks = aligned(before, after)
    if len(before) == len(after) and _equal(before, after, [Block(0, 0, len(before))]) >= _equal(
        before, after, blocks or []
    ):
        blocks = [Block(0, 0, len(before))]
    matched = matched_rows(before, after, blocks or ())
    found = _Found(most)
    pairs = matched.changed
    one, other = _picked(old, columns, pairs[:MOST_PICKED, 0]), _picked(new, columns, pairs[:MOST_PICKED, 1])
    for name in columns:
        at = np.flatnonzero(unequal(one[name], other[name]))
        found.add(name, one[name], other[name], at, pairs[at, 0], pairs[at, 1])
    return Cells(
        count=found.count if blocks is not None and len(pairs) <= MOST_PICKED else None,
        listed=found.listed(),
        hidden=hidden,
        rows=rows,
        blocks=None if blocks is None else tuple(blocks),
        put_in=matched.put_in,
        taken_out=matched.taken_out,
        elsewhere=matched.elsewhere,
        most=most,
    )


def _equal(before: Any, after: Any, blocks: list[Block]) -> int:
    """Count the rows that are equal where the blocks pair them."""
    return sum(int((before[b.old : b.old + b.rows] == after[b.new : b.new + b.rows]).sum()) for b in blocks)


def _rows_moved(
    old: AtHand, new: AtHand, columns: list[str], differing: dict[str, set[int]], seed: bytes
) -> bool:
    """Say whether rows that do not stand where they did are in the runs that differ, so that no cell changed there."""
    runs = set().union(*differing.values())
    if not runs or max(old.fingerprint.rows, new.fingerprint.rows) > MOST_ROWS:
        return False
    before, after = (_hashes(each, columns, seed, runs) for each in (old, new))
    at = before != after
    return bool(np.isin(before[at], after[at]).any())


def _hashes(
    table: AtHand, columns: list[str], seed: bytes, runs: set[int] | None = None
) -> NDArray[np.uint64]:
    """Return a hash of every row over these columns, or of the rows of some runs."""
    read = table.runs(columns) if runs is None else table.runs(columns, runs)
    found = [hashes_of([arrays[name] for name in columns], seed) for _, arrays in read]
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def _picked(table: AtHand, columns: list[str], rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Read single rows."""
    wanted = {int(row) // RUN for row in rows}
    picked: dict[str, list[pa.Array]] = {name: [] for name in columns}
    if wanted:
        for run, arrays in table.runs(columns, wanted):
            here = rows[(rows // RUN) == run] - run * RUN
            for name in columns:
                picked[name].append(undone(arrays[name]).take(pa.array(here)))
    return {name: joined(pieces) if pieces else pa.nulls(0) for name, pieces in picked.items()}


# --- words --------------------------------------------------------------------------------------------------


def _texts(old: pa.Scalar, new: pa.Scalar) -> tuple[str | None, str | None]:
    """Write two values that differ so that it can be seen where."""
    before, after = _text(old), _text(new)
    if before is None or after is None:
        return before and _cut(before, 0), after and _cut(after, 0)
    if _composed(before) == _composed(after):
        before, after = (text.encode("ascii", "backslashreplace").decode() for text in (before, after))
    pairs = enumerate(zip(before, after, strict=False))
    alike = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    start = max(0, alike - MOST_CHARACTERS // 3) if alike > MOST_CHARACTERS // 2 else 0
    return _cut(before, start), _cut(after, start)


def _composed(text: str) -> str:
    """Write letters and their accents as one, as they look."""
    return unicodedata.normalize("NFC", text)


def _cut(text: str, start: int) -> str:
    """Return at most so many characters of a text from one on."""
    left = text if start == 0 else "..." + text[start:]
    return left if len(left) <= MOST_CHARACTERS else left[: MOST_CHARACTERS - 3] + "..."


def _text(scalar: pa.Scalar) -> str | None:
    try:
        value: Json | object = scalar.as_py()
    except (
        ValueError,
        OverflowError,
    ):  # a moment that Python does not have, two fields of one name, no UTF-8
        return _as_arrow_writes(scalar)
    if value is None or value != value:
        return None
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def _as_arrow_writes(scalar: pa.Scalar) -> str:
    try:
        return str(scalar.cast(pa.string()))
    except (pa.ArrowNotImplementedError, UnicodeDecodeError):
        return "a value that cannot be shown"


def _shown(value: str | None) -> str:
    return "missing" if value is None else value


def _rows(start: int, stop: int) -> str:
    return f"row {start}" if stop == start + 1 else f"rows {start} to {stop - 1}"


def _verb(start: int, stop: int) -> str:
    return "was" if stop == start + 1 else "were"
