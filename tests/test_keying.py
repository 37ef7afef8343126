"""Which columns of a run are keyed, and what a reproduction can say of them."""

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.canonical import JsonObject, decode
from audit.errors import MalformedInput, NotFound
from registry.artifacts import ArtifactStore
from registry.file_columns import with_file_columns
from registry.fingerprint import Fingerprint, fingerprint
from registry.fingerprint_key import FingerprintKey, create_key
from registry.flows import Flow
from registry.keying import Keying, key_at_hand
from registry.parts import describe
from registry.pipeline import Pipeline
from registry.privacy import NO_DEMANDS
from registry.recording import Recording
from registry.run import run_pipeline
from registry.sameness import compare_runs
from tests.test_recording import Kept

KEY, OTHER = FingerprintKey(bytes(32)), FingerprintKey(b"\x01" * 32)
PEOPLE = pd.DataFrame(
    {"id": [1, 2], "race": ["a", "b"], "race_b": [0, 1], "born": ["1980-02-03", "1990-01-01"]}
)


def people(**options: tuple[str, ...]) -> Pipeline:
    pipeline = Pipeline("people", **options)  # type: ignore[arg-type]

    @pipeline.step
    def load() -> pd.DataFrame:
        return PEOPLE

    return pipeline


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.chdir(tmp_path)
    return ArtifactStore(tmp_path / "store")


def keyed(predicate: JsonObject, store: ArtifactStore) -> list[str]:
    """Name the keyed columns of the one table of a run."""
    (part,) = cast(list[JsonObject], cast(list[JsonObject], predicate["steps"])[-1]["outputs"])
    found = Fingerprint.from_json(decode(store.get(str(part["document"]))))
    assert str(found) == part["fingerprint"]
    return [column.name for column in found.columns if column.key is not None]


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        ({}, KEY, []),
        ({"keyed": ("born",)}, KEY, ["born"]),
        ({"protected": ("race",)}, KEY, ["race", "race_b"]),
        ({"keyed": ("born",), "protected": ("race",)}, KEY, ["race", "race_b", "born"]),
        ({"protected": ("race",)}, None, []),
        ({"keyed": ("no column",)}, KEY, []),
    ],
)
def test_a_pipeline_keys_what_it_names_and_what_it_protects(
    options: dict[str, tuple[str, ...]], key: FingerprintKey | None, expected: list[str], store: ArtifactStore
) -> None:
    assert keyed(run_pipeline(people(**options), {}, artifacts=store, key=key).predicate, store) == expected


def test_a_column_without_a_name_is_keyed_where_its_part_is_called_as_a_protected_one() -> None:
    keying = Keying(protected=("race",), key=KEY)
    array = np.array(["white", "black"])
    assert [column.key is not None for column in keying.fingerprint(array, "load.race").columns] == [True]
    assert keying.unmatched() == []


def test_a_column_without_a_name_is_keyed_whatever_its_part_is_called_where_any_column_is() -> None:
    array = np.array(["white", "black"])
    for keying, is_keyed in ((Keying(protected=("race",), key=KEY), True), (Keying(key=KEY), False)):
        found = keying.fingerprint(array, "load.job").columns
        assert [column.key is not None for column in found] == [is_keyed]


@pytest.mark.parametrize(
    ("table", "is_keyed"),
    [
        (pd.Series([1, 2], name="r"), True),
        (pd.DataFrame({"r": [1, 2]}), True),
        (pd.DataFrame({"r": [1, 2], "s": [1, 2]}), False),
    ],
)
def test_a_column_that_is_alone_in_a_part_of_a_protected_name_is_keyed(table: object, is_keyed: bool) -> None:
    found = Keying(protected=("race",), key=KEY).fingerprint(table, "load.race")
    assert (found.columns[0].key is not None) == is_keyed


def test_what_an_evaluation_declares_as_sensitive_is_keyed() -> None:
    pipeline = people()

    @pipeline.evaluate(sensitive=["race"])
    def judge(load: pd.DataFrame) -> None:
        """Is not run here."""

    assert pipeline.keying(KEY, NO_DEMANDS).columns_of(PEOPLE.columns) == ["race", "race_b"]


def test_a_run_that_is_to_key_columns_without_a_key_is_refused_before_it_begins(store: ArtifactStore) -> None:
    with pytest.raises(NotFound, match="'born' is to be keyed, and the ledger has no fingerprint key"):
        run_pipeline(people(keyed=("born",)), {}, artifacts=store)


