"""Which groups an evaluation tells by themselves and which together, so that no figure is about few people.

Rules:

- A set of rows is small below `small_cell` rows (`registry.disclosure`).
- What is told by itself depends on the numbers of rows alone, never on labels or predictions. A rule that hides groups
  for what happened to them tells it to whoever knows their sizes (R. C.-W. Wong and others: "Minimality attack in
  privacy preserving data publishing", VLDB 2007).
- Small groups are told together, as one. Until that one is no longer small, and is more than one group, the next
  smallest joins it (complementary suppression: A. Hundepool and others: "Statistical disclosure control", 2012,
  chapter 4). Rows without a value are a group like any other here.
- The groups of an intersection are made of what is told of its columns, and are told together in the same way.
- Tables of the same rows are linked: what two of them tell gives away by subtraction what neither does. So a table is
  told only up to where no sum and difference of all that is told, the total among it, is exactly a small group of any
  of the tables, nor a small set that the groups of two of them have in common (`_worked_out`).
- What this does not do: sets of rows that are no group and no meeting of two, and bounds (that no count is negative)
  are not looked at. Counts within a group that is told are told.

>>> codes = np.repeat([[0], [1], [2]], [40, 30, 3], axis=0)
>>> told_together(codes, [(0,)], 10)[0].tolist() == [0] * 40 + [1] * 33
True
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["told_together"]

EVERYTHING = 1
"""The `small_cell` with which every group is told: no set of rows is small."""

MOST_BLOCKS = 1000
"""So many groups are told of all tables at most: whether they give another away takes their cube of work."""

EXACT = 1e-6
NO_MORE = 1e-9
"""Eigenvalues below this share are zero: those of real groups are as many rows as they differ by, to all rows."""

AT_ONCE = 4096

Whole = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def told_together(codes: Whole, tables: Sequence[tuple[int, ...]], small_cell: int) -> list[Whole]:
    """Return for each table the number of the block in which each row is told, in the order of the groups.

    `codes` of shape (n, k) has the groups of every column, -1 for no value. `tables` are tuples of columns, those of
    one column first.
    """
    atoms, place, rows = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return [blocks[place.reshape(-1)] for blocks in _Telling(atoms, rows, tables, small_cell).all()]


class _Telling:
    """The tables that are told so far, over the rows that have the same value in every column (atoms)."""

    def __init__(self, atoms: Whole, rows: Whole, tables: Sequence[tuple[int, ...]], small_cell: int) -> None:
        self._atoms, self._rows, self._tables = atoms, rows, tables
        self._small_cell = small_cell
        self._groups = [_numbered(atoms[:, list(table)]) for table in tables]
        self._told: list[Whole] = []

    def all(self) -> list[Whole]:
        """Tell one table after the other."""
        alone: dict[int, Whole] = {}
        for table in self._tables:
            if len(table) == 1:
                blocks = self._merged(_numbered(self._atoms[:, list(table)]))
                alone[table[0]] = self._marked(blocks, table[0])
            else:
                parts = np.column_stack([alone[column] for column in table])
                parts[(parts < 0).any(axis=1)] = -1
                blocks = self._merged(_numbered(parts))
            self._told.append(blocks)
        return self._told

    def _marked(self, blocks: Whole, column: int) -> Whole:
        """Mark a block in which no row has a value by -1."""
        known = np.bincount(blocks, weights=self._atoms[:, column] >= 0) > 0
        return np.where(known[blocks], blocks, -1)

    def _merged(self, blocks: Whole) -> Whole:
        """Put together as few of the smallest blocks as will do."""
        rows = self._summed(blocks)
        order = np.argsort(rows, kind="stable")
        least, most = int(self._small(rows).sum()), len(rows)
        if self._holds(_joined(blocks, order[:least])):
            return _joined(blocks, order[:least])
        # Where so many will do, more would too; all of them say nothing beside the total.
        while least < most:
            half = (least + most) // 2
            if self._holds(_joined(blocks, order[:half])):
                most = half
            else:
                least = half + 1
        return _joined(blocks, order[:most])

    def _holds(self, blocks: Whole) -> bool:
        """Say whether nothing small is told where a table is told so."""
        rows = self._summed(blocks)
        if len(rows) == 1:
            return True
        if self._small(rows).any():
            return False
        if not self._told or self._small_cell <= EVERYTHING:
            return True
        told = [*self._told, blocks]
        if sum(int(each.max()) + 1 for each in told) > MOST_BLOCKS:
            return False
        return not _worked_out(told, self._small_sets(told), self._rows)

    def _small_sets(self, told: Sequence[Whole]) -> Iterator[tuple[Whole, Whole]]:
        """Yield divisions of the atoms into sets, and which sets are small: groups, and what two tables share."""
        pairs = (
            _numbered(np.column_stack([first, second]))
            for place, first in enumerate(told)
            for second in told[:place]
        )
        for sets in (*self._groups, *pairs):
            yield sets, np.flatnonzero(self._small(self._summed(sets)))

    def _summed(self, sets: Whole) -> Whole:
        found = np.zeros(int(sets.max()) + 1, dtype=np.int64)
        np.add.at(found, sets, self._rows)
        return found

    def _small(self, rows: Whole) -> Flags:
        small: Flags = (rows > 0) & (rows < self._small_cell)
        return small


def _worked_out(told: Sequence[Whole], small_sets: Iterator[tuple[Whole, Whole]], rows: Whole) -> bool:
    """Say whether one of the small sets is a sum of multiples of what is told: nothing is left of it when projected.

    Over rows, the projection of a set on what is told is as long as the set itself just where it is worked out.
    """
    starts = np.cumsum([0, *(int(blocks.max()) + 1 for blocks in told)])
    together = np.zeros((starts[-1], starts[-1]))
    for first, at in zip(told, starts, strict=False):
        for second, beside in zip(told, starts, strict=False):
            np.add.at(together, (at + first, beside + second), rows)
    scale = 1 / np.sqrt(np.diag(together))
    inverse = np.linalg.pinv(together * np.outer(scale, scale), rcond=NO_MORE, hermitian=True)
    for sets, small in small_sets:
        for some in np.array_split(small, -(-len(small) // AT_ONCE)) if len(small) else ():
            number = np.full(int(sets.max()) + 1, -1)
            number[some] = np.arange(len(some))
            which = np.flatnonzero(number[sets] >= 0)
            shared = np.zeros((len(some), starts[-1]))
            for blocks, at in zip(told, starts, strict=False):
                np.add.at(shared, (number[sets[which]], at + blocks[which]), rows[which])
            own = np.bincount(number[sets[which]], weights=rows[which])
            shared *= scale
            projected = np.einsum("ij,ij->i", shared @ inverse, shared)
            if (own - projected < EXACT * own).any():
                return True
    return False


def _joined(blocks: Whole, some: Whole) -> Whole:
    """Make one block of some, in the place of the first."""
    if len(some) == 0:
        return blocks
    mask = np.isin(blocks, some)
    return _numbered(np.where(mask, int(some.min()), blocks)[:, None])


def _numbered(codes: Whole) -> Whole:
    """Give the different rows of codes numbers, in their order."""
    found: Whole = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found
