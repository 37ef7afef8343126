"""RFC 6962 trees: the roots that others publish, and the definition itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import MalformedInput, NotVerified
from audit.merkle import (
    EMPTY_ROOT,
    CompactRange,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_root,
    root,
    root_at,
    subtrees,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves, and the roots of their first 1 to 8, of the reference implementation of RFC 6962
# (google/certificate-transparency, merkletree tests).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: list[bytes]) -> bytes:
    """Follow the recursive definition of RFC 6962, section 2.1, word for word."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(naive_root(hashes[:split]), naive_root(hashes[split:]))


def some_leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_root_is_the_published_one(size: int) -> None:
    assert root(leaf_hash(leaf) for leaf in LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.integers(0, 600))
def test_the_root_is_that_of_the_recursive_definition(size: int) -> None:
    leaves = some_leaves(size)
    assert root(leaves) == naive_root(leaves)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_range_that_was_stored_grows_as_one_that_was_not(first: int, more: int) -> None:
    leaves = some_leaves(first + more)
    grown = CompactRange()
    for leaf in leaves[:first]:
        grown = grown.append(leaf)
    grown = CompactRange.from_bytes(grown.size, grown.to_bytes())
    for leaf in leaves[first:]:
        grown = grown.append(leaf)
    assert (grown.size, grown.root()) == (first + more, naive_root(leaves))


@given(st.lists(st.binary(max_size=4), max_size=40), st.data())
def test_two_lists_of_leaves_have_two_roots(leaves: list[bytes], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.binary(max_size=4), max_size=40).filter(lambda o: o != leaves))
    assert root(map(leaf_hash, leaves)) != root(map(leaf_hash, other))


@pytest.mark.parametrize("height", range(9))
def test_the_root_of_a_perfect_tree_is_that_of_the_definition(height: int) -> None:
    leaves = some_leaves(1 << height)
    assert perfect_root(b"".join(leaves)) == naive_root(leaves)


def test_a_leaf_cannot_pass_for_a_node() -> None:
    left, right = some_leaves(2)
    assert leaf_hash(left + right) != node_hash(left, right)


@given(st.integers(0, 2**40))
def test_a_range_has_one_hash_for_each_bit_of_its_size(size: int) -> None:
    assert len(CompactRange.from_bytes(size, bytes(32 * size.bit_count())).hashes) == size.bit_count()


@pytest.mark.parametrize(
    ("size", "count"), [(0, 32), (1, 0), (1, 31), (1, 33), (3, 32), (4, 64), (-1, 0), (-1, 32)]
)
def test_a_range_with_another_number_of_hashes_is_refused(size: int, count: int) -> None:
    with pytest.raises(MalformedInput, match="compact range"):
        CompactRange.from_bytes(size, bytes(count))


def some_range(first: int, last: int) -> CompactRange:
    grown = CompactRange(start=first)
    for leaf in some_leaves(last)[first:]:
        grown = grown.append(leaf)
    return grown


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_neighbouring_ranges_merge_into_the_range_of_both(first: int, more: int, rest: int) -> None:
    middle, last = first + more, first + more + rest
    assert some_range(first, middle).merge(some_range(middle, last)) == some_range(first, last)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_range_is_covered_by_the_subtrees_that_its_hashes_are_the_roots_of(first: int, more: int) -> None:
    expected = [
        node(some_leaves(first + more), level, index) for level, index in subtrees(first, first + more)
    ]
    assert list(some_range(first, first + more).hashes) == expected


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_range_from_anywhere_is_read_as_it_was_written(first: int, more: int) -> None:
    written = some_range(first, first + more)
    assert CompactRange.from_bytes(more, written.to_bytes(), first) == written


def test_ranges_that_do_not_meet_are_not_merged() -> None:
    with pytest.raises(MalformedInput, match="do not meet"):
        some_range(0, 3).merge(some_range(4, 5))


def test_a_range_that_starts_later_has_no_root() -> None:
    with pytest.raises(MalformedInput, match="from the first leaf"):
        some_range(2, 4).root()


