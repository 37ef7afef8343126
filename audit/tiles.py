"""The tree cut into tiles of 256 hashes (C2SP tlog-tiles), so that any proof needs few rows.

Rules:

- Tile N of level 0 holds the hashes of the leaves 256*N and on; tile N of level L+1 holds the roots of the full tiles
  256*N and on of level L. The last tile of a level may be partial. 1M leaves make 3,924 tiles.
- A tile only grows: its first hashes are those it had in every earlier tree. So the tiles of one tree give the nodes
  of all earlier ones too.
- What a reader gives is what was stored, and proves nothing by itself: a proof made of it is verified like any other.

>>> list(tiles_of(1_000))
[(0, 0, 256), (0, 1, 256), (0, 2, 256), (0, 3, 232), (1, 0, 3)]
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from audit.errors import NotVerified
from audit.merkle import HASH_SIZE, perfect_root

__all__ = ["TILE_HEIGHT", "TILE_WIDTH", "TileReader", "Tiles", "tiles_of"]

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

_KEPT = 64
"""Tiles that a reader keeps in memory: half a megabyte, and enough for the paths of neighbouring entries."""


class Tiles:
    """The growing edge of the tiles: at most one partial tile a level.

    Starting from the stored edge, each `append` gives the tiles that changed; what becomes of them is the
    caller's business, so a writer and a verifier share these rules and no state.
    """

    def __init__(self, edge: dict[int, tuple[int, bytes]] | None = None) -> None:
        """Continue from `edge`: for each level the number and the hashes of its last tile."""
        self._edge = dict(edge or {})

    @property
    def edge(self) -> dict[int, tuple[int, bytes]]:
        """For each level the number and the hashes of its last tile."""
        return dict(self._edge)

    def append(self, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add a leaf hash; yield (level, number, hashes) of every tile that it changes."""
        level, node = 0, leaf
        while True:
            number, hashes = self._edge.get(level, (0, b""))
            if len(hashes) == TILE_WIDTH * HASH_SIZE:
                number, hashes = number + 1, b""
            hashes += node
            self._edge[level] = (number, hashes)
            yield level, number, hashes
            if len(hashes) < TILE_WIDTH * HASH_SIZE:
                return
            node = perfect_root(hashes)
            level += 1


class TileReader:
    """Gives the nodes of a tree from its tiles: what `audit.merkle` makes proofs and roots of.

    `read` gives the hashes of a tile by level and number, or None where there is no such tile.
    """

    def __init__(self, read: Callable[[int, int], bytes | None]) -> None:
        """Read nothing yet."""
        self._read = lru_cache(maxsize=_KEPT)(read)

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a perfect subtree (see `audit.merkle.Node`); `NotVerified` where the tile lacks it."""
        # Levels between two rows of tiles are not stored: they are hashed from the row below.
        row, height = divmod(level, TILE_HEIGHT)
        number, first = divmod(index << height, TILE_WIDTH)
        tile = self._read(row, number) or b""
        hashes = tile[first * HASH_SIZE : (first + (1 << height)) * HASH_SIZE]
        if len(hashes) != HASH_SIZE << height:
            raise NotVerified(
                f"tile {number} of level {row} is missing or too short: the tree cannot be read there"
            )
        return perfect_root(hashes)


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, number, width) of every tile of a tree of `size` leaves; only a level's last may be partial."""
    level = 0
    while size:
        full, width = divmod(size, TILE_WIDTH)
        for number in range(full):
            yield level, number, TILE_WIDTH
        if width:
            yield level, full, width
        level, size = level + 1, full
