"""The small-cell rule: nothing about fewer rows than the threshold, and nothing that can be had by subtraction."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.disclosure import MOST_SHOWN, may_show_mean, ranks_shown, shown_values

COUNTS = st.lists(st.integers(1, 60), max_size=30).map(
    lambda counts: [(f"v{n}", count) for n, count in enumerate(sorted(counts, reverse=True))]
)


@given(COUNTS, st.integers(1, 20))
def test_no_value_is_shown_that_fewer_rows_hold(counts: list[tuple[str, int]], small_cell: int) -> None:
    assert all(rows >= small_cell for _, rows in shown_values(counts, small_cell).values)


@given(COUNTS, st.integers(2, 20))
def test_a_hidden_small_count_cannot_be_had_from_the_total(
    counts: list[tuple[str, int]], small_cell: int
) -> None:
    shown = shown_values(counts, small_cell)
    hidden = counts[len(shown.values) :]
    assert (shown.hidden, shown.hidden_rows) == (len(hidden), sum(rows for _, rows in hidden))
    if any(rows < small_cell for _, rows in hidden):
        # All of them together are what the total of the table tells anyway.
        assert not shown.values or (shown.hidden >= 2 and shown.hidden_rows >= small_cell)


@given(COUNTS, st.integers(1, 20))
def test_what_is_shown_is_the_most_frequent(counts: list[tuple[str, int]], small_cell: int) -> None:
    shown = shown_values(counts, small_cell).values
    assert list(shown) == counts[: len(shown)]
    assert len(shown) <= MOST_SHOWN


def test_a_rare_value_of_two_takes_the_other_along() -> None:
    assert shown_values([("no", 990), ("yes", 3)], 10).values == ()


@given(st.integers(0, 5000), st.integers(1, 40))
def test_quantiles_have_enough_rows_between_them_and_on_either_side(rows: int, small_cell: int) -> None:
    ranks = [rank for _, rank in ranks_shown(rows, small_cell)]
    assert all(later - rank >= small_cell for rank, later in pairwise([0, *ranks]))
    assert all(rows - rank >= small_cell for rank in ranks)


def test_few_rows_have_their_quarters_or_their_half_alone() -> None:
    shares = [[share for share, _ in ranks_shown(rows, 10)] for rows in (19, 20, 40)]
    assert shares == [[], ["0.5"], ["0.25", "0.5", "0.75"]]


@pytest.mark.parametrize(
    ("distinct", "small", "may"), [(9, False, True), (2, True, False), (400, True, True)]
)
def test_a_mean_is_shown_unless_it_gives_a_hidden_count(distinct: int, small: bool, may: bool) -> None:
    assert may_show_mean(distinct, small) is may
