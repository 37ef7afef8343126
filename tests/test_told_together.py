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
from registry.evaluation_settings import Settings
from registry.fairness import bias
from registry.told_together import told_together

Whole = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

value = st.integers(-1, 2)
few = st.sampled_from([1, 3, 8, 9, 10, 12])
many = st.sampled_from([20, 30, 40])
atoms = st.dictionaries(st.tuples(value, value, value), few | many, min_size=1, max_size=14)
crossed = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1)), few | many, min_size=3, max_size=6)


def rows_of(found: dict[tuple[int, ...], int]) -> Whole:
    """Make rows of two or three columns from how many there are of each."""
    return np.array([values for values, rows in found.items() for _ in range(rows)], dtype=np.int64)


def sets_of(columns: int) -> list[tuple[int, ...]]:
    return [some for size in range(1, columns + 1) for some in combinations(range(columns), size)]


def small_groups(codes: Whole) -> Reals:
    """List every group of every table, as flags over the rows, of which nothing may be worked out."""
    found = []
    for some in sets_of(codes.shape[1]):
        for values in np.unique(codes[:, some], axis=0):
            flags = (codes[:, some] == values).all(axis=1)
            if flags.sum() < SMALL_CELL:
                found.append(flags)
    return np.array(found, dtype=np.float64).reshape(-1, len(codes))


def told_sets(codes: Whole) -> Reals:
    """List what is told, as flags over the rows: every block of every table, and the total."""
    told = told_together(codes, sets_of(codes.shape[1]), SMALL_CELL)
    flags = [blocks == block for blocks in told for block in np.unique(blocks)]
    return np.array([np.ones(len(codes)), *flags], dtype=np.float64)


@settings(max_examples=60, deadline=None)
@given(atoms | crossed)
def test_no_small_group_can_be_worked_out_by_adding_and_subtracting_what_is_told(found: Any) -> None:
    codes = rows_of(found)
    if len(codes) < SMALL_CELL:
        return  # then nothing is told but how many rows there are
    told = told_sets(codes)
    rank = np.linalg.matrix_rank(told)
    for group in small_groups(codes):
        assert np.linalg.matrix_rank(np.vstack([told, group])) == rank + 1


@settings(max_examples=60, deadline=None)
@given(atoms)
def test_every_block_that_is_told_is_large_enough_or_everything(found: Any) -> None:
    for blocks in told_together(rows_of(found), sets_of(3), SMALL_CELL):
        rows = np.unique(blocks, return_counts=True)[1]
        assert len(rows) == 1 or rows.min() >= SMALL_CELL


def named_and_counted(codes: Whole, outcomes: Whole) -> list[Any]:
    """List what is told of each table but its figures: the groups, by name and in order, and their rows."""
    table = pd.DataFrame(codes, columns=list("abc")[: codes.shape[1]]).replace(-1, None)
    told: Any = bias(outcomes > 1, outcomes % 2 > 0, table, Settings(replicates=100))
    return [
        (
            each["attribute"],
            [each.get(name) for name in ("missing", "missing_apart", "minimum", "groups_omitted")],
            [
                (
                    group["name"],
                    group["group"],
                    group["n"],
                    group["enough"],
                    [figure["name"] for figure in group["metrics"]],
                    {**group.get("together", {}), "hides_labels": None},
                )
                for group in each["groups"]
            ],
        )
        for each in told
    ]


@settings(max_examples=30, deadline=None)
@given(atoms | crossed, st.integers(0, 2**32 - 1), st.integers(0, 100))
def test_which_groups_are_told_depends_on_no_outcome(found: Any, seed: int, alike: int) -> None:
    codes = rows_of(found)
    rng = np.random.default_rng(seed)
    outcomes = np.where(np.arange(len(codes)) < alike, 2, np.arange(len(codes)) % 4)
    assert named_and_counted(codes, outcomes) == named_and_counted(codes, rng.permutation(outcomes))


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


@pytest.mark.parametrize("n", [12, 40])
def test_a_group_of_ten_or_more_that_were_all_refused_is_told_for_hiding_it_would_tell_that(n: int) -> None:
    table = repeated(white=200, roma=n)
    place = np.arange(200 + n)
    truth, predicted = place // 2 % 2, np.where(place < 200, place % 2, 0)
    roma = bias_of(evaluate(truth, predicted, sensitive=table, minimum=10), "race")["groups"][0]
    assert (roma["name"], roma["n"], roma["metrics"][0]["value"]) == ("roma", n, "0.0")


def test_asking_for_more_rows_tells_fewer_groups() -> None:
    found = bias_of(measured(repeated(white=200, black=60, sami=12), small_cell=30), "race")
    assert [g["name"] for g in found["groups"]] == ["black and fewer than 30 others", "white"]


def test_equalized_odds_are_not_known_where_a_group_that_is_told_with_others_may_have_enough_of_each_label() -> (
    None
):
    found = bias_of(measured(repeated(white=200, black=60, sami=5)), "race")
    assert found["disparities"][2]["note"].startswith("not known: a group that has enough")


def test_ten_rows_that_are_all_alike_are_a_test_set_that_is_told() -> None:
    result: Any = evaluate([0, 1] * 5, [0] * 10)
    assert result["metrics"][1]["value"] == "0.0"


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
