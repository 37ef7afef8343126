"""Samples by place: of the size and the error that they claim, the same whatever the pieces."""

import numpy as np
import pytest

from registry.value_sample import SAMPLED, SHARE_ERROR, ValueSample


def of(*pieces: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ValueSample:
    sample = ValueSample()
    for piece in pieces:
        sample.add(piece)
    return sample


ORDERS = {
    "in order": np.arange(300_000),
    "backwards": np.arange(300_000)[::-1],
    "in turns of two": np.arange(300_000) % 2 * 300_000 + np.arange(300_000),
    "shuffled": np.random.default_rng(5).permutation(300_000),
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_rank_is_as_near_as_it_claims(order: str) -> None:
    values = ORDERS[order]
    sample, ranked = of(values), np.sort(values)
    for rank in range(1, len(values), 10_007):
        at = int(np.searchsorted(ranked, sample.at(rank, len(values))))
        assert abs(at - rank) <= 4 * float(SHARE_ERROR) * len(values)


def test_the_same_places_are_kept_whatever_the_pieces() -> None:
    values = ORDERS["shuffled"]
    whole = of(values)
    for pieces in (2, 7, 100):
        cut = of(*np.array_split(values, pieces))
        assert [cut.at(rank, 300) for rank in range(1, 301)] == [
            whole.at(rank, 300) for rank in range(1, 301)
        ]


def test_counted_values_are_sampled_as_if_each_stood_as_often() -> None:
    values, counts = np.array([3, 8, 9]), np.array([100_000, 1, 200_000])
    counted = ValueSample()
    counted.add_counted(values, counts)
    written = of(np.repeat(values, counts))
    assert [counted.at(rank, 300) for rank in range(1, 301)] == [
        written.at(rank, 300) for rank in range(1, 301)
    ]


@pytest.mark.parametrize("rows", [1, SAMPLED, 2 * SAMPLED, 2 * SAMPLED + 1, 300_000])
def test_all_values_are_kept_while_they_are_few_and_enough_beyond(rows: int) -> None:
    sample = of(np.arange(rows))
    kept = len({sample.at(rank, rows) for rank in range(1, rows + 1)})
    assert kept == rows if rows <= 2 * SAMPLED else SAMPLED <= kept <= 2 * SAMPLED
