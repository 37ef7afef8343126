"""The tree that verification recomputes, and whether the stored tiles and the stored head are its own.

Every hash of the recomputed tree is at hand at any time, in constant memory: each row of tiles (`audit.tiles`) is a
file of hashes one after the other, in memory while it is small and on disk from there on.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, select

from audit import tables
from audit.merkle import EMPTY_ROOT, HASH_SIZE, CompactRange, perfect_root, root_at
from audit.report import Findings
from audit.tiles import TILE_HEIGHT, TILE_WIDTH, tiles_of

__all__ = ["RecomputedTree", "compare_head", "compare_tiles"]

_IN_MEMORY = 1 << 20
_MOST_ROOTS = 1_024


class RecomputedTree:
    """An RFC 6962 tree that grows by leaves and knows the root at every size that it had."""

    def __init__(self) -> None:
        """Start with no leaf."""
        self._files = ExitStack()
        self._rows: list[SpooledTemporaryFile[bytes]] = []
        self._edges: list[CompactRange] = []
        self._roots: dict[int, bytes] = {0: EMPTY_ROOT}
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def append(self, leaf: bytes) -> None:
        """Grow by a leaf hash; a full tile's root is the next hash of the row above."""
        self.size += 1
        node, level = leaf, 0
        while True:
            if level == len(self._rows):
                row = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the stack closes it
                self._rows.append(self._files.enter_context(row))
                self._edges.append(CompactRange())
            self._rows[level].seek(0, 2)
            self._rows[level].write(node)
            edge = self._edges[level] = self._edges[level].append(node)
            if edge.size < TILE_WIDTH:
                return
            node, self._edges[level] = edge.root(), CompactRange()
            level += 1

    def range(self) -> CompactRange:
        """Return the compact range of all leaves so far."""
        hashes = tuple(node for edge in reversed(self._edges) for node in edge.hashes)
        return CompactRange(self.size, hashes)

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the first `size` leaves, None beyond the end."""
        if not 0 <= size <= self.size:
            return None
        known = self._roots.get(size)
        if known is None:
            known = self.range().root() if size == self.size else root_at(self.node, size)
            # Signers saw heads, and mostly the newest: what was asked for lately is asked for again.
            if len(self._roots) >= _MOST_ROOTS:
                del self._roots[next(iter(self._roots))]
            self._roots[size] = known
        return known

    def tile(self, level: int, number: int) -> bytes | None:
        """Return the hashes of a tile, None where the tree has no such tile."""
        if not 0 <= level < len(self._rows) or number < 0:
            return None
        return self._hashes(level, number * TILE_WIDTH, TILE_WIDTH) or None

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a perfect subtree of the leaves so far (see `audit.merkle.Node`)."""
        row, height = divmod(level, TILE_HEIGHT)
        return perfect_root(self._hashes(row, index << height, 1 << height))

    def _hashes(self, level: int, first: int, count: int) -> bytes:
        self._rows[level].seek(first * HASH_SIZE)
        return self._rows[level].read(count * HASH_SIZE)


def compare_tiles(found: Findings, stored: Connection, tree: RecomputedTree) -> None:
    """Compare the stored tiles, each of them and no others, with the recomputed ones."""
    for level, number, hashes in stored.execute(select(tables.tiles)):
        known = tree.tile(level, number) if type(level) is int and type(number) is int else None
        if known is None or hashes != known:
            found.add(_odd_tile(level, number))
    for level, number, _ in tiles_of(tree.size):
        found.figures["tiles"] += 1
        here = (tables.tiles.c.level == level) & (tables.tiles.c.number == number)
        if stored.execute(select(tables.tiles.c.level).where(here)).first() is None:
            found.add(_odd_tile(level, number))


def compare_head(found: Findings, stored: Connection, expected: Mapping[str, object]) -> None:
    """Compare the one row of the table `head` with what the records give."""
    rows = stored.execute(select(tables.head)).mappings().fetchmany(2)
    if len(rows) != 1:
        found.add(f"the table head has {'no row' if not rows else 'more than one row'}, it needs exactly one")
        return
    for column, value in expected.items():
        if rows[0][column] != value:
            found.add(f"head.{column} is not what the records give")


def _odd_tile(level: object, number: object) -> str:
    return f"tiles.hashes of level {level}, tile {number} is not what the records give"
