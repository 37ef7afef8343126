"""Two runs of one version compared: what is said of tables that differ, and what a forged document changes."""

from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from audit.canonical import JsonObject
from registry.artifacts import ArtifactStore
from registry.fingerprint_key import FingerprintKey
from registry.keying import UNKEYED, Keying
from registry.parts import describe
from registry.sameness import Compared, compare_runs

KEYED = Keying(keyed=("b",), key=FingerprintKey(b"k" * 32))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Give an artifact store."""
    return ArtifactStore(tmp_path / "artifacts")


def part_of(store: ArtifactStore, keying: Keying = UNKEYED, **columns: list[int]) -> JsonObject:
    return describe("load", pa.table(columns), store, keying)


def compared(store: ArtifactStore, recorded: JsonObject, again: JsonObject) -> Compared:
    one, other = (
        {"steps": [{"name": "load", "status": "succeeded", "outputs": [part]}]} for part in (recorded, again)
    )
    (found,) = compare_runs(cast(JsonObject, one), cast(JsonObject, other), store, store)
    return found


def test_where_two_tables_differ_is_told_from_their_documents(store: ArtifactStore) -> None:
    found = compared(store, part_of(store, a=[1], b=[2]), part_of(store, a=[1], b=[3]))
    assert found.same is False
    assert found.difference == {"step": "load", "part": "load", "column": "b", "rows": [0, 1]}


def test_tables_that_differ_in_what_is_keyed_otherwise_cannot_be_told(store: ArtifactStore) -> None:
    assert compared(store, part_of(store, KEYED, a=[1], b=[2]), part_of(store, a=[1], b=[2])).same is None


def test_the_document_of_another_fingerprint_is_not_asked_where_tables_differ(store: ArtifactStore) -> None:
    forged = part_of(store, a=[1], b=[2]) | {"document": part_of(store, a=[7], b=[3])["document"]}
    found = compared(store, forged, part_of(store, a=[1], b=[3]))
    assert found.same is False
    assert found.difference == {"step": "load", "part": "load", "column": None, "rows": None}


def test_a_forged_document_with_keyed_columns_makes_no_difference_untellable(store: ArtifactStore) -> None:
    forged = part_of(store, a=[1], b=[2]) | {"document": part_of(store, KEYED, a=[1], b=[3])["document"]}
    assert compared(store, forged, part_of(store, a=[1], b=[3])).same is False
