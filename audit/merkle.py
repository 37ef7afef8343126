"""RFC 6962 Merkle trees over SHA-256, and nothing else. Pure functions on bytes.

Rules:

- A leaf is hashed with the prefix 0x00 and an inner node with 0x01, so that no leaf can pass for a node (RFC 6962,
  section 2.1). The empty tree's root is SHA-256 of nothing.
- `CompactRange` holds what is needed to grow a tree, or to join two neighbouring pieces of one: the roots of the
  perfect subtrees that cover it, from the left.
- A proof is generated from a function that gives the roots of perfect subtrees, wherever they are stored, and asks
  it for O(log n) of them. Verifying needs the proof alone, and raises unless all of it holds: a proof with a hash too
  many, or for a size out of range, proves nothing.
- Every tree is consistent with the empty one; the proof of that is empty. (RFC 9162 leaves size 0 open.)

>>> CompactRange().append(leaf_hash(b"")).root().hex()
'6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
>>> leaves = [leaf_hash(b"one"), leaf_hash(b"two")]
>>> proof = inclusion_proof(lambda level, index: leaves[index], 0, 2)
>>> verify_inclusion(leaves[0], 0, 2, proof, root(leaves))
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit.errors import MalformedInput, NotVerified

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "CompactRange",
    "Node",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "perfect_root",
    "root",
    "root_at",
    "subtrees",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""Gives the root of the perfect subtree of 2^level leaves that starts at leaf index * 2^level; level 0 is a leaf."""

