"""A run that keys columns gives nothing else away either: whoever knows all but one cell cannot try that cell out."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from affidavit import Pipeline
from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.compare import compare_versions
from registry.fingerprint import fingerprint
from registry.fingerprint_key import FingerprintKey, create_key
from registry.keyed_digests import key_digests
from registry.keying import Keying
from registry.lineage import lineage_of
from registry.model_state import fingerprint_value
from registry.named_table import recorded_source
from registry.privacy import Demand, Privacy
from registry.recorded import resolve_run
from registry.recorded_sources import etag_of, is_of_source
from registry.recording import Recording
from registry.registry import Registry
from registry.reproduce import reproduce
from registry.run import run_pipeline
from registry.run_recorder import RunResult
from registry.sameness import compare_runs
from registry.target import load_target
from tests.command_line import a_lender
from tests.small_registry import new_registry
from tests.test_keying import KEY, OTHER, store
from tests.test_recording import Kept

__all__ = ["store"]

FILE = "id,born\n1,1980-02-03\n2,{}\n"
TRUTH = "1990-01-01"
GUESSES = [f"1990-01-{day:02}" for day in range(1, 29)]


@dataclass
class Person:
    born: str


class Pair(NamedTuple):
    born: str
    other: int


def of_people(*, keyed: tuple[str, ...] = (), protected: tuple[str, ...] = ()) -> Pipeline:
    """Declare a pipeline that reads the file of people and passes what is in it on in many ways."""
    pipeline = Pipeline("people", keyed=keyed, protected=protected)

    @pipeline.step
    def load(path: str = "people.csv") -> pd.DataFrame:
        return pd.read_csv(path)

    @pipeline.step
    def born(load: pd.DataFrame) -> list[str]:
        return [str(each) for each in load["born"]]

    @pipeline.step
    def held(load: pd.DataFrame) -> dict[str, object]:
        return held_of(str(load["born"].iloc[1]), load)

    return pipeline


def held_of(birth: str, table: pd.DataFrame) -> dict[str, object]:
    """Hold a date of birth in every way that is no column of its name."""
    both = [str(table["born"].iloc[0]), birth]
    return {
        "single": birth,
        "listed": both,
        "index": pd.Index(both),
        "arrow": pa.array(both),
        "chunked": pa.chunked_array([both]),
        "polars": pl.Series(both),
        "series": pd.Series(both),
        "numpy": np.array(both),
        "data": Person(birth),
        "tuple": Pair(birth, 1),
        "hidden": [{"table": table}],
    }


def record(store: ArtifactStore, key: FingerprintKey | None = KEY, **options: Any) -> RunResult:
    Path("people.csv").write_text(FILE.format(TRUTH))
    return run_pipeline(of_people(**(options or {"protected": ("born",)})), {}, artifacts=store, key=key)


def texts_of(result: RunResult, store: ArtifactStore) -> str:
    """Put together all that can be read of a run without its key: its statement, its subjects, its artifacts."""
    documents = [store.get(digest).decode("utf-8", "replace") for digest in store.digests()]
    return "\n".join((encode(result.predicate).decode(), str(result.subjects), *documents, *store.digests()))


def digests_of(guess: str) -> Iterator[str]:
    """Yield every bare digest that the run would have if this were the date of birth."""
    file = FILE.format(guess).encode()
    yield hashlib.sha256(file).hexdigest()
    table = pd.DataFrame({"id": [1, 2], "born": ["1980-02-03", guess]})
    yield from (column.root for column in fingerprint(table).columns if column.name == "born")
    yield fingerprint_value(["1980-02-03", guess])
    for value in held_of(guess, table).values():
        if isinstance(value, np.ndarray | pa.Array | pa.ChunkedArray | pl.Series | pd.Series):
            yield from (column.root for column in fingerprint(value).columns)
        else:
            yield fingerprint_value(value)


def found_by_guessing(told: str, guesses: Iterable[str] = GUESSES) -> list[str]:
    return [guess for guess in guesses if any(digest in told for digest in digests_of(guess))]


def source_of(result: RunResult) -> JsonObject:
    [found] = cast(list[JsonObject], result.predicate["sources"])
    return found


def parts_of(result: RunResult, step: str) -> dict[str, JsonObject]:
    [found] = [row for row in cast(list[JsonObject], result.predicate["steps"]) if row["name"] == step]
    return {str(part["name"]): part for part in cast(list[JsonObject], found["outputs"])}


# --- the guess ----------------------------------------------------------------------------------------------


def test_an_unknown_cell_of_a_known_file_is_found_by_guessing_where_nothing_is_keyed(
    store: ArtifactStore,
) -> None:
    assert found_by_guessing(texts_of(record(store, key=None), store)) == [TRUTH]


@pytest.mark.parametrize("options", [{"protected": ("born",)}, {"keyed": ("born",)}])
def test_an_unknown_cell_of_a_known_file_is_not_found_by_guessing_where_its_column_is_keyed(
    options: dict[str, Any], store: ArtifactStore
) -> None:
    told = texts_of(record(store, **options), store)
    assert "hmac_sha256" in told
    assert found_by_guessing(told) == []


def test_not_even_one_digest_of_all_that_holds_the_cell_is_bare(store: ArtifactStore) -> None:
    told = texts_of(record(store), store)
    assert [digest for digest in digests_of(TRUTH) if digest in told] == []


def test_who_has_the_key_finds_it(store: ArtifactStore) -> None:
    source = source_of(record(store))
    files = {guess: hashlib.sha256(FILE.format(guess).encode()).hexdigest() for guess in GUESSES}
    assert [guess for guess, sha256 in files.items() if is_of_source(source, sha256, KEY)] == [TRUTH]
    assert {is_of_source(source, sha256, OTHER) for sha256 in files.values()} == {None}


def test_a_keyed_digest_is_computed_with_nothing_but_hmac(store: ArtifactStore) -> None:
    result = record(store)
    assert KEY.id == derived("id")[:16].hex()
    sha256 = hashlib.sha256(Path("people.csv").read_bytes()).hexdigest()
    assert source_of(result)["hmac_sha256"] == hmac.digest(derived("source"), sha256.encode(), "sha256").hex()
    mark = fingerprint_value(["1980-02-03", TRUTH]).encode()
    said = hmac.digest(derived("value\0born"), mark, "sha256").hex()
    assert parts_of(result, "born")["born"]["fingerprint"] == f"affidavit-value-keyed-v1:hmac-sha256:{said}"


def derived(purpose: str) -> bytes:
    return hmac.digest(KEY.secret, b"affidavit-table-keyed-v1\0" + purpose.encode(), "sha256")


# --- when, and what a run says ------------------------------------------------------------------------------


def test_a_keyed_source_tells_neither_its_digest_nor_its_size_and_is_no_subject(store: ArtifactStore) -> None:
    result = record(store)
    source = source_of(result)
    assert (source["sha256"], source["bytes"], source["key"]) == (None, None, KEY.id)
    assert "people.csv" not in dict(result.subjects)
    assert cast(JsonObject, result.predicate["privacy"])["key"] == KEY.id


def test_a_source_stands_by_its_sha256_where_the_run_keys_nothing(store: ArtifactStore) -> None:
    result = record(store, keyed=(), protected=())
    sha256 = hashlib.sha256(Path("people.csv").read_bytes()).hexdigest()
    assert (source_of(result)["sha256"], dict(result.subjects)["people.csv"]) == (sha256, sha256)
    assert "key" not in cast(JsonObject, result.predicate["privacy"])


def test_a_policy_that_asks_for_keyed_columns_has_sources_keyed_too(store: ArtifactStore) -> None:
    Path("people.csv").write_text(FILE.format(TRUTH))
    privacy = Privacy((Demand("p", "ab" * 32, "r", None, "keyed", None),))
    result = run_pipeline(of_people(), {}, artifacts=store, key=KEY, privacy=privacy)
    assert source_of(result)["sha256"] is None


def test_a_recording_that_is_told_last_what_is_protected_keys_the_source_that_it_read_first(
    store: ArtifactStore,
) -> None:
    Path("people.csv").write_text(FILE.format(TRUTH))
    kept = Kept(store, key=KEY)
    run = Recording("people", {"path": "people.csv", "born": TRUTH}, lambda: kept)
    with pytest.warns(
        UserWarning, match="the column 'born' of people was fingerprinted before it was said to"
    ):
        tell_last(run)
    [result] = kept.results
    rows = cast(list[JsonObject], result.predicate["sources"])
    assert [row["sha256"] for row in rows] == [None, None]
    assert parts_of(result, "single")["single"]["key"] == KEY.id
    late = cast(JsonObject, result.predicate["privacy"])["late"]
    assert late == [{"column": "born", "part": "people"}]
    [block, *_] = cast(list[JsonObject], result.predicate["steps"])
    assert block["parameters"] == {"path": "people.csv", "born": {"withheld": True}}


def tell_last(recording: Recording) -> None:
    with recording as run:
        table = run.data("people", pd.read_csv("people.csv"), source="people.csv")
        run.data("single", TRUTH)
        run.evaluate([0, 1] * 20, [0, 1] * 20, sensitive=pd.DataFrame({"born": list(table["born"]) * 20}))


def test_a_run_that_failed_before_it_said_what_is_protected_keys_its_sources(store: ArtifactStore) -> None:
    Path("people.csv").write_text(FILE.format(TRUTH))
    kept = Kept(store, key=KEY)
    with (
        pytest.raises(ZeroDivisionError),
        Recording("people", {"path": "people.csv"}, lambda: kept),
    ):
        _ = 1 / 0
    assert source_of(kept.results[0])["sha256"] is None


def test_the_etag_and_the_size_of_an_object_are_keyed_too() -> None:
    version: JsonObject = {"etag": '"5d41402abc4b2a76b9719d911017c592"', "version": "v1", "bytes": 5}
    origin: JsonObject = {
        "step": "load",
        "parameter": "path",
        "uri": "s3://bank/people.csv",
        "version": version,
    }
    key_digests(Keying(protected=("born",), key=KEY), [], [], [origin])
    found = cast(JsonObject, origin["version"])
    assert (found["etag"], found["bytes"], found["version"]) == (None, None, "v1")
    assert "5d41402abc4b2a76b9719d911017c592" not in str(etag_of(found))
    assert str(etag_of(found)).endswith(f", key {KEY.id}")


def test_a_table_that_got_a_keyed_column_later_holds_what_was_recorded_of_it(store: ArtifactStore) -> None:
    kept = Kept(store, key=KEY)
    table = pd.DataFrame({"id": [1, 2]})
    with Recording("people", {}, lambda: kept, protected=["born"]) as run:
        run.data("people", table)
        table["born"] = ["1980-02-03", TRUTH]
        run.data("copy", table[["id", "born"]], columns={"id": ["id"]})
    [result] = kept.results
    [*_, last] = cast(list[JsonObject], result.predicate["steps"])
    [received] = cast(list[JsonObject], last["inputs"])
    assert received["fingerprint"] == parts_of(result, "people")["people"]["fingerprint"]


# --- parameters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "is_told"),
    [
        ("patient_id", 123, False),
        ("Patient ID", 123, False),
        ("patient_id", None, True),
        ("patient_id_column", "patient_id", True),
        ("C", 123, True),
    ],
)
def test_a_parameter_that_is_called_as_a_keyed_column_is_withheld(
    name: str, value: object, is_told: bool, store: ArtifactStore
) -> None:
    kept = Kept(store, key=KEY)
    with Recording("people", {name: value}, lambda: kept, protected=["patient_id"]) as run:
        run.data("people", pd.DataFrame({"patient_id": [1, 2]}))
    [block, *_] = cast(list[JsonObject], kept.results[0].predicate["steps"])
    assert cast(JsonObject, block["parameters"])[name] == (value if is_told else {"withheld": True})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"born": TRUTH, "C": 1}, {"mapping": {"born": {"withheld": True}, "C": 1}}),
        ([{"Born": TRUTH}], [{"mapping": {"Born": {"withheld": True}}}]),
        (
            ({"a": {"born": [TRUTH]}},),
            {"tuple": [{"mapping": {"a": {"mapping": {"born": {"withheld": True}}}}}]},
        ),
        ({1: 2, "born": TRUTH}, {"pairs": [[1, 2], ["born", {"withheld": True}]]}),
        ({"born": None, "column": "born"}, {"mapping": {"born": None, "column": "born"}}),
    ],
)
def test_what_a_parameter_holds_under_the_name_of_a_keyed_column_is_withheld_at_any_depth(
    value: object, said: Json, store: ArtifactStore
) -> None:
    kept = Kept(store, key=KEY)
    with Recording("people", {"options": value}, lambda: kept, protected=["born"]) as run:
        run.data("people", pd.DataFrame({"born": [1, 2]}))
    [block, *_] = cast(list[JsonObject], kept.results[0].predicate["steps"])
    assert block["parameters"] == {"options": said}


def test_a_parameter_that_names_a_file_is_told_whatever_it_is_called(store: ArtifactStore) -> None:
    Path("born.csv").write_text(FILE.format(TRUTH))
    kept = Kept(store, key=KEY)
    with Recording("people", {"born": "born.csv"}, lambda: kept, protected=["born"]) as run:
        run.data("people", pd.read_csv("born.csv"))
    [block, _] = cast(list[JsonObject], kept.results[0].predicate["steps"])
    assert block["parameters"] == {"born": "born.csv"}


# --- who reads it -------------------------------------------------------------------------------------------


def test_two_runs_of_one_file_are_compared_under_their_key(store: ArtifactStore) -> None:
    one, other = record(store).predicate, record(store).predicate
    [row] = [row for row in compare_versions(one, other) if row.what == "source"]
    assert row.first == row.second
    assert str(row.first).startswith("hmac-sha256:")


def test_a_keyed_source_is_drawn_by_its_keyed_digest(store: ArtifactStore) -> None:
    [node] = [node for node in lineage_of(record(store).predicate).nodes if node.kind == "source"]
    assert str(node.detail).startswith("hmac-sha256:")
    assert str(node.detail).endswith(f", key {KEY.id}")


def test_a_file_read_with_and_without_the_key_is_not_said_to_differ(tmp_path: Path) -> None:
    here = a_lender(tmp_path / "lender")
    here.text("key", "fingerprint", "--new")
    here.text("run", "loans.py", "--as", "scientist")
    said = here.json("compare", "loans@2", "loans@3", status=1)["differences"]
    assert {(row["what"], row["name"]) for row in said if row.get("unknown")} >= {
        ("source", "loans.csv"),
        ("table", "applications"),
    }
    text = here.text("compare", "loans@2", "loans@3", status=1)
    assert "nobody can tell whether they differ: source loans.csv" in text


@pytest.mark.parametrize("lacking", ["hmac_sha256", "key"])
def test_a_source_without_any_digest_is_refused(lacking: str, store: ArtifactStore) -> None:
    run = record(store).predicate
    del cast(list[JsonObject], run["sources"])[0][lacking]
    with pytest.raises(MalformedInput, match="the recorded run cannot be read: its sources"):
        resolve_run(run, store)


@pytest.mark.parametrize(("again", "same"), [(KEY, {True}), (OTHER, {None}), (None, {None})])
def test_a_rerun_with_another_key_cannot_tell_of_any_value_whether_it_is_the_same(
    again: FingerprintKey | None, same: set[bool | None], store: ArtifactStore
) -> None:
    first, second = record(store), record(store, key=again)
    compared = compare_runs(first.predicate, second.predicate, store, store)
    assert {one.same for one in compared if one.step != "load"} == same


# --- reproduction -------------------------------------------------------------------------------------------

PIPELINE = """
import pandas as pd
from affidavit import Pipeline

