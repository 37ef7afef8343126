"""What differs between two fingerprints, and how it reads."""

import pyarrow as pa
import pytest

from audit import canonical
from registry.diff import RUN, ColumnDifference, Difference
from registry.fingerprint import ColumnFingerprint, Fingerprint, fingerprint


def column(name: str, *leaves: int, type: str = "int") -> ColumnFingerprint:  # noqa: A002
    return ColumnFingerprint.of(name, type, tuple(f"{leaf:064x}" for leaf in leaves))


def table(rows: int, *columns: ColumnFingerprint) -> Fingerprint:
    return Fingerprint.of(rows, columns)


BEFORE = table(3 * RUN + 5, column("a", 1, 2, 3, 4), column("b", 5, 6, 7, 8))


def spans(old: Fingerprint, new: Fingerprint) -> list[tuple[str, tuple[int, int]]]:
    return [(each.column, each.rows) for each in old.diff(new).differences]


def test_a_table_equals_itself() -> None:
    difference = BEFORE.diff(BEFORE)
    assert difference == Difference(equal=True, rows=(BEFORE.rows, BEFORE.rows))
    assert difference.lines() == ["the tables are equal"]


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ((0, 2, 3, 4), [(0, RUN)]),
        ((1, 2, 3, 0), [(3 * RUN, 3 * RUN + 5)]),
        ((1, 0, 0, 4), [(RUN, 3 * RUN)]),
        ((0, 2, 0, 4), [(0, RUN), (2 * RUN, 3 * RUN)]),
        ((0, 0, 0, 0), [(0, 3 * RUN + 5)]),
    ],
)
def test_differing_runs_become_joined_row_ranges(
    leaves: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    after = table(BEFORE.rows, column("a", *leaves), BEFORE.columns[1])
    assert spans(BEFORE, after) == [("a", rows) for rows in expected]


def test_rows_at_the_end_of_one_table_are_a_difference_up_to_the_longer_one() -> None:
    after = table(5 * RUN, column("a", 1, 2, 3, 9, 10), column("b", 5, 6, 7, 12, 11))
    assert spans(BEFORE, after) == [("a", (3 * RUN, 5 * RUN)), ("b", (3 * RUN, 5 * RUN))]
    assert spans(after, BEFORE) == spans(BEFORE, after)
    assert BEFORE.diff(after).rows == (3 * RUN + 5, 5 * RUN)


def test_all_rows_of_a_table_without_rows_are_a_difference() -> None:
    assert spans(table(0, column("a")), table(3, column("a", 1))) == [("a", (0, 3))]


def test_a_column_of_no_rows_that_changed_its_type_is_retyped() -> None:
    difference = table(0, column("a")).diff(table(0, column("a", type="text")))
    assert not difference.equal
    assert difference.retyped == (("a", "int", "text"),)


def test_columns_that_came_and_went_are_named() -> None:
    difference = BEFORE.diff(table(BEFORE.rows, column("c", 1, 2, 3, 4), BEFORE.columns[1]))
    assert (difference.added, difference.removed) == (("c",), ("a",))
    assert not difference.reordered
    assert difference.differences == ()


def test_another_order_of_the_same_columns_is_only_that() -> None:
    difference = BEFORE.diff(table(BEFORE.rows, *BEFORE.columns[::-1]))
    assert difference == Difference(equal=False, reordered=True, rows=(BEFORE.rows, BEFORE.rows))


def test_a_column_put_in_front_is_no_other_order() -> None:
    assert not BEFORE.diff(table(BEFORE.rows, column("c", 1, 2, 3, 4), *BEFORE.columns)).reordered


def test_a_column_with_the_same_values_under_another_name_is_renamed() -> None:
    difference = BEFORE.diff(table(BEFORE.rows, column("z", 1, 2, 3, 4), BEFORE.columns[1]))
    assert difference.renamed == (("a", "z"),)
    assert (difference.added, difference.removed, difference.equal) == (("z",), ("a",), False)
    assert difference.lines() == ["column 'a' is called 'z' now: all its values are the same"]
    assert difference.to_json()["renamed"] == [{"from": "a", "to": "z"}]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([("a", 1), ("b", 1)], [("y", 1), ("z", 1)]),  # which of the two is not known
        ([("a", 1), ("b", 1)], [("b", 1), ("z", 1)]),  # it may be a copy of the one that stayed
        ([("a", 1)], [("z", 2)]),
    ],
)
def test_what_could_be_another_column_is_not_called_renamed(
    old: list[tuple[str, int]], new: list[tuple[str, int]]
) -> None:
    before, after = (table(5, *(column(name, leaf) for name, leaf in each)) for each in (old, new))
    assert before.diff(after).renamed == ()


