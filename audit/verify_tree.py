"""The tree that verification recomputes, and whether the stored tiles and the stored head are its own.

Two trees grow by leaves and know the root at every size that they had, in constant memory:

- `RecomputedTree` keeps every hash itself: each row of tiles (`audit.tiles`) is a file of hashes one after the other,
  in memory while it is small and on disk from there on.
- `ContinuedTree` begins in the middle and takes what stands before from the stored tiles. It says which those were,
  and raises `Disproved` where a stored tile is not what it recomputes: what it says counts when others have recomputed
  the tiles before.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import Connection, select

from audit import tables
from audit.merkle import EMPTY_ROOT, HASH_SIZE, CompactRange, Node, perfect_root, root_at, subtrees
from audit.report import Findings
from audit.tiles import TILE_HEIGHT, TILE_WIDTH, TileReader, tiles_of

__all__ = [
    "ContinuedTree",
    "Disproved",
    "RecomputedTree",
    "Tree",
    "compare_head",
    "compare_tiles",
    "stored_tile",
    "tiles_agree",
]

_IN_MEMORY = 1 << 20
_MOST_ROOTS = 1_024

ReadTile = Callable[[int, int], bytes | None]
"""Gives the hashes of a tile by level and number, None where there is no such tile."""


class Disproved(Exception):
    """Something that was assumed of a stored ledger is not so."""


class Tree(Protocol):
    """A growing tree."""

    size: int

    def append(self, leaf: bytes) -> None:
        """Grow by a leaf hash."""

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the first `size` leaves, None beyond the end."""


