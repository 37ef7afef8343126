"""Kept data: tables that come back as they were, nothing protected unless it is asked for, and never silently not."""

import gc
import io
import tracemalloc
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from audit.canonical import JsonObject
from audit.errors import MalformedInput, NotVerified
from registry.artifacts import ArtifactStore
from registry.fingerprint import fingerprint
from registry.kept_data import KeepData, Keeping, checked_keeping, not_kept, read_kept
from registry.parts import describe, parts_of
from registry.privacy import NO_DEMANDS, Demand, Privacy
from registry.recording import Recording
from registry.run import run_pipeline
from registry.run_predicate import artifacts_named
from tests.lending_pipeline import applications, lending
from tests.test_profiling import outputs
from tests.test_recording import Kept, kept

__all__ = ["kept"]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def keep(
    value: Any,
    store: ArtifactStore,
    wanted: Any = True,
    protected: tuple[str, ...] = (),
    privacy: Privacy = NO_DEMANDS,
) -> list[JsonObject]:
    parts = [describe(name, item, store) for name, item in parts_of("load", value)]
    keeping = Keeping(wanted)
    keeping.see("load", value, parts)
    keeping.keep(store, protected, privacy)
    return [cast(JsonObject, part.get("kept")) for part in parts]


def restored(said: JsonObject, store: ArtifactStore, holder: str | None = None) -> Any:
    return read_kept(io.BytesIO(store.get(str(said["artifact"]))), holder or str(said["holder"]))


FRAME = pd.DataFrame(
    {
        "a": [1, 2, 3],
        "b": ["x", None, "y"],
        "c": pd.Categorical(["u", "v", "u"]),
        "t": pd.to_datetime(["2020-01-01", "2021-01-01", "NaT"]).tz_localize("Europe/Berlin"),
        "n": pd.array([1, None, 3], "Int64"),
        "d": pd.to_timedelta([1, 2, 3], unit="ns"),
    },
    index=[7, 3, 5],
)

TABLES: dict[str, Any] = {
    "pandas": FRAME,
    "a pandas Series": FRAME.a,
    "numbered columns": pd.DataFrame(np.zeros((3, 2))),
    "polars": pl.DataFrame({"a": [1, 2], "l": [[1], [2, 3]], "s": [{"q": 1}, {"q": None}]}),
    "a polars Series": pl.Series("a", [1.5, None]),
    "Arrow": pa.table({"v": pa.array(["x"], pa.string_view()), "u": pa.array([2**64 - 1], pa.uint64())}),
    "chunks": pa.table({"a": pa.chunked_array([[1], [2, 3], []])}),
    "no rows": pa.table({"a": pa.array([], pa.timestamp("s"))}),
}


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (pd.Index([7, 3], name="ssn"), ["ssn"]),
        (pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["id", None]), ["id"]),
        (pd.RangeIndex(2, name="row"), ["row"]),
        (None, []),
    ],
    ids=["one level", "two levels", "a range", "none"],
)
def test_a_kept_copy_names_the_index_that_is_in_it(
    index: Any, names: list[str], store: ArtifactStore
) -> None:
    assert keep(pd.DataFrame({"a": [1, 2]}, index=index), store)[0]["index"] == names


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pd.Categorical([1, 2], [2, 1]), "category became int64"),
        (pd.Series([1, 2], dtype=object), "object became int64"),
    ],
    ids=["categories of numbers", "objects"],
)
def test_a_table_that_a_model_would_tell_from_its_copy_is_not_kept(
    column: Any, said: str, store: ArtifactStore
) -> None:
    for table in (pd.DataFrame({"a": column}), pd.Series(column, name="a")):
        kept_as = keep(table, store)[0]
        reason = f"its column 'a' does not come back from Parquet as it was: {said}"
        assert (kept_as["artifact"], kept_as["reason"]) == (None, reason)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_comes_back_as_it_was(name: str, store: ArtifactStore) -> None:
    table = TABLES[name]
    [said] = keep(table, store)
    back = restored(said, store)
    assert type(back) is type(table)
    assert fingerprint(back) == fingerprint(table)
    assert (said["reason"], said["bytes"]) == (None, len(store.get(str(said["artifact"]))))


