"""The tree cut into tiles of 256 hashes (C2SP tlog-tiles), so that any proof needs few rows.

Tile N of level 0 holds the hashes of the leaves 256*N and on; tile N of level L+1 holds the roots of the
full tiles 256*N and on of level L. The last tile of a level may be partial. 1M leaves make 3,924 tiles.
"""

from collections.abc import Iterator

from audit.merkle import HASH_SIZE, root

__all__ = ["TILE_WIDTH", "Tiles"]

TILE_WIDTH = 256


class Tiles:
    """The growing edge of the tiles: at most one partial tile a level.

    Starting from the stored edge, each `append` gives the tiles that changed; what becomes of them is the
    caller's business, so a writer and a verifier share these rules and no state.
    """

    def __init__(self, edge: dict[int, tuple[int, bytes]] | None = None) -> None:
        """Continue from `edge`: for each level the number and the hashes of its last tile."""
        self._edge = dict(edge or {})

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
            node = root(hashes[i : i + HASH_SIZE] for i in range(0, len(hashes), HASH_SIZE))
            level += 1
