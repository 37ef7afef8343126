"""Fingerprints of tables: a random search for one table with two fingerprints, and for two with one."""

import random
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from registry.fingerprint import fingerprint
from registry.row_hashes import hashes_of
from tests.random_holdings import column, holding

SEEDS = st.integers(0, 2**32 - 1)


def held(chance: random.Random, kind: Any, values: Any) -> str:
    return str(fingerprint(holding(chance, kind, values)))


@settings(max_examples=150)
@given(SEEDS)
def test_a_column_has_one_fingerprint_however_its_nested_values_are_held(seed: int) -> None:
    chance = random.Random(seed)
    kind, values = column(chance)
    assert held(chance, kind, values) == held(chance, kind, values)


@settings(max_examples=150)
@given(SEEDS)
def test_two_columns_of_one_kind_have_one_fingerprint_only_if_they_are_equal(seed: int) -> None:
    chance = random.Random(seed)
    kind, values = column(chance)
    other = [values[chance.randrange(len(values))] if chance.random() < 0.3 else value for value in values]
    assert (held(chance, kind, values) == held(chance, kind, other)) is (values == other)


@settings(max_examples=50)
@given(SEEDS)
def test_equal_rows_have_equal_hashes_however_they_are_held(seed: int) -> None:
    chance = random.Random(seed)
    kind, values = column(chance)
    one, other = (
        [word for chunk in holding(chance, kind, values).chunks for word in hashes_of([chunk], b"seed")]
        for _ in range(2)
    )
    assert one == other