def test_pandas_keeps_its_types_and_labels(store: ArtifactStore) -> None:
    [said] = keep(FRAME, store)
    pd.testing.assert_frame_equal(restored(said, store), FRAME)


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_come_back_in_their_order_with_those_that_no_row_has(
    ordered: bool, store: ArtifactStore
) -> None:
    held = pd.DataFrame({"a": pd.Categorical(["b", "a"], ["c", "b", "a"], ordered=ordered)})
    [said] = keep(held, store)
    pd.testing.assert_frame_equal(restored(said, store), held)


def test_seconds_come_back_as_milliseconds_of_the_same_moments(store: ArtifactStore) -> None:
    held = pd.DataFrame({"a": np.array(["2026-01-31T05:06:07"], dtype="M8[s]")})
    [said] = keep(held, store)
    back = restored(said, store)
    assert back["a"].dtype == "M8[ms]"
    assert fingerprint(back) == fingerprint(held)


def test_the_same_table_gives_the_same_bytes_however_it_is_cut(store: ArtifactStore) -> None:
    whole = pa.table({"a": [1, 2, 3]})
    [first], [second] = keep(whole, store), keep(TABLES["chunks"], store)
    assert first["artifact"] == second["artifact"]


def test_what_a_frame_carries_beside_its_table_is_not_kept(store: ArtifactStore) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"password": "hunter2"}
    [said] = keep(frame, store)
    assert b"hunter2" not in store.get(str(said["artifact"]))
    assert frame.attrs == {"password": "hunter2"}


@pytest.mark.parametrize("value", [np.zeros((2, 2)), pa.array([1]), pl.LazyFrame({"a": [1]})])
def test_what_cannot_be_kept_says_why(value: Any, store: ArtifactStore) -> None:
    [said] = keep(value, store)
    assert said["artifact"] is None
    assert "only tables of pandas, polars and Arrow" in str(said["reason"])


def test_a_table_with_a_protected_column_is_not_kept_unless_all_are(store: ArtifactStore) -> None:
    table = pd.DataFrame({"race": ["a"], "race_black": [1], "income": [1]})
    [refused] = keep(table, store, protected=("race",))
    assert (refused["artifact"], refused["reason"]) == (None, "it holds protected columns (race, race_black)")
    [taken] = keep(table, store, "all", ("race",))
    assert taken["artifact"] is not None


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="race")),
        pl.DataFrame({"who": [[{"a": 1, "race_b": 2}]]}),
    ],
)
def test_a_protected_index_or_field_of_a_struct_is_not_kept_either(table: Any, store: ArtifactStore) -> None:
    [said] = keep(table, store, protected=("race",))
    assert str(said["reason"]).startswith("it holds protected columns (race")
    assert said["artifact"] is None


@pytest.mark.parametrize("wanted", [True, "all"])
@pytest.mark.parametrize("columns", [("race",), None])
def test_a_table_that_a_policy_has_not_kept_is_not_kept_however_that_is_asked_for(
    columns: tuple[str, ...] | None, wanted: KeepData, store: ArtifactStore
) -> None:
    table = {"people": pd.DataFrame({"race": ["a"], "income": [1]}), "incomes": pd.DataFrame({"income": [1]})}
    privacy = Privacy((Demand("people", "ab" * 32, "no-copies", columns, None, None, "nothing"),))
    people, incomes = keep(table, store, wanted, ("race",), privacy)
    assert people["artifact"] is None
    assert people["reason"] == "the policy people (rule no-copies) has no table kept that has race"
    assert store.exists(str(incomes["artifact"]))


