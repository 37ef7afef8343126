"""A part says what a value was; what cannot be said is opaque, with the reason."""

import collections
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from audit.canonical import decode, encode
from audit.errors import EnvironmentFailed
from registry.artifacts import ArtifactStore
from registry.fingerprint import fingerprint
from registry.parts import describe, is_fitted_model, is_model, parts_of


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


TABLE = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})


class Hostile:
    """An object whose every attribute raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hunter2")


def test_a_table_leaves_its_whole_fingerprint_in_the_store(store: ArtifactStore) -> None:
    part = describe("rows", TABLE, store)
    assert (part["kind"], part["rows"], part["columns"]) == ("table", 3, 2)
    assert part["fingerprint"] == str(fingerprint(TABLE))
    assert decode(store.get(str(part["document"]))) == fingerprint(TABLE).to_json()


@pytest.mark.parametrize("table", [pl.DataFrame({"a": [1]}), pd.Series([1], name="a"), np.zeros((2, 2))])
def test_tables_of_other_makers_are_tables(table: object, store: ArtifactStore) -> None:
    assert describe("rows", table, store)["kind"] == "table"


@pytest.mark.parametrize("value", [3, "text", [1, 2], {1: 2}, None, np.zeros((2, 2, 2)), StandardScaler()])
def test_a_plain_value_has_a_digest_of_its_state(value: object, store: ArtifactStore) -> None:
    part = describe("value", value, store)
    assert part["kind"] == "value"
    assert str(part["fingerprint"]).startswith("affidavit-value-v1:sha256:")
    encode(part)


def test_a_model_has_a_digest_of_what_it_learned(store: ArtifactStore) -> None:
    part = describe("model", LogisticRegression().fit([[0], [1]], [0, 1]), store)
    assert part["kind"] == "model"
    assert str(part["fingerprint"]).startswith("affidavit-model-v1:sha256:")
    assert part["type"] == "sklearn.linear_model._logistic.LogisticRegression"


MAKERS: list[Callable[[], object]] = [
    threading.Lock,
    lambda: (n for n in [1]),
    Hostile,
    lambda: pd.DataFrame({"a": [1, "x", object()]}),
]


@pytest.mark.parametrize("make", MAKERS)
def test_what_cannot_be_fingerprinted_is_opaque_and_says_why(
    make: Callable[[], object], store: ArtifactStore
) -> None:
    part = describe("value", make(), store)
    assert (part["kind"], part["fingerprint"]) == ("opaque", None)
    assert str(part["note"]).startswith("not fingerprinted: ")
    assert b"hunter2" not in encode(part)


def test_a_full_disk_is_no_property_of_the_value(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ArtifactStore, data: bytes) -> str:
        raise EnvironmentFailed("full")

    monkeypatch.setattr(ArtifactStore, "put", full)
    with pytest.raises(EnvironmentFailed):
        describe("rows", TABLE, store)


def names(value: object) -> list[str]:
    return [name for name, _ in parts_of("split", value)]


def test_a_dict_of_named_values_is_one_part_each() -> None:
    assert names({"train": TABLE, "test": TABLE}) == ["split.train", "split.test"]


def test_a_tuple_that_holds_tables_is_one_part_for_each_place() -> None:
    assert names((TABLE, TABLE, 3)) == ["split.0", "split.1", "split.2"]


def test_a_named_tuple_that_holds_tables_names_its_parts() -> None:
    pair = collections.namedtuple("pair", "train test")
    assert names(pair(TABLE, TABLE)) == ["split.train", "split.test"]


@pytest.mark.parametrize(
    "value", [TABLE, 3, {}, {1: TABLE}, [1, 2], [object()], dict.fromkeys(map(str, range(1000)), 1)]
)
def test_everything_else_is_one_part(value: object) -> None:
    assert names(value) == ["split"]


def test_a_list_of_what_cannot_be_looked_at_is_one_part() -> None:
    assert names([Hostile()]) == ["split"]


def test_a_model_that_learned_nothing_is_no_fitted_one() -> None:
    assert is_model(LogisticRegression())
    assert not is_fitted_model(LogisticRegression())
    assert not is_model(LogisticRegression)
    assert not is_model(StandardScaler())


def test_why_a_table_has_no_fingerprint_is_told_without_any_of_its_values(store: ArtifactStore) -> None:
    part = describe("rows", pd.DataFrame({"a": [Decimal("Infinity"), Decimal(7_777_777)]}), store)
    assert part["note"] == (
        "not fingerprinted: column 'a' cannot be read as one type: convert it to numbers or text"
    )