def node(leaves: list[bytes], level: int, index: int) -> bytes:
    """Give a perfect subtree's root by the definition; it must lie inside the tree."""
    inside = leaves[index << level : (index + 1) << level]
    assert len(inside) == 1 << level, "a proof asked for a node outside its tree"
    return naive_root(inside)


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    """Follow PATH of RFC 6962, section 2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*naive_path(index, hashes[:split]), naive_root(hashes[split:])]
    return [*naive_path(index - split, hashes[split:]), naive_root(hashes[:split])]


def naive_subproof(first: int, hashes: list[bytes], known: bool) -> list[bytes]:
    """Follow SUBPROOF of RFC 6962, section 2.1.2, word for word."""
    if first == len(hashes):
        return [] if known else [naive_root(hashes)]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if first <= split:
        return [*naive_subproof(first, hashes[:split], known), naive_root(hashes[split:])]
    return [*naive_subproof(first - split, hashes[split:], False), naive_root(hashes[:split])]


SMALL_TREES = [(part, size) for size in range(1, 35) for part in range(1, size + 1)]


def test_every_inclusion_proof_of_small_trees_is_that_of_the_definition_and_verifies() -> None:
    leaves = some_leaves(34)
    for part, size in SMALL_TREES:
        index, tree = part - 1, leaves[:size]
        proof = inclusion_proof(lambda level, i, tree=tree: node(tree, level, i), index, size)  # type: ignore[misc]
        assert list(proof) == naive_path(index, tree)
        verify_inclusion(tree[index], index, size, proof, naive_root(tree))


def test_every_consistency_proof_of_small_trees_is_that_of_the_definition_and_verifies() -> None:
    leaves = some_leaves(34)
    for first, size in SMALL_TREES:
        tree = leaves[:size]
        proof = consistency_proof(lambda level, i, tree=tree: node(tree, level, i), first, size)  # type: ignore[misc]
        assert list(proof) == naive_subproof(first, tree, True)
        verify_consistency(first, size, naive_root(tree[:first]), naive_root(tree), proof)


@given(st.integers(0, 300))
def test_the_root_at_a_size_is_made_of_its_subtrees(size: int) -> None:
    leaves = some_leaves(size)
    assert root_at(lambda level, index: node(leaves, level, index), size) == naive_root(leaves)


@given(st.data())
def test_an_inclusion_proof_with_anything_changed_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    leaves = some_leaves(size)
    proof = naive_path(index, leaves)
    said = (leaves[index], index, size, tuple(proof), naive_root(leaves))
    changed = data.draw(
        st.tuples(
            st.sampled_from([said[0], *leaves]),
            st.integers(-1, size + 1),
            st.integers(0, 2 * size + 1),
            some_proof(proof),
            st.sampled_from([said[4], leaves[0], EMPTY_ROOT]),
        )
    )
    # A proof says nothing of sizes whose tree has the same shape above this leaf: only the root's signature does.
    if changed[:2] + changed[3:] == said[:2] + said[3:]:
        return
    with pytest.raises(NotVerified):
        verify_inclusion(*changed)


@given(st.data())
def test_a_consistency_proof_with_anything_changed_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    first = data.draw(st.integers(1, size))
    leaves = some_leaves(size)
    proof = naive_subproof(first, leaves, True)
    roots = naive_root(leaves[:first]), naive_root(leaves)
    old = data.draw(st.sampled_from([roots[0], EMPTY_ROOT, leaves[0], roots[1]]))
    new = data.draw(st.sampled_from([roots[1], EMPTY_ROOT, leaves[0], roots[0]]))
    path = data.draw(some_proof(proof))
    # Of one and the same size there is nothing to prove but that the roots are one.
    if (old, new, path) == (*roots, tuple(proof)) or (first == size and old == new and not path):
        return
    with pytest.raises(NotVerified):
        verify_consistency(first, size, old, new, path)


def some_proof(proof: list[bytes]) -> st.SearchStrategy[tuple[bytes, ...]]:
    """Give the proof itself, or one with a hash missing, added, swapped, or of another length."""
    hashes = st.sampled_from([*proof, bytes(32), b"", bytes(31)])
    return st.one_of(st.just(tuple(proof)), st.lists(hashes, max_size=len(proof) + 2).map(tuple))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5)])
def test_no_proof_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(MalformedInput, match="has no leaf"):
        inclusion_proof(lambda level, i: bytes(32), index, size)


def test_no_proof_is_made_that_a_tree_contains_a_larger_one() -> None:
    with pytest.raises(MalformedInput, match="does not contain"):
        consistency_proof(lambda level, i: bytes(32), 6, 5)


def test_every_tree_is_consistent_with_the_empty_one() -> None:
    assert consistency_proof(lambda level, i: bytes(32), 0, 5) == ()
    verify_consistency(0, 5, EMPTY_ROOT, naive_root(some_leaves(5)), ())


@pytest.mark.parametrize("first_root", [bytes(32), b""])
def test_no_tree_is_consistent_with_an_empty_one_of_another_root(first_root: bytes) -> None:
    with pytest.raises(NotVerified):
        verify_consistency(0, 5, first_root, naive_root(some_leaves(5)), ())