@pytest.mark.parametrize("kept", [None, "all"])
@pytest.mark.parametrize("wanted", [True, "all"])
def test_a_table_with_columns_that_a_policy_names_is_kept_only_if_that_is_asked_for_by_name(
    wanted: KeepData, kept: str | None, store: ArtifactStore
) -> None:
    table = {"people": pd.DataFrame({"Race": ["a"], "income": [1]}), "incomes": pd.DataFrame({"income": [1]})}
    privacy = Privacy((Demand("people", "ab" * 32, "keyed", ("race",), "keyed", None, kept),))
    people, incomes = keep(table, store, wanted, (), privacy)
    assert (people["artifact"] is not None) is (wanted == "all")
    assert store.exists(str(incomes["artifact"]))


def test_the_copy_of_a_table_never_goes_through_memory_as_a_whole(store: ArtifactStore) -> None:
    numbers = np.random.default_rng(1)
    table = pa.table({name: numbers.random(1 << 18) for name in "abcdefgh"})
    keep(table[:1], store)  # what is loaded at the first time is not of the table
    tracemalloc.start()
    [said] = keep(table, store)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < cast(int, said["bytes"]) / 4


def test_parts_know_their_place(store: ArtifactStore) -> None:
    tables = {"train": FRAME, "test": FRAME[:1]}
    assert [said["place"] for said in keep(tables, store)] == ["train", "test"]
    assert [said["place"] for said in keep([FRAME, FRAME], store)] == [0, 1]


def test_only_what_comes_in_is_kept_and_it_is_named_as_an_artifact(store: ArtifactStore) -> None:
    predicate = run_pipeline(lending(), {}, artifacts=store, keep_data="all").predicate
    parts = {name: part["kept"] for name, part in outputs(predicate).items() if "kept" in part}
    assert set(parts) == {"load"}
    assert cast(JsonObject, parts["load"])["artifact"] in set(artifacts_named(predicate, store))


def test_nothing_is_kept_unless_it_is_asked_for(store: ArtifactStore) -> None:
    predicate = run_pipeline(lending(), {}, artifacts=store).predicate
    assert not any("kept" in part for part in outputs(predicate).values())


def test_what_was_not_kept_is_told(store: ArtifactStore) -> None:
    predicate = run_pipeline(lending(), {}, artifacts=store, keep_data=True).predicate
    assert list(not_kept(predicate)) == ["the table load was not kept: it holds protected columns (race)"]


def test_a_recording_warns_of_what_it_learned_to_be_protected(kept: Kept) -> None:
    frame = applications(200, 0)
    recording = Recording("lending", {}, lambda: kept, keep_data=True)
    run = recording.__enter__()
    run.data("applications", frame)
    run.data("numbers", frame[["income"]])
    run.evaluate(frame.approve, frame.approve, sensitive=frame[["race"]])
    with pytest.warns(UserWarning, match="applications was not kept: it holds protected columns"):
        recording.__exit__(None, None, None)
    numbers = cast(JsonObject, outputs(kept.results[0].predicate)["numbers"]["kept"])
    assert kept.artifacts.exists(str(numbers["artifact"]))


def test_a_recording_that_ends_early_keeps_nothing(kept: Kept) -> None:
    recording = Recording("lending", {}, lambda: kept, keep_data="all")
    with pytest.raises(MalformedInput, match="fitted"), recording as run:
        run.model(run.data("applications", applications(200, 0)))
    assert "kept" not in outputs(kept.results[0].predicate)["applications"]
    gc.collect()  # a file that was left open would warn


@pytest.mark.parametrize("keep_data", ["yes", 1, None])
def test_what_to_keep_is_said_in_one_of_three_ways(keep_data: Any) -> None:
    with pytest.raises(MalformedInput, match="keep_data"):
        checked_keeping(keep_data)


@pytest.mark.parametrize(("data", "holder"), [(b"", "pandas.DataFrame"), (b"PAR1", "polars.DataFrame")])
def test_damaged_bytes_are_no_kept_table(data: bytes, holder: str) -> None:
    with pytest.raises(NotVerified, match="cannot be read"):
        read_kept(io.BytesIO(data), holder)


def test_a_holder_that_is_not_known_is_refused(store: ArtifactStore) -> None:
    [said] = keep(FRAME, store)
    with pytest.raises(NotVerified, match="not known"):
        restored(said, store, "os.system")
