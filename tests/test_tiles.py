"""Tiles: what appending leaf by leaf leaves behind is what C2SP tlog-tiles defines."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle import HASH_SIZE, leaf_hash, root
from audit.tiles import TILE_WIDTH, Tiles

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