def test_columns_of_no_rows_and_of_other_types_are_not_called_renamed() -> None:
    assert table(0, column("a")).diff(table(0, column("z"))).renamed == ()
    assert table(5, column("a", 1)).diff(table(5, column("z", 1, type="text"))).renamed == ()


def test_a_retyped_column_differs_in_all_its_rows() -> None:
    difference = fingerprint(pa.table({"a": [1, 2]})).diff(fingerprint(pa.table({"a": ["1", "2"]})))
    assert difference.retyped == (("a", "int", "text"),)
    assert difference.differences == (ColumnDifference("a", (0, 2)),)
    assert difference.lines() == ["column 'a' was int and is text"]


def test_the_lines_say_everything_the_coarsest_first() -> None:
    after = table(
        RUN + 1, column("c", 1, 2), column("d", 2, 2), column("b", 5, 0), column("a", 1, 2, type="text")
    )
    before = table(RUN + 2, column("a", 1, 2), column("b", 5, 6), column("e", 1, 2))
    assert before.diff(after).lines() == [
        "65,538 rows became 65,537",
        "column 'c' is new",
        "column 'd' is new",
        "column 'e' is gone",
        "column 'a' was int and is text",
        "the columns stand in another order",
        "column 'b' differs somewhere in rows 65536 to 65537",
    ]


def test_the_document_is_the_one_that_outside_checks_read() -> None:
    after = table(
        BEFORE.rows, column("a", 1, 0, 3, 4), column("b", 5, 6, 7, 8, type="float"), column("c", 1, 1, 1, 1)
    )
    document = BEFORE.diff(after).to_json()
    assert document == {
        "equal": False,
        "differences": [{"column": "a", "rows": [RUN, 2 * RUN]}, {"column": "b", "rows": [0, BEFORE.rows]}],
        "added": ["c"],
        "removed": [],
        "reordered": False,
        "renamed": [],
        "retyped": [{"column": "b", "from": "int", "to": "float"}],
        "rows": [BEFORE.rows, BEFORE.rows],
        "unknown": [],
        "reasons": BEFORE.diff(after).reasons(),
    }
    canonical.encode(document)


# --- reasons, and what is not known -------------------------------------------------------------------------


def test_why_a_whole_range_is_named_is_said() -> None:
    after = table(BEFORE.rows, column("a", 1, 20, 3, 4), BEFORE.columns[1])
    (reason,) = BEFORE.diff(after).reasons()
    assert reason.startswith("a fingerprint has one digest for 65,536 rows of a column")


def test_rows_that_moved_are_what_the_leaves_look_like() -> None:
    after = table(BEFORE.rows + 1, column("a", 1, 20, 30, 40), column("b", 5, 60, 70, 80))
    difference = BEFORE.diff(after)
    assert difference.moved_from == RUN
    assert difference.reasons()[-1].startswith("every column differs from row 65536 to the end")


@pytest.mark.parametrize(
    "after",
    [
        table(BEFORE.rows, column("a", 1, 20, 30, 40), BEFORE.columns[1]),
        table(BEFORE.rows, column("a", 1, 20, 30, 40), column("b", 5, 6, 70, 80)),
        table(BEFORE.rows, column("a", 1, 20, 3, 4), column("b", 5, 60, 7, 8)),
        BEFORE,
    ],
)
def test_columns_that_differ_in_rows_of_their_own_do_not_look_moved(after: Fingerprint) -> None:
    assert BEFORE.diff(after).moved_from is None


def keyed(name: str, leaf: int, key: str) -> ColumnFingerprint:
    return ColumnFingerprint.of(name, "int", (f"{leaf:064x}",), key * 32)


def test_a_column_keyed_on_one_side_only_is_unknown_and_the_tables_are_not_called_equal() -> None:
    difference = table(5, column("a", 1)).diff(table(5, keyed("a", 2, "a")))
    assert (difference.equal, difference.unknown, difference.differences) == (False, ("a",), ())
    assert difference.lines() == ["column 'a' is not known to be equal: it is not keyed alike on both sides"]


def test_columns_keyed_with_two_keys_are_unknown() -> None:
    assert table(5, keyed("a", 1, "a")).diff(table(5, keyed("a", 2, "b"))).unknown == ("a",)


def test_columns_keyed_with_one_key_are_compared_as_any_others() -> None:
    before, after = table(5, keyed("a", 1, "a")), table(5, keyed("a", 2, "a"))
    assert before.diff(before).equal
    assert spans(before, after) == [("a", (0, 5))]
