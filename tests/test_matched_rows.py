"""Rows that are said to be put in, taken out or changed: never one that both tables have."""

from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from hypothesis import given, settings

from registry.alignment import aligned
from registry.at_hand import AtHand
from registry.cells import Cells, cells_of
from registry.matched_rows import Span, matched_rows

ROWS = st.lists(st.integers(0, 12), max_size=25)


def rows_of(spans: tuple[Span, ...]) -> list[int]:
    return [row for start, stop in spans for row in range(start, stop)]


def compared(old: list[int], new: list[int], most: int = 20) -> Cells:
    tables = (pa.table({"a": pa.array(rows, pa.int64()), "b": [str(r) for r in rows]}) for rows in (old, new))
    one, other = (AtHand.of(table) for table in tables)
    return cells_of(one, other, most=most)


@given(ROWS, ROWS)
def test_what_is_said_of_rows_is_what_the_tables_do_not_share(old: list[int], new: list[int]) -> None:
    one, other = np.array(old, "u8"), np.array(new, "u8")
    found = matched_rows(one, other, aligned(one, other) or ())
    changed_old, changed_new = (Counter(int(row) for row in rows) for rows in found.changed.T)
    gone = [*rows_of(found.taken_out), *changed_old.elements()]
    come = [*rows_of(found.put_in), *changed_new.elements()]
    assert Counter(old[row] for row in gone) == Counter(old) - Counter(new)
    assert Counter(new[row] for row in come) == Counter(new) - Counter(old)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=25), st.randoms(use_true_random=False))
def test_the_same_rows_in_another_order_are_called_that_and_nothing_else(
    rows: list[int], draw: object
) -> None:
    new = list(rows)
    draw.shuffle(new)  # type: ignore[attr-defined]
    moved = sum(one != other for one, other in zip(rows, new, strict=True))
    said = compared(rows, new).lines()
    expected = [f"the same rows in another order: {moved} of {len(rows)} stand elsewhere than before"]
    assert said == (expected if moved else [])


def test_six_rows_upside_down_are_the_same_rows() -> None:
    assert compared([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]).lines() == [
        "the same rows in another order: 6 of 6 stand elsewhere than before"
    ]


def test_a_sorted_table_with_one_row_more_tells_the_row_and_that_the_others_are_the_same() -> None:
    found = compared([5, 3, 9, 1], [1, 3, 5, 7, 9])
    assert (found.taken_out, rows_of(found.put_in)) == ((), [3])
    assert "of the same rows in another order" in found.lines()[-1]


def test_two_rows_that_changed_places_did_not_change() -> None:
    found = compared([1, 2, 3, 4, 5], [1, 4, 3, 2, 6])
    assert [(cell.column, cell.before, cell.after) for cell in found.listed] == [
        ("a", "5", "6"),
        ("b", '"5"', '"6"'),
    ]
    assert (found.put_in, found.taken_out, found.elsewhere) == ((), (), 2)


def test_lines_about_rows_are_bounded_and_the_rest_is_counted() -> None:
    found = compared(list(range(0, 80, 2)), list(range(80)), most=3)
    lines = found.lines()
    assert lines[:2] == ["row 1 of the new table was put in", "row 3 of the new table was put in"]
    assert len(lines) == 4
    assert lines[3].startswith("and ")
    assert lines[3].endswith(" more such changes of rows")
