"""RFC 6962 trees: the roots that others publish, and the definition itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import MalformedInput
from audit.merkle import EMPTY_ROOT, CompactRange, leaf_hash, node_hash, root

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
