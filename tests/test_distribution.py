"""Distributions: exact while values are few, within their error beyond, whatever the order and the pieces."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.distribution import MOST_COUNTED, VALUE_ERROR, Distribution


def of(*pieces: Any) -> Distribution:
    found = Distribution()
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
    ranked, found = of(many), np.sort(many)
    assert not ranked.exact
    order = ranked.ranked()
    for rank in range(1, len(many) + 1, 997):
        assert abs(order.at(rank) - found[rank - 1]) <= float(VALUE_ERROR) * abs(found[rank - 1])


def test_beyond_the_bound_no_value_is_counted(many: Any) -> None:
    assert of(many).counts() == []


def test_order_and_pieces_do_not_matter(many: Any) -> None:
    whole, pieces = of(many), of(*np.array_split(many[::-1], 7))
    assert whole.distinct == pieces.distinct
    ranks = (1, 500, 50_000, 100_000)
    assert [whole.ranked().at(r) for r in ranks] == [pieces.ranked().at(r) for r in ranks]


def test_the_bound_is_where_it_is_said_to_be() -> None:
    assert of(np.arange(MOST_COUNTED)).exact
    assert not of(np.arange(MOST_COUNTED + 1)).exact


@pytest.mark.parametrize("value", [0.0, float("inf"), float("-inf"), -1.5, 5e-324, 1.7e308])
def test_a_value_of_any_size_comes_back_from_the_buckets(value: float) -> None:
    found = of(np.arange(MOST_COUNTED) * 1e-5 + 7.0, np.full(200_000, value))
    [rank] = [1] if value < 7 else [found.rows]
    got = found.at(rank)
    # Below the smallest normal number there is only zero.
    assert got == value or abs(got - value) <= max(float(VALUE_ERROR) * abs(value), 1e-300)


def test_no_values_have_nothing_to_tell() -> None:
    empty = of(np.zeros(0))
    assert (empty.rows, empty.exact, empty.distinct, empty.counts()) == (0, True, 0, [])
