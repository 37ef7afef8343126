"""Rows that belong together."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from registry.alignment import MOST_BLOCKS, Block, aligned


def blocks(old: str, new: str) -> list[Block] | None:
    one, other = (np.frombuffer(rows.encode(), "u1").astype("u8") for rows in (old, new))
    return aligned(one, other)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("", "ab", []),
        ("abc", "abc", [Block(0, 0, 3)]),
        ("abc", "xyz", [Block(0, 0, 3)]),
        ("abc", "wxyz", []),
        ("abcd", "abXcd", [Block(0, 0, 2), Block(2, 3, 2)]),
        ("abXcd", "abcd", [Block(0, 0, 2), Block(3, 2, 2)]),
        ("abcdef", "aXcdeYf", [Block(0, 0, 5), Block(5, 6, 1)]),
        ("abcdef", "aXcdYf", [Block(0, 0, 6)]),
        ("abcdefgh", "XabcdeYYfgh", [Block(0, 1, 5), Block(5, 8, 3)]),
        ("abcdefgh", "efghabcd", [Block(0, 4, 4)]),
        ("aaaa", "aaaaa", [Block(0, 0, 4)]),
        ("xaabx", "yaaby", [Block(0, 0, 5)]),
    ],
)
def test_rows_are_matched(old: str, new: str, expected: list[Block]) -> None:
    assert blocks(old, new) == expected


def test_rows_sorted_anew_are_too_many_blocks_to_tell() -> None:
    rows = np.arange(2 * MOST_BLOCKS, dtype="u8")
    assert aligned(rows, np.random.default_rng(7).permutation(rows)) is None


@given(st.text("abcdefgh", max_size=20), st.text("abcdefgh", max_size=20))
def test_blocks_go_down_both_tables_and_never_overlap(old: str, new: str) -> None:
    found = blocks(old, new)
    assert found is not None
    at_old = at_new = 0
    for block in found:
        assert block.rows > 0
        assert block.old >= at_old
        assert block.new >= at_new
        at_old, at_new = block.old + block.rows, block.new + block.rows
    assert at_old <= len(old)
    assert at_new <= len(new)


@given(st.lists(st.integers(0, 2**63), unique=True, min_size=1), st.data())
def test_rows_put_in_anywhere_leave_every_other_row_matched(rows: list[int], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows)))
    new = [*rows[:at], 2**63 + 1, 2**63 + 2, *rows[at:]]
    found = aligned(np.array(rows, "u8"), np.array(new, "u8"))
    assert found is not None
    assert sum(block.rows for block in found) == len(rows)
