"""What can be had from a profile by reckoning: never one row's value, in tables as odd as can be."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.profile import ColumnProfile, profile

VALUES = st.integers(0, 3).flatmap(
    lambda kind: st.lists(
        [
            st.integers(-500, 500).map(float),
            st.floats(-1e9, 1e9, allow_subnormal=False),
            st.sampled_from([0.5, 1.5, 2.5, 1e12]),
            st.integers(1, 400).map(lambda number: round(1000 / number**2, 2)),
        ][kind],
        min_size=20,
        max_size=150,
    )
)


def column(values: Any) -> ColumnProfile:
    return profile(pa.table({"x": pa.array(values)})).columns[0]


def figures(values: Any) -> dict[str, Any]:
    said = column(values).to_json()
    return {name: said[name] for name in ("low", "high", "quantiles", "mean", "deviation")}


def outer(found: ColumnProfile) -> tuple[float, float]:
    return float(str(found.low)), float(str(found.high))


@given(VALUES)
def test_a_shown_bound_that_is_a_value_is_that_of_ten_rows_or_stands_for_as_many_around_it(
    values: list[float],
) -> None:
    found = column(values)
    for shown in {found.low, found.high, *(at for _, at in found.quantiles)} - {None}:
        at = Decimal(str(shown))
        exact = sum(Decimal(repr(value)) == at for value in values)
        # A bound on the grid of a step has ten rows within that step: the step divides it.
        steps = [digit * Decimal(10) ** power for power in range(-12, 14) for digit in (1, 2, 5)]
        near = [step for step in steps if at % step == 0]
        assert exact >= 10 or any(
            sum(abs(Decimal(repr(value)) - at) <= step for value in values) >= 10 for step in near
        )


@given(VALUES, st.floats(0, 1e12))
def test_how_far_a_value_lies_beyond_the_range_shows_nowhere(values: list[float], beyond: float) -> None:
    found = column(values)
    if found.low is None or found.high is None:
        return
    _, high = outer(found)
    odd = [value for value in values if value > high]
    if len(odd) == 1:  # one row beyond: it might as well be any other there
        other = [high + (value - high) / 2 + beyond if value > high else value for value in values]
        assert figures(other) == figures(values)


@given(VALUES)
def test_a_mean_is_so_coarse_that_the_total_leaves_the_range_open_for_any_row(values: list[float]) -> None:
    """Who knows all rows but one has from the total an interval as wide as the range."""
    found = column(values)
    if found.mean is None or found.deviation == "0":
        return
    least = (Decimal(str(found.high)) - Decimal(str(found.low))) / len(values)
    steps = [digit * Decimal(10) ** power for power in range(-16, 16) for digit in (1, 2, 5)]
    assert Decimal(found.mean) % min(step for step in steps if step >= least) == 0


@pytest.mark.parametrize(
    "values",
    [
        [*(float(n) + 0.5 for n in range(20, 119)), 5_231_000_000.0],
        [*(n / 10 for n in range(600)), 1e6],
        [*(n / 10 + 1e6 for n in range(600)), 2e6],
    ],
)
def test_one_great_value_shows_in_no_figure(values: list[float]) -> None:
    assert figures(values) == figures([*values[:-1], max(values[:-1]) + 1])
    assert Decimal(str(column(values).mean)) < Decimal(max(values[:-1]))


def test_the_middle_row_of_twenty_one_is_not_the_total_less_the_ends() -> None:
    tails = [*(n / 10 for n in range(10)), *(100 + n / 10 for n in range(10))]
    shown = [column([*tails, middle]).mean for middle in (20.5, 40.5, 60.5, 80.5)]
    assert len(set(shown)) < len(shown)


@pytest.mark.parametrize("kind", [int, float, str])
def test_numbers_that_name_rows_have_no_range(kind: type) -> None:
    found = column([kind(10_000 + n * 7) for n in range(300)])
    assert (found.low, found.quantiles, found.mean, found.values) == (None, (), None, ())
    assert found.distinct == 300


def test_many_numbers_that_name_rows_have_no_range() -> None:
    found = column(range(10_000, 110_000))
    assert (found.exact, found.low, found.quantiles, found.mean) == (False, None, (), None)
