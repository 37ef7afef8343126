"""Proofs from a stored ledger: heads, inclusion and consistency at any size, in O(log n) row reads.

The rows are taken as they are: what a `Prover` gives convinces nobody before it is verified, with `audit.merkle`,
against a root that the log signed.

>>> with ledger.engine.connect() as connection:                        # doctest: +SKIP
...     proof = Prover(connection).inclusion(7, 11)
"""

from sqlalchemy import Connection, bindparam, select

from audit import tables
from audit.merkle import consistency_proof, inclusion_proof, root_at
from audit.tiles import TileReader

__all__ = ["Prover"]

# Built once: building it costs more than running it.
_TILE = select(tables.tiles.c.hashes).where(
    tables.tiles.c.level == bindparam("level"), tables.tiles.c.number == bindparam("number")
)


class Prover:
    """Makes proofs from the table `tiles` as one connection sees it; rows that were read are kept."""

    def __init__(self, connection: Connection) -> None:
        """Read nothing yet."""
        self._connection = connection
        self.node = TileReader(self._tile).node

    def root_at(self, size: int) -> bytes:
        """Compute the root of the first `size` entries; `NotVerified` where the tiles do not reach so far."""
        return root_at(self.node, size)

    def inclusion(self, seq: int, size: int) -> tuple[bytes, ...]:
        """Prove that entry `seq` stands in the tree of `size` entries."""
        return inclusion_proof(self.node, seq, size)

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """Prove that the tree of `first` entries is a prefix of that of `second`."""
        return consistency_proof(self.node, first, second)

    def _tile(self, level: int, number: int) -> bytes | None:
        found = self._connection.execute(_TILE, {"level": level, "number": number}).scalar()
        return found if isinstance(found, bytes) else None