_MOST_SIZE = 2**63
_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf: SHA-256(0x00 || data)."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node: SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: bytes) -> bytes:
    """Compute the root over a power of two of hashes, given one after the other: quicker than leaf by leaf."""
    while len(hashes) > HASH_SIZE:
        pairs = range(0, len(hashes), 2 * HASH_SIZE)
        hashes = b"".join([_sha256(b"\x01" + hashes[i : i + 2 * HASH_SIZE]).digest() for i in pairs])
    return hashes


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The roots of the perfect subtrees that cover `size` leaves from `start` on, from the left (see `subtrees`)."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()
    start: int = 0

    @property
    def end(self) -> int:
        """The number of the first leaf after the range."""
        return self.start + self.size

    def append(self, leaf: bytes) -> "CompactRange":
        """Return the range grown by one leaf hash."""
        hashes = list(self.hashes)
        node, level, index = leaf, 0, self.end
        # An odd index is a right child: it completes the subtree above it, if all of the left one is in the range.
        while index & 1 and (index - 1) << level >= self.start:
            node = node_hash(hashes.pop(), node)
            level, index = level + 1, index >> 1
        return CompactRange(self.size + 1, (*hashes, node), self.start)

    def merge(self, right: "CompactRange") -> "CompactRange":
        """Return the range of both; `MalformedInput` unless `right` starts where this one ends."""
        if right.start != self.end:
            raise MalformedInput(
                f"a range that ends at {self.end} and one that starts at {right.start} do not meet"
            )
        nodes = list(zip(subtrees(self.start, self.end), self.hashes, strict=True))
        for (level, index), node in zip(subtrees(right.start, right.end), right.hashes, strict=True):
            while index & 1 and nodes and nodes[-1][0] == (level, index - 1):
                node = node_hash(nodes.pop()[1], node)
                level, index = level + 1, index >> 1
            nodes.append(((level, index), node))
        return CompactRange(self.size + right.size, tuple(node for _, node in nodes), self.start)

    def root(self) -> bytes:
        """Compute the tree's root (RFC 6962, 2.1); `MalformedInput` for a range that does not start at 0."""
        if self.start:
            raise MalformedInput("only a range from the first leaf on has a root")
        return _folded(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """Write the hashes one after the other; start and size say how many there are."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes, start: int = 0) -> "CompactRange":
        """Read what `to_bytes` wrote; raise `MalformedInput` when the count is not that of the size."""
        count = sum(1 for _ in subtrees(start, start + size)) if start >= 0 else 0
        if size < 0 or start < 0 or len(data) != HASH_SIZE * count:
            raise MalformedInput(f"a compact range of {size} leaves from {start} on has {count} hashes")
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)), start)


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Compute the root over leaf hashes in order."""
    tree = CompactRange()
    for leaf in leaf_hashes:
        tree = tree.append(leaf)
    return tree.root()


def subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the fewest perfect subtrees that cover the leaves from `begin` to before `end`."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def root_at(node: Node, size: int) -> bytes:
    """Compute the root of the first `size` leaves."""
    return _root_of(node, 0, size) if size else EMPTY_ROOT


def inclusion_proof(node: Node, index: int, size: int) -> tuple[bytes, ...]:
    """Prove that a leaf stands at `index` in the tree of `size` leaves (RFC 6962, 2.1.1): the leaf's sibling first.

    `node` is asked for subtrees inside that tree only. Raises `MalformedInput` where there is no such leaf.
    """
    if not 0 <= index < size:
        raise MalformedInput(f"a tree of {size} leaves has no leaf {index}")
    begin, end, proof = 0, size, []
    while end - begin > 1:
        cut = _cut(begin, end)
        if index < cut:
            proof.append(_root_of(node, cut, end))
            end = cut
        else:
            proof.append(_root_of(node, begin, cut))
            begin = cut
    return tuple(reversed(proof))


def consistency_proof(node: Node, first: int, second: int) -> tuple[bytes, ...]:
    """Prove that the tree of `first` leaves is a prefix of that of `second` (RFC 6962, 2.1.2).

    Raises `MalformedInput` unless `first` is at most `second`. From 0, and for equal sizes, the proof is empty.
    """
    if not 0 <= first <= second:
        raise MalformedInput(f"a tree of {second} leaves does not contain one of {first}")
    if first == 0:
        return ()
    begin, end, proof = 0, second, []
    while end != first:
        cut = _cut(begin, end)
        if first <= cut:
            proof.append(_root_of(node, cut, end))
            end = cut
        else:
            proof.append(_root_of(node, begin, cut))
            begin = cut
    # The verifier knows the root of the first tree, but not that of a part of it.
    if begin:
        proof.append(_root_of(node, begin, end))
    return tuple(reversed(proof))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], tree_root: bytes) -> None:
    """Check that the leaf hash stands at `index` in the tree of that size and root (RFC 9162, 2.1.3.2).

    Raises `NotVerified` where it is not proven.
    """
    if not 0 <= index < size < _MOST_SIZE:
        raise NotVerified(f"a tree of {size} leaves has no leaf {index}")
    _check_hashes(leaf, tree_root, *proof)
    here, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise NotVerified("the inclusion proof has more hashes than its tree has levels")
        if here & 1 or here == last:
            node = node_hash(sibling, node)
            here, last = _past_the_edge(here, last)
        else:
            node = node_hash(node, sibling)
        here, last = here >> 1, last >> 1
    if last != 0 or node != tree_root:
        raise NotVerified(f"the inclusion proof does not lead from leaf {index} to the root of {size} leaves")


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `first` leaves is a prefix of that of `second` (RFC 9162, 2.1.4.2).

    Raises `NotVerified` where it is not proven.
    """
    if not 0 <= first <= second < _MOST_SIZE:
        raise NotVerified(f"a tree of {second} leaves does not contain one of {first}")
    if first == second and (proof or first_root != second_root):
        raise NotVerified(
            f"two trees of {first} leaves are consistent when they are one, and the proof is empty"
        )
    if first == 0 and (proof or first_root != EMPTY_ROOT):
        raise NotVerified("the tree of no leaves has the hash of nothing as its root, and the proof is empty")
    if first == second:
        return
    _check_hashes(first_root, second_root, *proof)
    if first == 0:
        return
    # Where the first tree is perfect its root is a node of the second, and the proof leaves it out.
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = path[0] if path else b""
    for sibling in path[1:]:
        if last == 0:
            raise NotVerified("the consistency proof has more hashes than its tree has levels")
        if here & 1 or here == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            here, last = _past_the_edge(here, last)
        else:
            new = node_hash(new, sibling)
        here, last = here >> 1, last >> 1
    if last != 0 or old != first_root or new != second_root:
        raise NotVerified(f"the trees of {first} and {second} leaves are not consistent")


def _past_the_edge(here: int, last: int) -> tuple[int, int]:
    """Go up where a ragged right edge has no siblings, until the node is a right child or the root's edge ends."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _check_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise NotVerified(f"a hash in a proof has {HASH_SIZE} bytes")


def _cut(begin: int, end: int) -> int:
    """Return where RFC 6962 splits a tree: at the largest power of two below its size."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def _root_of(node: Node, begin: int, end: int) -> bytes:
    """Return the root of the leaves from `begin` on, where a split of the tree put them."""
    return _folded([node(level, index) for level, index in subtrees(begin, end)])


def _folded(hashes: Sequence[bytes]) -> bytes:
    node = hashes[-1]
    for left in reversed(hashes[:-1]):
        node = node_hash(left, node)
    return node