def test_a_recorded_table_is_keyed_where_it_is_asked_for(store: ArtifactStore) -> None:
    kept = Kept(store, key=KEY)
    with Recording("people", {}, lambda: kept) as run:
        run.data("people", PEOPLE, keyed=["born"])
    assert keyed(kept.results[0].predicate, store) == ["born"]


def test_a_recording_keys_what_it_protects(store: ArtifactStore) -> None:
    kept = Kept(store, key=KEY)
    with Recording("people", {}, lambda: kept, protected=["race"]) as run:
        run.data("people", PEOPLE)
    assert keyed(kept.results[0].predicate, store) == ["race", "race_b"]


def test_a_recorded_table_that_is_to_be_keyed_without_a_key_is_refused(store: ArtifactStore) -> None:
    kept = Kept(store)
    with pytest.raises(NotFound, match="'born' is to be keyed"), Recording("people", {}, lambda: kept) as run:
        run.data("people", PEOPLE, keyed=["born"])


@pytest.mark.parametrize(("again", "same"), [(KEY, True), (OTHER, None), (None, None)])
def test_a_rerun_with_another_key_is_neither_the_same_nor_different(
    again: FingerprintKey | None, same: bool | None, store: ArtifactStore
) -> None:
    one, other = (
        run_pipeline(people(protected=("born",)), {}, artifacts=store, key=key).predicate
        for key in (KEY, again)
    )
    assert [compared.same for compared in compare_runs(one, other, store, store)] == [same]


def test_a_rerun_with_another_key_is_different_where_a_bare_column_is(store: ArtifactStore) -> None:
    one = run_pipeline(people(protected=("born",)), {}, artifacts=store, key=KEY).predicate
    pipeline = Pipeline("people", protected=("born",))

    @pipeline.step
    def load() -> pd.DataFrame:
        return PEOPLE.assign(id=[1, 3])

    other = run_pipeline(pipeline, {}, artifacts=store, key=OTHER).predicate
    (compared,) = compare_runs(one, other, store, store)
    assert compared.same is False
    assert compared.difference is not None
    assert compared.difference["column"] == "id"


def test_a_keyed_column_is_found_again_in_the_file_that_it_was_read_from(store: ArtifactStore) -> None:
    PEOPLE.to_csv("people.csv", index=False)
    keying = Keying(protected=("race",), key=KEY)
    part = describe("load", PEOPLE, store, keying)
    flow = Flow("load", "load", "table", tuple(PEOPLE.columns))
    found = with_file_columns(flow, part, "pandas", {"people.csv": Path("people.csv")}, store, keying)
    assert {link.column for link in found.links if link.column is not None} >= {"id", "race", "born"}


def test_a_ledger_has_a_key_once_it_is_made(tmp_path: Path) -> None:
    assert key_at_hand(tmp_path) is None
    key = create_key(tmp_path / "fingerprint.key")
    assert key_at_hand(tmp_path) == key


def test_a_key_elsewhere_is_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = create_key(tmp_path / "elsewhere")
    monkeypatch.setenv("AFFIDAVIT_FINGERPRINT_KEY", str(tmp_path / "elsewhere"))
    assert key_at_hand(tmp_path / "keys") == key


@pytest.mark.parametrize(
    "held",
    [pa.array([{"race": "w"}]), pa.array([[{"x": {"Race": "w"}}]]), pa.array([[("k", {"race_b": 1})]], pa.map_(
        pa.string(), pa.struct({"race_b": pa.int8()})))],
    ids=["a struct", "structs in lists", "structs in maps"],
)  # fmt: skip
def test_a_column_whose_structs_have_a_field_that_is_keyed_is_keyed(held: pa.Array) -> None:
    keying = Keying(protected=("race",), key=KEY)
    columns = keying.fingerprint(pa.table({"who": held, "other": [{"racetrack": 1}]})).columns
    assert [column.key for column in columns] == [KEY.id, None]
    assert keying.unmatched() == []
    assert Keying(protected=("race",)).fingerprint(pa.table({"who": held})).columns[0].key is None


def test_a_field_of_a_struct_may_be_named_as_a_column_to_be_keyed() -> None:
    table = pa.table({"who": [{"race": "w"}]})
    Keying().check_given(["race"], table)
    with pytest.raises(
        MalformedInput, match="the column 'raze' is to be keyed, and the table has none of that name"
    ):
        Keying().check_given(["raze"], table)


def test_a_keying_without_anything_to_key_fingerprints_as_ever() -> None:
    assert Keying(key=KEY).fingerprint(PEOPLE) == fingerprint(PEOPLE)
