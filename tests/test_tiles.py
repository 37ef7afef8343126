"""Tiles: what appending leaf by leaf leaves behind is what C2SP tlog-tiles defines."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import NotVerified
from audit.merkle import HASH_SIZE, consistency_proof, inclusion_proof, leaf_hash, root, root_at, subtrees
from audit.tiles import TILE_WIDTH, TileReader, Tiles, tiles_of

Stored = dict[tuple[int, int], bytes]


def leaves(size: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in range(size)]


def naive_tiles(hashes: list[bytes]) -> Stored:
    """Cut whole levels into rows of 256, and make the next level of the roots of the full ones."""
    tiles: Stored = {}
    level = 0
    while hashes:
        rows = [hashes[i : i + TILE_WIDTH] for i in range(0, len(hashes), TILE_WIDTH)]
        tiles |= {(level, number): b"".join(row) for number, row in enumerate(rows)}
        hashes = [root(row) for row in rows if len(row) == TILE_WIDTH]
        level += 1
    return tiles


def appended(hashes: list[bytes], tiles: Tiles | None = None) -> Stored:
    stored: Stored = {}
    tiles = tiles or Tiles()
    for leaf in hashes:
        stored |= {(level, number): data for level, number, data in tiles.append(leaf)}
    return stored


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537])
def test_appending_leaves_the_tiles_of_the_definition(size: int) -> None:
    assert appended(leaves(size)) == naive_tiles(leaves(size))


@given(st.integers(0, 700), st.integers(0, 300))
def test_a_stored_edge_goes_on_as_one_that_was_kept_in_memory(first: int, more: int) -> None:
    all_leaves = leaves(first + more)
    stored = naive_tiles(all_leaves[:first])
    newest = {level: (number, stored[level, number]) for level, number in sorted(stored)}
    assert stored | appended(all_leaves[first:], Tiles(newest)) == naive_tiles(all_leaves)


def test_a_leaf_that_fills_no_tile_changes_one() -> None:
    assert [(level, number) for level, number, _ in Tiles().append(leaf_hash(b""))] == [(0, 0)]


def test_a_leaf_that_fills_a_tile_changes_one_on_each_level_above() -> None:
    tiles = Tiles()
    appended(leaves(255), tiles)
    assert [(level, number) for level, number, _ in tiles.append(leaf_hash(b""))] == [(0, 0), (1, 0)]


def test_a_full_tile_is_never_written_again() -> None:
    tiles = Tiles()
    appended(leaves(256), tiles)
    later = appended(leaves(600), tiles)
    assert (0, 0) not in later


def test_the_edge_that_is_given_is_not_changed() -> None:
    edge = {0: (0, bytes(HASH_SIZE))}
    appended(leaves(3), Tiles(edge))
    assert edge == {0: (0, bytes(HASH_SIZE))}


MANY = 66_000
"""Enough for a third row of tiles, whose only tile has one hash."""


@pytest.fixture(scope="module")
def stored() -> Stored:
    return naive_tiles(leaves(MANY))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 4_095, 65_535, 65_536, 65_537, MANY])
def test_the_tiles_of_a_tree_give_the_root_of_every_earlier_one(stored: Stored, size: int) -> None:
    assert root_at(TileReader(lambda *tile: stored.get(tile)).node, size) == root(leaves(size))


@pytest.mark.parametrize("first", [1, 300, 65_536, 65_999])
def test_every_node_that_a_range_needs_is_read_from_the_tiles(stored: Stored, first: int) -> None:
    reader = TileReader(lambda *tile: stored.get(tile))
    for level, index in subtrees(first, MANY):
        if level <= 10:
            covered = leaves(MANY)[index << level : (index + 1) << level]
            assert reader.node(level, index) == root(covered)


def test_a_proof_reads_three_tiles_of_a_tree_that_is_three_tiles_high(stored: Stored) -> None:
    read = []

    def tile(level: int, number: int) -> bytes | None:
        read.append((level, number))
        return stored.get((level, number))

    inclusion_proof(TileReader(tile).node, 1_000, 65_536)
    assert sorted(read) == [(0, 3), (1, 0)]
    read.clear()
    consistency_proof(TileReader(tile).node, 1_000, MANY)
    assert len(read) == len(set(read)) <= 6


@pytest.mark.parametrize("tile", [None, b"", bytes(HASH_SIZE), bytes(HASH_SIZE * 5 - 1)])
def test_a_tile_that_is_missing_or_too_short_gives_no_node(tile: bytes | None) -> None:
    with pytest.raises(NotVerified, match="tile 0 of level 0 is missing or too short"):
        TileReader(lambda level, number: tile).node(0, 4)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_536, 70_000])
def test_a_tree_has_the_tiles_that_appending_makes(size: int) -> None:
    made = {place: len(hashes) // HASH_SIZE for place, hashes in naive_tiles(leaves(size)).items()}
    assert {(level, number): width for level, number, width in tiles_of(size)} == made


def test_70_000_leaves_make_the_tiles_of_the_specification() -> None:
    partial = [(level, width) for level, _, width in tiles_of(70_000) if width < TILE_WIDTH]
    full = [level for level, _, width in tiles_of(70_000) if width == TILE_WIDTH]
    assert partial == [(0, 112), (1, 17), (2, 1)]
    assert (full.count(0), full.count(1)) == (273, 1)
