"""HyperLogLog: estimates within what they claim, and the same for the same values."""

import numpy as np
import pyarrow as pa
import pytest

from registry.cardinality import RELATIVE_ERROR, HyperLogLog, hashed_numbers, hashed_texts


def estimated(values: pa.Array) -> int:
    seen = HyperLogLog()
    texts = pa.types.is_large_string(values.type)
    seen.add(hashed_texts(values) if texts else hashed_numbers(np.asarray(values)))
    return seen.estimate()


@pytest.mark.parametrize("count", [0, 1, 100, 20_000, 40_000, 80_000, 300_000])
def test_an_estimate_is_within_four_standard_errors(count: int) -> None:
    for start in (0, 10**12):
        found = estimated(pa.array(np.arange(start, start + count)))
        assert abs(found - count) <= 4 * float(RELATIVE_ERROR) * count


def test_estimates_are_off_by_what_they_claim_on_average() -> None:
    draw = np.random.default_rng(4)
    off = [estimated(pa.array(draw.normal(size=50_000))) / 50_000 - 1 for _ in range(40)]
    # The standard error of 40 estimates lies in this range in all but one of ten thousand cases.
    assert 0.5 * float(RELATIVE_ERROR) < np.sqrt(np.mean(np.square(off))) < 1.6 * float(RELATIVE_ERROR)


def test_texts_are_told_apart_by_every_byte() -> None:
    texts = [
        "",
        "\0",
        "\0\0",
        "a",
        "b",
        "ab",
        "ba",
        "aa",
        "a\0",
        "é",
        "e",
        *(f"name {n}" for n in range(5_000)),
    ]
    found = estimated(pa.array(texts, pa.large_string()))
    assert abs(found - len(texts)) <= 4 * float(RELATIVE_ERROR) * len(texts)
    hashes = hashed_texts(pa.array(texts[:11], pa.large_string()))
    assert len(set(hashes.tolist())) == 11


def test_a_slice_of_texts_hashes_as_the_texts_alone() -> None:
    texts = pa.array(["one", "two", "three", "four"], pa.large_string())
    assert hashed_texts(texts.slice(1, 2)).tolist() == hashed_texts(texts).tolist()[1:3]


def test_the_same_value_again_changes_nothing() -> None:
    once, again = HyperLogLog(), HyperLogLog()
    hashes = hashed_numbers(np.arange(1000))
    once.add(hashes)
    for _ in range(3):
        again.add(hashes[::-1])
    assert once.estimate() == again.estimate()
