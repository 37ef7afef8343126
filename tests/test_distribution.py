"""Distributions: exact while values are few, within their error beyond, whatever the pieces."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.distribution import MOST_COUNTED, Distribution
from registry.value_sample import SHARE_ERROR


def of(*pieces: Any, small_cell: int = 10) -> Distribution:
    found = Distribution(small_cell)
    for piece in pieces:
        found.add(pa.array(piece))
    return found


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=200))
def test_every_rank_has_its_value(values: list[int]) -> None:
    found = of(values)
    ranked = found.ranked()
    assert [ranked.at(rank + 1) for rank in range(len(values))] == sorted(values)
    assert (found.exact, found.distinct, found.rows) == (True, len(set(values)), len(values))


def test_the_most_frequent_come_first_and_then_the_smallest() -> None:
    assert of([3, 1], [2, 3, 1]).counts() == [(1, 2), (3, 2), (2, 1)]


@pytest.fixture(scope="module")
def many() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(3).standard_cauchy(100_000) * 1e6


def test_beyond_the_bound_a_quantile_is_as_near_as_it_claims(many: Any) -> None:
    found, order = of(many), np.sort(many)
    assert not found.exact
    ranked = found.ranked()
    for rank in range(1, len(many) + 1, 997):
        at = int(np.searchsorted(order, ranked.at(rank))) + 1
        assert abs(at - rank) <= 5 * float(SHARE_ERROR) * len(many)


@pytest.mark.parametrize("small_cell", [1, 10, 20_000])
def test_beyond_the_bound_the_outermost_that_may_be_told_are_exact(many: Any, small_cell: int) -> None:
    order = np.sort(many)
    ranked = of(*np.array_split(many, 9), small_cell=small_cell).ranked()
    assert ranked.outermost(small_cell) == (order[small_cell - 1], order[-small_cell])
    assert ranked.at(1) == order[small_cell - 1]
    assert ranked.at(len(many)) == order[-small_cell]


def test_values_that_were_counted_before_they_were_too_many_count_as_often_as_they_stood() -> None:
    few, many = np.repeat([-5.0, 5.0], 100_000), np.arange(200_000) / 200_000
    found = of(few, many)
    assert (found.exact, found.rows) == (False, 400_000)
    assert abs(found.distinct - 200_002) < 8_000
    ranked = found.ranked()
    assert ranked.outermost(10) == (-5.0, 5.0)
    assert [ranked.at(rank) for rank in (90_000, 350_000)] == [-5.0, 5.0]
    assert 0.45 < ranked.at(200_000) < 0.55


def test_beyond_the_bound_no_value_is_counted(many: Any) -> None:
    assert of(many).counts() == []


def test_pieces_do_not_matter(many: Any) -> None:
    whole, pieces = of(many), of(*np.array_split(many, 7))
    assert whole.distinct == pieces.distinct
    ranks = (1, 500, 50_000, 100_000)
    assert [whole.ranked().at(r) for r in ranks] == [pieces.ranked().at(r) for r in ranks]


def test_what_is_counted_does_not_depend_on_the_order() -> None:
    values = np.random.default_rng(1).integers(0, 50_000, 300_000)
    assert of(values).counts() == of(values[::-1]).counts() == of(np.sort(values)).counts()


def test_the_bound_is_where_it_is_said_to_be() -> None:
    assert of(np.arange(MOST_COUNTED)).exact
    assert not of(np.arange(MOST_COUNTED + 1)).exact


@pytest.mark.parametrize("value", [0.0, float("inf"), float("-inf"), -1.5, 5e-324, 1.7e308])
def test_a_frequent_value_of_any_size_comes_back_from_a_sample(value: float) -> None:
    found = of(np.arange(MOST_COUNTED) * 1e-5 + 7.0, np.full(200_000, value))
    assert not found.exact
    assert found.ranked().at(1 if value < 7 else found.rows) == value


def test_no_values_have_nothing_to_tell() -> None:
    empty = of(np.zeros(0))
    assert (empty.rows, empty.exact, empty.distinct, empty.counts()) == (0, True, 0, [])
