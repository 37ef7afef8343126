"""RFC 6962 Merkle trees over SHA-256, and nothing else. Pure functions on bytes.

A leaf is hashed with the prefix 0x00 and an inner node with 0x01, so that no leaf can pass for a node
(RFC 6962, section 2.1). The empty tree's root is SHA-256 of nothing.

`CompactRange` holds what is needed to grow a tree: the roots of its perfect subtrees, largest first,
at most one per bit of its size.

>>> CompactRange().append(leaf_hash(b"")).root().hex()
'6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from audit.errors import MalformedInput

__all__ = ["EMPTY_ROOT", "HASH_SIZE", "CompactRange", "leaf_hash", "node_hash", "root"]

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The roots of the perfect subtrees of a tree of `size` leaves, from the left."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "CompactRange":
        """Return the range grown by one leaf hash."""
        hashes = list(self.hashes)
        node = leaf
        # Each trailing one bit of the old size is a perfect subtree that this leaf completes.
        remaining = self.size
        while remaining & 1:
            node = node_hash(hashes.pop(), node)
            remaining >>= 1
        return CompactRange(self.size + 1, (*hashes, node))

    def root(self) -> bytes:
        """Compute the tree's root (RFC 6962, 2.1)."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        """Write the hashes one after the other; the size says how many there are."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "CompactRange":
        """Read what `to_bytes` wrote; raise `MalformedInput` when the count is not that of the size."""
        if size < 0 or len(data) != HASH_SIZE * size.bit_count():
            raise MalformedInput(f"a compact range of {size} leaves has {max(size, 0).bit_count()} hashes")
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Compute the root over leaf hashes in order."""
    tree = CompactRange()
    for leaf in leaf_hashes:
        tree = tree.append(leaf)
    return tree.root()