people = Pipeline("people", protected=["born"])

@people.step
def load(path: str = "people.csv"):
    return pd.read_csv(path)

@people.step
def last(load, options={"place": 1, "born": "1980-02-03"}):
    return str(load["born"].iloc[options["place"]])

@people.step
def array(load):
    return load["born"].to_numpy()
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A ledger with a fingerprint key, and a version that was recorded under it."""
    monkeypatch.chdir(tmp_path)
    found = new_registry(tmp_path)
    create_key(found.home.keys.folder / "fingerprint.key")
    (tmp_path / "people.py").write_text(PIPELINE)
    (tmp_path / "people.csv").write_text(FILE.format(TRUTH))
    record_in(found)
    return found


def record_in(
    registry: Registry, parameters: Mapping[str, object] | None = None, *, named_alone: bool = False
) -> None:
    target = load_target("people.py")
    result = run_pipeline(
        target.pipeline,
        parameters or {},
        artifacts=registry.artifacts,
        target=target.text,
        key=registry.fingerprint_key(),
        named_alone=named_alone,
    )
    assert result.exception is None
    registry.record_run(result)


def verdict(registry: Registry, ref: str = "people@1") -> tuple[str, str]:
    _, said = reproduce(registry, ref, key="validator")
    return said.verdict, str(said.reason)


def test_a_version_of_a_keyed_source_is_reproduced_with_the_key(registry: Registry) -> None:
    assert verdict(registry) == ("identical", "None")


def test_what_was_withheld_within_a_parameter_is_reproduced_by_its_default_and_else_impossible(
    registry: Registry,
) -> None:
    given = {"place": 1, "born": TRUTH}
    record_in(registry, parameters={"last.options": given})
    assert verdict(registry) == ("identical", "None")
    assert verdict(registry, "people@2") == ("impossible", "the parameter last.options was not recorded")


def test_a_version_that_was_recorded_with_columns_keyed_alone_is_reproduced_as_it_was(
    registry: Registry,
) -> None:
    record_in(registry, named_alone=True)
    assert verdict(registry, "people@2") == ("identical", "None")


def test_without_the_key_it_is_impossible_and_never_identical(registry: Registry) -> None:
    (registry.home.keys.folder / "fingerprint.key").unlink()
    answer, reason = verdict(registry)
    assert answer == "impossible"
    assert "the file people.csv is recorded under the fingerprint key" in reason


def test_a_keyed_source_that_has_changed_is_said_to_have_without_a_digest(registry: Registry) -> None:
    Path("people.csv").write_text(FILE.format("1999-09-09"))
    answer, reason = verdict(registry)
    assert (answer, reason) == (
        "impossible",
        "the file people.csv (recorded under the fingerprint key) has changed since it was read",
    )


def test_a_copy_of_a_keyed_source_is_known_with_the_key_and_not_without(registry: Registry) -> None:
    Path("copy.csv").write_text(FILE.format(TRUTH))
    given = (lambda: registry, Path("copy.csv"), "people@1:load")
    found = recorded_source(*given, registry.fingerprint_key())
    assert found is not None
    assert (found["uri"], found["sha256"]) == ("people.csv", None)
    assert [recorded_source(*given, key) for key in (OTHER, None)] == [None, None]


# --- kept copies --------------------------------------------------------------------------------------------


def kept_of(store: ArtifactStore, key: FingerprintKey | None) -> JsonObject:
    Path("people.csv").write_text(FILE.format(TRUTH))
    pipeline = of_people(protected=("born",))
    result = run_pipeline(pipeline, {}, artifacts=store, key=key, keep_data="all")
    return cast(JsonObject, parts_of(result, "load")["load"]["kept"])


def test_the_digest_of_a_kept_copy_with_keyed_columns_is_not_that_of_the_table_alone(
    store: ArtifactStore,
) -> None:
    bare, keyed = kept_of(store, None), kept_of(store, KEY)
    assert isinstance(keyed["artifact"], str)
    assert keyed["artifact"] != bare["artifact"]
    assert (keyed["bytes"], keyed["reason"]) == (None, None)


def test_the_same_table_is_kept_once_under_one_key(store: ArtifactStore) -> None:
    assert (
        kept_of(store, KEY)["artifact"]
        == kept_of(store, KEY)["artifact"]
        != kept_of(store, OTHER)["artifact"]
    )


def test_what_a_document_of_a_keyed_table_says_is_read_as_ever(store: ArtifactStore) -> None:
    part = parts_of(record(store), "load")["load"]
    document = cast(JsonObject, decode(store.get(str(part["document"]))))
    columns = cast(list[JsonObject], document["columns"])
    assert [column.get("key") for column in columns] == [None, KEY.id]
