"""Tests of `registry.told_together` and of what bias makes of it: nothing that is told gives a small group away."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import encode
from registry.disclosure import SMALL_CELL
from registry.evaluation import evaluate
from registry.told_together import is_small, told_together

Whole = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

value = st.integers(-1, 2)
few = st.sampled_from([(0, 0, 1, 0), (1, 1, 1, 0), (2, 2, 2, 2), (3, 3, 3, 3)])
many = st.sampled_from([(5, 5, 5, 5), (9, 8, 7, 6), (0, 0, 20, 20)])
atoms = st.dictionaries(st.tuples(value, value, value), few | many, min_size=1, max_size=14)
crossed = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1)), few | many, min_size=3, max_size=6)


def rows_of(found: dict[tuple[int, ...], tuple[int, ...]]) -> tuple[Whole, Whole]:
    """Make rows of two or three columns and of 2 * truth + prediction from counts."""
    rows = [
        (*values, cell) for values, counts in found.items() for cell, n in enumerate(counts) for _ in range(n)
    ]
    table = np.array(rows, dtype=np.int64)
    return table[:, :-1], table[:, -1]


def sets_of(columns: int) -> list[tuple[int, ...]]:
    return [some for size in range(1, columns + 1) for some in combinations(range(columns), size)]


def small_groups(codes: Whole, cells: Whole) -> Reals:
    """List every group of every table, as flags over the rows, of which nothing may be worked out."""
    found = []
    for some in sets_of(codes.shape[1]):
        for values in np.unique(codes[:, some], axis=0):
            flags = (codes[:, some] == values).all(axis=1)
            if is_small(np.bincount(cells[flags], minlength=4)):
                found.append(flags)
    return np.array(found, dtype=np.float64).reshape(-1, len(codes))


def told_sets(codes: Whole, cells: Whole) -> Reals:
    """List what is told, as flags over the rows: every block of every table, and the total."""
    told = told_together(codes, cells, sets_of(codes.shape[1]), SMALL_CELL)
    flags = [blocks == block for blocks in told for block in np.unique(blocks)]
    return np.array([np.ones(len(codes)), *flags], dtype=np.float64)


@settings(max_examples=60, deadline=None)
@given(atoms | crossed)
def test_no_small_group_can_be_worked_out_by_adding_and_subtracting_what_is_told(found: Any) -> None:
    codes, cells = rows_of(found)
    if is_small(np.bincount(cells, minlength=4)):
        return  # then nothing is told but how many rows there are
    told = told_sets(codes, cells)
    rank = np.linalg.matrix_rank(told)
    for group in small_groups(codes, cells):
        assert np.linalg.matrix_rank(np.vstack([told, group])) == rank + 1


@settings(max_examples=60, deadline=None)
@given(atoms)
def test_every_block_that_is_told_is_large_enough_or_everything(found: Any) -> None:
    codes, cells = rows_of(found)
    for blocks in told_together(codes, cells, sets_of(3), SMALL_CELL):
        counts = [np.bincount(cells[blocks == block], minlength=4) for block in np.unique(blocks)]
        assert len(counts) == 1 or not is_small(np.array(counts)).any()


def repeated(**groups: int) -> pd.DataFrame:
    return pd.DataFrame({"race": [name for name, n in groups.items() for _ in range(n)]})


def measured(table: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """Evaluate rows of which every group has both labels and both predictions, where it has four."""
    n = len(table)
    return evaluate(np.arange(n) // 2 % 2, np.arange(n) % 2, sensitive=table, **options)


def bias_of(result: dict[str, Any], attribute: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in result["bias"] if each["attribute"] == attribute)
    return found


def test_a_group_of_one_is_named_nowhere() -> None:
    result = measured(repeated(white=200, black=60, sami=1))
    assert b"sami" not in encode(result)
    assert [(g["name"], g["n"]) for g in bias_of(result, "race")["groups"]] == [
        ("black and fewer than 10 others", 61),
        ("white", 200),
    ]


def test_rare_groups_that_together_are_enough_leave_the_others_as_they_are() -> None:
    found = bias_of(measured(repeated(white=200, black=60, sami=6, roma=7)), "race")
    assert [(g["name"], g["n"]) for g in found["groups"]] == [
        ("black", 60),
        ("white", 200),
        ("2 groups, told together", 13),
    ]
    assert found["groups"][-1]["metrics"] == []


def test_asking_for_it_tells_every_group_and_says_so() -> None:
    result = measured(repeated(white=200, black=60, sami=1), small_cell=1)
    assert result["small_cell"] == 1
    assert [g["n"] for g in bias_of(result, "race")["groups"]] == [60, 1, 200]


def test_a_group_of_twelve_that_were_all_refused_is_not_told_by_itself() -> None:
    table = repeated(white=200, black=100, roma=12)
    truth, predicted = np.arange(312) // 2 % 2, np.where(np.arange(312) < 300, np.arange(312) % 2, 0)
    result = evaluate(truth, predicted, sensitive=table)
    assert b"roma" not in encode(result)
    assert [g["n"] for g in bias_of(result, "race")["groups"]] == [112, 200]


def test_forty_that_were_all_refused_are_told_for_that_is_what_bias_is() -> None:
    table = repeated(white=200, roma=40)
    truth, predicted = np.arange(240) // 2 % 2, np.where(np.arange(240) < 200, np.arange(240) % 2, 0)
    roma = bias_of(evaluate(truth, predicted, sensitive=table), "race")["groups"][0]
    assert (roma["name"], roma["metrics"][0]["value"]) == ("roma", "0.0")


def test_two_attributes_that_differ_in_three_rows_do_not_give_them_away() -> None:
    sex = ["f"] * 100 + ["m"] * 100
    gender = ["f"] * 97 + ["m"] * 103
    found = measured(pd.DataFrame({"sex": sex, "gender": gender}))
    assert [g["n"] for g in bias_of(found, "sex")["groups"]] == [100, 100]
    assert [g["n"] for g in bias_of(found, "gender")["groups"]] == [200]


def test_an_intersection_of_three_rows_is_not_what_its_columns_leave_over() -> None:
    race = ["a"] * 103 + ["b"] * 100
    sex = ["m"] * 100 + ["f"] * 3 + ["m"] * 50 + ["f"] * 50
    groups = bias_of(measured(pd.DataFrame({"race": race, "sex": sex})), "race x sex")["groups"]
    assert 100 not in [g["n"] for g in groups]


def test_the_interval_of_a_group_holds_wherever_the_others_belong() -> None:
    table = repeated(white=200, black=60, sami=5)
    found = bias_of(measured(table), "race")["groups"][0]["metrics"][0]
    alone = bias_of(measured(table, small_cell=1), "race")["groups"][0]["metrics"][0]
    assert float(found["low"]) < float(alone["low"]) < float(alone["high"]) < float(found["high"])


def test_the_interval_of_a_disparity_holds_wherever_the_others_belong() -> None:
    table = repeated(white=200, black=60, sami=5)
    for name, (found, alone) in {
        each["name"]: (each, other)
        for each, other in zip(
            bias_of(measured(table), "race")["disparities"],
            bias_of(measured(table, small_cell=1), "race")["disparities"],
            strict=True,
        )
    }.items():
        if name == "equalized_odds_difference":
            continue  # 60 rows have too few of each label once others may be among them
        assert float(found["low"]) <= float(alone["low"])
        assert float(found["high"]) >= float(alone["high"])


def test_a_disparity_that_a_withheld_group_could_change_is_not_known() -> None:
    found = bias_of(measured(repeated(white=200, black=32, sami=5)), "race")
    assert [each["value"] for each in found["disparities"]] == [None, None, None]
    assert all(
        each["note"].startswith("not known: a group that has enough") for each in found["disparities"][:2]
    )


def test_few_rows_without_a_value_are_told_with_a_group() -> None:
    found = bias_of(measured(pd.DataFrame({"race": ["a"] * 60 + [None] * 4 + ["b"] * 100})), "race")
    assert (found["missing"], found["missing_apart"]) == (None, 0)
    assert [g["n"] for g in found["groups"]] == [64, 100]


@pytest.mark.parametrize("n", [2, 9])
def test_of_a_test_set_of_fewer_than_ten_rows_no_figure_is_told(n: int) -> None:
    table = pd.DataFrame({"race": ["a"] * n})
    result: Any = evaluate(np.arange(n) % 2, np.arange(n) // 2 % 2, y_score=np.arange(n) / n, sensitive=table)
    figures = [*result["metrics"], *result["bias"][0]["disparities"]]
    assert {figure["value"] for figure in figures} == {None}
    assert b'"a"' not in encode(result["bias"])
