"""Which rows of one table are which rows of another, when rows were put in or taken out.

Rows are compared by 64-bit hashes, which are no proof: that two tables are equal is for their fingerprints to say.

Rules:

- What both tables begin and end with alike belongs together.
- Between the two, rows that occur once in each table are anchors (as in patience diff, B. Cohen). Neighbouring anchors
  at one distance make a block, rows that changed between them included. Of the blocks, the heaviest chain that goes
  down both tables is kept.
- More than `MOST_BLOCKS` blocks, as in a table that was sorted anew, are not chained: None.

>>> aligned(np.array([1, 2, 3, 4], "u8"), np.array([1, 2, 9, 3, 4], "u8"))
[Block(old=0, new=0, rows=2), Block(old=2, new=3, rows=2)]
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "aligned"]

MOST_BLOCKS = 2_000

Hashes = NDArray[np.uint64]


class Block(NamedTuple):
    """Rows `old` and on of the first table are rows `new` and on of the second; some may have changed."""

    old: int
    new: int
    rows: int


def aligned(old: Hashes, new: Hashes) -> list[Block] | None:
    """Return the blocks in order, neither overlapping nor crossing; None where there are too many to tell."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    middle = _chained(_blocks(old[head : len(old) - tail], new[head : len(new) - tail]))
    if middle is None:
        return None
    found = [Block(0, 0, head)] if head else []
    found += [Block(block.old + head, block.new + head, block.rows) for block in middle]
    if tail:
        found.append(Block(len(old) - tail, len(new) - tail, tail))
    return _merged([Block(0, 0, 0), *_grown(found, old, new), Block(len(old), len(new), 0)])


def _alike(old: Hashes, new: Hashes) -> int:
    """Count the rows that both begin with."""
    rows = min(len(old), len(new))
    differing = np.flatnonzero(old[:rows] != new[:rows])
    return int(differing[0]) if len(differing) else rows


def _blocks(old: Hashes, new: Hashes) -> list[Block]:
    """Return the blocks of neighbouring anchors at one distance, in the order of the first table."""
    _, at_old, at_new = np.intersect1d(_once(old), _once(new), assume_unique=True, return_indices=True)
    at_old, at_new = _places(old)[at_old], _places(new)[at_new]
    order = np.argsort(at_old)
    at_old, at_new = at_old[order], at_new[order]
    if len(at_old) == 0:
        return []
    # A new block begins where the distance changes.
    edges = np.flatnonzero(np.diff(at_new - at_old)) + 1
    starts, stops = np.r_[0, edges], np.r_[edges, len(at_old)] - 1
    return [
        Block(int(at_old[a]), int(at_new[a]), int(at_old[b] - at_old[a] + 1))
        for a, b in zip(starts, stops, strict=True)
    ]


def _once(hashes: Hashes) -> Any:
    values, counts = np.unique(hashes, return_counts=True)
    return values[counts == 1]


def _places(hashes: Hashes) -> Any:
    """Return where each of the hashes of `_once` stands."""
    _, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    return first[counts == 1]


def _chained(blocks: list[Block]) -> list[Block] | None:
    """Choose the chain of most rows that goes down both tables."""
    if len(blocks) > MOST_BLOCKS:
        return None
    best: list[int] = []
    before: list[int | None] = []
    for index, block in enumerate(blocks):
        fits = [other for other in range(index) if _precedes(blocks[other], block)]
        last = max(fits, key=best.__getitem__, default=None)
        best.append(block.rows + (best[last] if last is not None else 0))
        before.append(last)
    chain: list[Block] = []
    at = max(range(len(blocks)), key=best.__getitem__, default=None)
    while at is not None:
        chain.append(blocks[at])
        at = before[at]
    return chain[::-1]


def _precedes(one: Block, other: Block) -> bool:
    return one.old + one.rows <= other.old and one.new + one.rows <= other.new


def _grown(blocks: list[Block], old: Hashes, new: Hashes) -> list[Block]:
    """Let every block take in the equal rows around it that belong to no other."""
    grown: list[Block] = []
    for index, block in enumerate(blocks):
        past_old, past_new = (
            (grown[-1].old + grown[-1].rows, grown[-1].new + grown[-1].rows) if grown else (0, 0)
        )
        next_old, next_new = (
            (blocks[index + 1].old, blocks[index + 1].new)
            if index + 1 < len(blocks)
            else (len(old), len(new))
        )
        up = _alike(old[past_old : block.old][::-1], new[past_new : block.new][::-1])
        end_old, end_new = block.old + block.rows, block.new + block.rows
        down = _alike(old[end_old:next_old], new[end_new:next_new])
        grown.append(Block(block.old - up, block.new - up, block.rows + up + down))
    return grown


def _merged(blocks: list[Block]) -> list[Block]:
    """Join neighbours at one distance: as many rows lie between them in both tables, and those changed.

    The beginnings of the tables and their ends are neighbours too.
    """
    merged: list[Block] = []
    for block in blocks:
        if merged and merged[-1].new - merged[-1].old == block.new - block.old:
            last = merged.pop()
            block = Block(last.old, last.new, block.old + block.rows - last.old)
        merged.append(block)
    return [block for block in merged if block.rows]