class _Roots:
    """Remembers the roots that were asked for lately: signers saw heads, and mostly the newest."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[int, bytes] = {0: EMPTY_ROOT}

    def at(self, size: int, whole: CompactRange | None) -> bytes:
        known = self._known.get(size)
        if known is None:
            known = root_at(self._node, size) if whole is None else whole.root()
            if len(self._known) >= _MOST_ROOTS:
                del self._known[next(iter(self._known))]
            self._known[size] = known
        return known


class _LastTile:
    """The hashes after the last full tile of a row, and their compact range as far as somebody asked for it."""

    def __init__(self) -> None:
        self.hashes = bytearray()
        self._range = CompactRange()

    def append(self, node: bytes) -> bool:
        """Add a hash; say whether the tile is full."""
        self.hashes += node
        return len(self.hashes) == TILE_WIDTH * HASH_SIZE

    def range(self) -> CompactRange:
        known = self._range
        for place in range(known.size * HASH_SIZE, len(self.hashes), HASH_SIZE):
            known = known.append(bytes(self.hashes[place : place + HASH_SIZE]))
        self._range = known
        return known

    def root(self) -> bytes:
        """Return the root of the full tile: where nobody asked on the way, all at once is quicker."""
        return self.range().root() if self._range.size else perfect_root(bytes(self.hashes))


class _Row:
    """A row of tiles: the full ones in a file, which is in memory while it is small, and the last one beside it."""

    def __init__(self, file: "SpooledTemporaryFile[bytes]") -> None:
        self._file, self._filed = file, 0
        self.last = _LastTile()

    def append(self, node: bytes) -> bytes | None:
        """Add a hash; return the root of the tile that it completes, None where it completes none."""
        if not self.last.append(node):
            return None
        root = self.last.root()
        self._file.seek(0, 2)
        self._file.write(self.last.hashes)
        self._filed += TILE_WIDTH
        self.last = _LastTile()
        return root

    def hashes(self, first: int, count: int) -> bytes:
        """Return hashes of one tile."""
        if first >= self._filed:
            return bytes(self.last.hashes[(first - self._filed) * HASH_SIZE :][: count * HASH_SIZE])
        self._file.seek(first * HASH_SIZE)
        return self._file.read(count * HASH_SIZE)


class RecomputedTree:
    """An RFC 6962 tree from its first leaf on."""

    def __init__(self) -> None:
        """Start with no leaf."""
        self._files = ExitStack()
        self._rows: list[_Row] = []
        self._roots = _Roots(self.node)
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
                file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the stack closes it
                self._rows.append(_Row(self._files.enter_context(file)))
            root = self._rows[level].append(node)
            if root is None:
                return
            node, level = root, level + 1

    def range(self) -> CompactRange:
        """Return the compact range of all leaves so far."""
        hashes = tuple(node for row in reversed(self._rows) for node in row.last.range().hashes)
        return CompactRange(self.size, hashes)

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the first `size` leaves, None beyond the end."""
        if not 0 <= size <= self.size:
            return None
        return self._roots.at(size, self.range() if size == self.size else None)

    def tile(self, level: int, number: int) -> bytes | None:
        """Return the hashes of a tile, None where the tree has no such tile."""
        if not 0 <= level < len(self._rows) or number < 0:
            return None
        return self._rows[level].hashes(number * TILE_WIDTH, TILE_WIDTH) or None

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a perfect subtree of the leaves so far (see `audit.merkle.Node`)."""
        row, height = divmod(level, TILE_HEIGHT)
        return perfect_root(self._rows[row].hashes(index << height, 1 << height))


class ContinuedTree:
    """An RFC 6962 tree from a full tile on, whose earlier hashes are those of the stored tiles."""

    def __init__(self, read: ReadTile, start: int) -> None:
        """Stand at `start` leaves, a multiple of 256."""
        self._read = read
        node = TileReader(read).node
        self._roots = _Roots(node)
        before = tuple(node(level, index) for level, index in subtrees(0, start))
        self.size, self.tile_roots = start, b""
        self.assumed = b"".join(before)
        self._full = CompactRange(start // TILE_WIDTH, before)
        self._last = _LastTile()

    def last_leaf(self) -> bytes:
        """Return the hash of the leaf before the first that is appended; 32 zeros where there is none."""
        if self.size == 0:
            return bytes(HASH_SIZE)
        return (self._read(0, self.size // TILE_WIDTH - 1) or b"")[-HASH_SIZE:]

    def append(self, leaf: bytes) -> None:
        """Grow by a leaf hash; a tile that it completes must be the stored one."""
        self.size += 1
        if self._last.append(leaf):
            if self._read(0, self._full.size) != bytes(self._last.hashes):
                raise Disproved(f"tile {self._full.size} is another")
            root = self._last.root()
            self.tile_roots += root
            self._full = self._full.append(root)
            self._last = _LastTile()

    def range(self) -> CompactRange:
        """Return the compact range of all leaves so far."""
        return CompactRange(self.size, (*self._full.hashes, *self._last.range().hashes))

    def edge(self) -> bytes:
        """Return the hashes of the compact range of the leaves after the last full tile."""
        return self._last.range().to_bytes()

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the first `size` leaves, None beyond the end."""
        if not 0 <= size <= self.size:
            return None
        return self._roots.at(size, self.range() if size == self.size else None)


def stored_tile(stored: Connection) -> ReadTile:
    """Read tiles as they are stored."""
    columns = tables.tiles.c

    def read(level: int, number: int) -> bytes | None:
        query = select(columns.hashes).where(columns.level == level, columns.number == number)
        found = stored.execute(query).scalar()
        return found if isinstance(found, bytes) else None

    return read


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


def tiles_agree(stored: Connection, above: RecomputedTree, whole: CompactRange) -> bool:
    """Say whether the stored tiles are those of a tree whose full tiles of level 0 are known to be.

    `above` is the tree over the roots of those tiles, `whole` the compact range of all leaves.
    """
    read, expected = stored_tile(stored), 0
    for level, number, width in tiles_of(whole.size):
        expected += 1
        if level and read(level, number) != above.tile(level - 1, number):
            return False
        if not level and width < TILE_WIDTH and len(read(0, number) or b"") != width * HASH_SIZE:
            return False
    if stored.exec_driver_sql("SELECT count(*) FROM tiles").scalar_one() != expected:
        return False
    node = TileReader(read).node
    return all(
        node(*place) == known for place, known in zip(subtrees(0, whole.size), whole.hashes, strict=True)
    )


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
