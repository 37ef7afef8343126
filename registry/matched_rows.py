"""Which rows were put in, taken out, changed or moved, when it is known which blocks of rows belong together.

Rules:

- A row that both tables have is none of the first three, wherever it stands and as often as both have it: rows that no
  block pairs with an equal one are looked for among those of the other table.
- Two rows that a block pairs have changed where neither is anywhere in the other table.

>>> hashes = (np.array(rows, "u8") for rows in ([1, 2, 3, 4, 5], [5, 2, 9, 4, 7, 8]))
>>> found = matched_rows(*hashes, [Block(0, 0, 5)])
>>> found.elsewhere, found.changed.tolist(), found.put_in, found.taken_out
(1, [[2, 2]], ((4, 6),), ((0, 1),))
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.alignment import Block

__all__ = ["MatchedRows", "Span", "matched_rows"]

Span = tuple[int, int]
"""Rows from the first to before the second."""

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class MatchedRows(NamedTuple):
    """Rows of the new table put in, of the old one taken out; pairs that changed; how many stand out of order."""

    put_in: tuple[Span, ...]
    taken_out: tuple[Span, ...]
    changed: Rows
    elsewhere: int


def matched_rows(old: Hashes, new: Hashes, blocks: Sequence[Block]) -> MatchedRows:
    """Match the rows of two tables, by their hashes, beyond what the blocks pair."""
    pairs = _differing(blocks, old, new)
    loose_old = _loose(len(old), [(block.old, block.rows) for block in blocks], pairs[:, 0])
    loose_new = _loose(len(new), [(block.new, block.rows) for block in blocks], pairs[:, 1])
    also_new, also_old = _in_both(old[loose_old], new[loose_new])
    gone, come = np.zeros(len(old), np.bool_), np.zeros(len(new), np.bool_)
    gone[loose_old[~also_new]] = True
    come[loose_new[~also_old]] = True
    changed = pairs[gone[pairs[:, 0]] & come[pairs[:, 1]]]
    gone[changed[:, 0]] = False
    come[changed[:, 1]] = False
    return MatchedRows(_spans(come), _spans(gone), changed, int(also_new.sum()))


def _differing(blocks: Sequence[Block], old: Hashes, new: Hashes) -> Rows:
    """Return the pairs of rows that belong together and differ."""
    pairs = [np.zeros((0, 2), np.int64)]
    for block in blocks:
        at = np.flatnonzero(
            old[block.old : block.old + block.rows] != new[block.new : block.new + block.rows]
        )
        pairs.append(np.stack([at + block.old, at + block.new], axis=1))
    return np.concatenate(pairs)


def _loose(rows: int, blocks: Sequence[Span], differing: Rows) -> Rows:
    """Return the rows that are paired with no equal one."""
    loose = np.ones(rows, np.bool_)
    for start, length in blocks:
        loose[start : start + length] = False
    loose[differing] = True
    return np.flatnonzero(loose)


def _in_both(one: Hashes, other: Hashes) -> tuple[Mask, Mask]:
    """Say of each hash whether the other has it too, each as often as both do."""
    values, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    mine, theirs = places[: len(one)], places[len(one) :]
    common = np.minimum(np.bincount(mine, minlength=len(values)), np.bincount(theirs, minlength=len(values)))
    return _nth(mine) < common[mine], _nth(theirs) < common[theirs]


def _nth(values: Any) -> Rows:
    """Return how often each value stood before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    before = np.zeros(len(values), np.int64)
    before[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return before


def _spans(mask: Mask) -> tuple[Span, ...]:
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8))).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))
