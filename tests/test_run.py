"""A run records every step, hides no failure, and fits in a record whatever its size."""

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from audit import tables
from audit.canonical import encode
from audit.errors import EnvironmentFailed, MalformedInput, NotPermitted
from audit.subjects import Referrer
from registry.artifacts import ArtifactStore
from registry.model_file import read_model
from registry.model_state import fingerprint_value
from registry.pipeline import Pipeline
from registry.privacy import NO_DEMANDS, Privacy
from registry.recording import record
from registry.run import run_pipeline
from registry.run_predicate import MOST_BYTES, artifacts_named, resolve
from registry.run_recorder import RunResult
from tests.lending_pipeline import FEATURES, applications, lending


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.chdir(tmp_path)
    return ArtifactStore(tmp_path / "store")


def run(pipeline: Pipeline, store: ArtifactStore, **parameters: object) -> RunResult:
    return run_pipeline(pipeline, parameters, artifacts=store)


def steps(result: RunResult) -> dict[str, Any]:
    return {str(step["name"]): step for step in cast(list[dict[str, Any]], result.predicate["steps"])}


def fingerprints(result: RunResult) -> dict[str, object]:
    return {part["name"]: part["fingerprint"] for step in steps(result).values() for part in step["outputs"]}


def test_a_run_records_steps_parameters_data_model_and_evaluation(store: ArtifactStore) -> None:
    result = run(lending(), store, C=2)
    encode(result.predicate)
    assert (result.predicate["status"], result.predicate["how"], result.exception) == (
        "succeeded",
        "pipeline",
        None,
    )
    rows = steps(result)
    assert list(rows) == ["load", "split", "model", "evaluation"]
    assert rows["load"]["parameters"] == {"source": "", "n": 200, "seed": 7}
    assert rows["load"]["seed"] == 7
    assert rows["model"]["parameters"] == {"C": {"decimal": "2.0"}}
    assert (rows["load"]["given"], rows["model"]["given"]) == ([], ["C"])
    assert rows["model"]["after"] == ["split"]
    assert [part["name"] for part in rows["model"]["inputs"]] == ["split.train", "split.test"]
    assert rows["evaluation"]["kind"] == "evaluate"
    evaluation = cast(dict[str, Any], result.predicate["evaluation"])
    assert evaluation["n"] == 100
    assert evaluation["bias"][0]["attribute"] == "race"


def test_every_step_keeps_its_source(store: ArtifactStore) -> None:
    row = steps(run(lending(), store))["split"]
    assert store.get(row["source"]).startswith(b"@pipeline.step\ndef split(")


def test_the_same_data_and_seed_give_the_same_fingerprints_metrics_and_model(store: ArtifactStore) -> None:
    first, second = run(lending(), store), run(lending(), store)
    assert fingerprints(first) == fingerprints(second)
    assert first.predicate["evaluation"] == second.predicate["evaluation"]


def test_another_seed_gives_other_data_and_another_model(store: ArtifactStore) -> None:
    first, second = fingerprints(run(lending(), store)), fingerprints(run(lending(), store, seed=8))
    assert first["load"] != second["load"]
    assert first["model"] != second["model"]


def test_the_model_is_stored_and_comes_back(store: ArtifactStore) -> None:
    result = run(lending(), store)
    described = cast(dict[str, Any], result.predicate["model_file"])
    assert described["features"] == FEATURES
    assert ("lending.skops", described["sha256"]) in result.subjects
    assert described["fingerprint"] == fingerprints(result)["model"]
    assert isinstance(read_model(described, store), LogisticRegression)


def test_a_model_that_is_only_compared_is_described_alike_and_has_no_file(store: ArtifactStore) -> None:
    stored = cast(dict[str, Any], run(lending(), store).predicate["model_file"])
    result = run_pipeline(lending(), {}, artifacts=store, store_model=False)
    assert result.exception is None
    assert result.predicate["model_file"] == {
        name: said for name, said in stored.items() if name not in ("sha256", "bytes", "unreviewed")
    }
    assert "lending.skops" not in dict(result.subjects)


def test_a_pickle_is_stored_only_when_it_is_asked_for(store: ArtifactStore) -> None:
    result = run(lending(model_format="pickle"), store)
    assert cast(dict[str, Any], result.predicate["model_file"])["format"] == "pickle"


def test_what_is_not_declared_is_refused_before_anything_runs(store: ArtifactStore) -> None:
    with pytest.raises(MalformedInput, match="did you mean C"):
        run(lending(), store, c=1)
    assert not store.root.exists()


def test_progress_names_every_step(store: ArtifactStore) -> None:
    lines: list[str] = []
    run_pipeline(lending(), {}, artifacts=store, progress=lines.append)
    assert lines[0] == "step 1 of 4: load"
    assert len(lines) == 4


def test_times_come_from_the_clock_that_is_passed(store: ArtifactStore) -> None:
    ticks = itertools.count()
    result = run_pipeline(
        lending(), {}, artifacts=store, clock=lambda: 0.25, stopwatch=lambda: float(next(ticks))
    )
    assert result.predicate["started"] == "1970-01-01T00:00:00.250000Z"
    assert steps(result)["load"]["duration_s"] == "1.0"


@pytest.mark.parametrize(
    "error", [ValueError("hunter2"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()]
)
def test_a_step_that_raises_ends_a_run_that_is_recorded_and_the_very_same_exception_goes_on(
    error: BaseException, store: ArtifactStore
) -> None:
    pipeline = Pipeline("failing")

    @pipeline.step
    def load() -> int:
        return 1

    @pipeline.step
    def broken(load: int) -> None:
        raise error

    @pipeline.step
    def later(broken: None) -> None:
        raise AssertionError("this step must not run")

    result = run(pipeline, store)
    assert result.exception is error
    assert result.predicate["status"] == "failed"
    assert result.predicate["failure"] == {"step": "broken", "error": type(error).__name__}
    assert [row["status"] for row in steps(result).values()] == ["succeeded", "failed", "not run"]
    assert steps(result)["broken"]["duration_s"] is not None
    assert steps(result)["broken"]["inputs"][0]["name"] == "load"
    assert result.predicate["model_file"] is None
    assert result.subjects
    assert b"hunter2" not in encode(result.predicate)


def test_a_table_that_was_changed_in_place_shows_where_it_is_taken(store: ArtifactStore) -> None:
    pipeline = Pipeline("mutating")

    @pipeline.step
    def load() -> pd.DataFrame:
        return applications(20, 0)

    @pipeline.step
    def scale(load: pd.DataFrame) -> int:
        load["income"] *= 2
        return 1

    @pipeline.step
    def use(load: pd.DataFrame, scale: int) -> int:
        return 2

    rows = steps(run(pipeline, store))
    output, first, second = rows["load"]["outputs"][0], rows["scale"]["inputs"][0], rows["use"]["inputs"][0]
    assert output["fingerprint"] == first["fingerprint"] != second["fingerprint"]
    assert "note" not in first
    assert second["note"] == "changed in place after the step load returned it"


def test_a_file_among_the_parameters_is_a_source_with_its_digest(
    store: ArtifactStore, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "loans.csv").write_text("a\n1\n")
    result = run(lending(), store, source=str(tmp_path / "data" / "loans.csv"))
    assert result.predicate["sources"] == [
        {
            "step": "load",
            "parameter": "source",
            "uri": "data/loans.csv",
            "sha256": hashlib.sha256(b"a\n1\n").hexdigest(),
            "bytes": 4,
        }
    ]


@pytest.mark.parametrize("text", ["", ".", "no.csv", "a\0b", "x" * 5000, "s3://bucket/key"])
def test_text_that_names_no_file_is_no_source(text: str, store: ArtifactStore) -> None:
    assert run(lending(), store, source=text).predicate["sources"] == []


def test_a_secret_that_names_a_file_is_no_source(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("hunter2")
    pipeline = Pipeline("secret")

    @pipeline.step
    def load(private_key: str = "id") -> int:
        return 1

    result = run(pipeline, store)
    assert result.predicate["sources"] == []
    assert steps(result)["load"]["parameters"] == {"private_key": {"withheld": True}}


def test_a_protected_column_that_does_not_exist_fails_the_run_with_its_name(store: ArtifactStore) -> None:
    result = run(lending(sensitive=("race", "religion")), store)
    assert isinstance(result.exception, MalformedInput)
    assert "religion" in str(result.exception)
    assert result.predicate["failure"] == {"step": "evaluation", "error": "MalformedInput"}
    assert result.predicate["evaluation"] is None


def evaluating(value: object) -> Pipeline:
    pipeline = Pipeline("evaluating")

    @pipeline.evaluate(sensitive=["race"])
    def evaluation() -> object:
        return value

    return pipeline


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "must return a dict"),
        ({"y_true": [0, 1]}, "returned no y_pred"),
        ({"y_true": [0, 1], "y_pred": [0, 1]}, "protected columns race and returned no table"),
        ({"y_true": [0, 1], "y_pred": [0, 1], "y_prob": [0, 1]}, "did you mean"),
        ({"y_true": [1, 1], "y_pred": [0, 1], "sensitive": {"race": ["a", "b"]}}, "one class"),
    ],
)
def test_what_an_evaluation_must_not_return_is_one_clear_sentence(
    value: object, words: str, store: ArtifactStore
) -> None:
    result = run(evaluating(value), store)
    assert words in str(result.exception)
    assert result.predicate["status"] == "failed"


def test_groups_beyond_the_list_are_complete_in_an_artifact(store: ArtifactStore) -> None:
    labels = np.arange(600) // 60 % 2
    groups = pd.DataFrame({"race": [f"g{n % 60:02}" for n in range(600)]})
    result = run(evaluating({"y_true": labels, "y_pred": labels, "sensitive": groups}), store)
    evaluation = cast(dict[str, Any], result.predicate["evaluation"])
    assert evaluation["bias"][0]["groups_omitted"] == 20
    complete: Any = resolve({"artifact": evaluation["artifact"], "count": 0}, store)
    assert len(complete["bias"][0]["groups"]) == 60


def test_a_run_without_a_model_is_a_run(store: ArtifactStore) -> None:
    pipeline = Pipeline("plain")

    @pipeline.step
    def load() -> int:
        return 1

    result = run(pipeline, store)
    assert (result.predicate["status"], result.predicate["model_file"]) == ("succeeded", None)


def test_the_step_called_model_wins_over_later_estimators(store: ArtifactStore) -> None:
    pipeline = Pipeline("two")

    @pipeline.step
    def model() -> LogisticRegression:
        return LogisticRegression(C=2.0).fit([[0], [1]], [0, 1])

    @pipeline.step
    def challenger(model: LogisticRegression) -> LogisticRegression:
        return LogisticRegression(C=3.0).fit([[0], [1]], [0, 1])

    result = run(pipeline, store)
    described = cast(dict[str, Any], result.predicate["model_file"])
    assert described["fingerprint"] == fingerprints(result)["model"]


def test_a_model_that_cannot_be_stored_fails_the_run_in_its_step(store: ArtifactStore) -> None:
    pipeline = Pipeline("unstorable")

    @pipeline.step
    def model() -> LogisticRegression:
        fitted = LogisticRegression().fit([[0], [1]], [0, 1])
        fitted.stream_ = (n for n in [1])
        return fitted

    result = run(pipeline, store)
    assert result.predicate["failure"] == {"step": "model", "error": "MalformedInput"}
    assert "pickle" in str(result.exception)
    assert (
        steps(result)["model"]["outputs"][0]["kind"] == "opaque"
        or "note" in steps(result)["model"]["outputs"][0]
    )


def long_pipeline(count: int) -> Pipeline:
    pipeline = Pipeline("long")
    for number in range(count):

        def step(n: int = 1) -> dict[str, int]:
            return {str(key): key for key in range(30)}

        step.__name__ = f"step_{number:03}"
        pipeline.step(step)
    return pipeline


def test_a_run_of_any_size_fits_in_a_record_and_its_steps_can_be_read_again(store: ArtifactStore) -> None:
    result = run(long_pipeline(40), store)
    assert len(encode(result.predicate)) < MOST_BYTES
    marker = cast(dict[str, Any], result.predicate["steps"])
    assert marker["count"] == 40
    found = cast(list[dict[str, Any]], resolve(marker, store))
    assert [step["name"] for step in found] == [f"step_{number:03}" for number in range(40)]
    assert found[0]["parameters"] == {"n": 1}


def test_a_thousand_features_fit_in_a_record(store: ArtifactStore) -> None:
    pipeline = Pipeline("wide")

    @pipeline.step
    def model() -> LogisticRegression:
        frame = pd.DataFrame(np.eye(4, 3000), columns=[f"feature_{n:06}" for n in range(3000)])
        return LogisticRegression().fit(frame, [0, 1, 0, 1])

    result = run(pipeline, store)
    assert len(encode(result.predicate)) < MOST_BYTES
    features = resolve(cast(dict[str, Any], result.predicate["model_file"])["features"], store)
    assert isinstance(features, list)
    assert len(features) == 3000


@pytest.mark.parametrize("count", [1, 40])
def test_every_artifact_in_the_store_is_named_by_the_run(count: int, store: ArtifactStore) -> None:
    result = run(long_pipeline(count), store)
    assert set(artifacts_named(result.predicate, store)) == set(store.digests())


@pytest.mark.parametrize("column", ["profile", "document", "source", "artifact"])
def test_a_protected_column_that_is_called_as_a_place_of_digests_names_no_artifact(
    column: str, store: ArtifactStore
) -> None:
    pipeline = Pipeline("groups")

    @pipeline.evaluate(sensitive=[column], replicates=100)
    def evaluation() -> dict[str, Any]:
        truth = [0, 1] * 40
        return {"y_true": truth, "y_pred": truth, "sensitive": pd.DataFrame({column: ["a", "b"] * 40})}

    result = run(pipeline, store)
    assert result.exception is None
    assert f'"group":{{"{column}":"a"}}' in encode(result.predicate).decode()
    assert set(artifacts_named(result.predicate, store)) == set(store.digests())


def test_every_artifact_of_a_whole_run_is_named(store: ArtifactStore) -> None:
    result = run(lending(), store)
    assert set(artifacts_named(result.predicate, store)) == set(store.digests())


class Kept:
    """Stands for a registry: it keeps what is recorded."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self.artifacts = artifacts
        self.results: list[RunResult] = []
        self.refuses: NotPermitted | None = None

    def on_record(self) -> tuple[None, Privacy]:
        if self.refuses is not None:
            raise self.refuses
        return None, NO_DEMANDS

    def referrer(self) -> Referrer:
        return Referrer(tables.open_scratch(), os.urandom)

    def record_run(self, result: RunResult) -> str:
        self.results.append(result)
        return "entry"


@pytest.fixture
def kept(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> Kept:
    found = Kept(store)
    monkeypatch.setattr("registry.registry.open_registry", lambda path: found)
    return found


def test_a_pipeline_runs_and_records_itself_from_python(kept: Kept) -> None:
    pipeline = lending()
    assert cast(object, pipeline.run(n=100)) == "entry"
    [result] = kept.results
    assert steps(result)["load"]["parameters"]["n"] == 100
    assert "lending_pipeline.py" in str(cast(dict[str, Any], result.predicate["code"])["target"])


def test_a_failure_is_recorded_before_it_is_raised(kept: Kept) -> None:
    error = ValueError("no")
    pipeline = Pipeline("failing")

    @pipeline.step
    def load() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as caught:
        pipeline.run()
    assert caught.value is error
    assert kept.results[0].predicate["status"] == "failed"


def test_record_opens_the_ledger_and_names_the_file_it_stands_in(kept: Kept) -> None:
    with record("lending", params={"C": 1.0}) as run:
        run.data("numbers", [1, 2])
    assert cast(object, run.entry) == "entry"
    code = cast(dict[str, Any], kept.results[0].predicate["code"])
    assert str(code["target"]).endswith("test_run.py")
    assert kept.artifacts.get(code["source"]) == Path(__file__).read_bytes()


def test_a_key_that_may_not_sign_is_known_before_anything_runs(kept: Kept) -> None:
    kept.refuses = NotPermitted("no key")
    ran: list[str] = []
    pipeline = Pipeline("early")

    @pipeline.step
    def load() -> None:
        ran.append("load")

    with pytest.raises(NotPermitted):
        pipeline.run()
    with pytest.raises(NotPermitted), record("early"):
        ran.append("block")
    assert ran == []


def test_an_exception_goes_on_with_a_note_where_its_run_cannot_be_recorded(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(result: RunResult) -> str:
        raise EnvironmentFailed("disk full")

    monkeypatch.setattr(kept, "record_run", refuse)
    pipeline = Pipeline("failing")
    pipeline.step(failing)
    with pytest.raises(ZeroDivisionError) as caught:
        pipeline.run()
    assert caught.value.__notes__ == ["this run was not recorded: disk full"]


def failing() -> float:
    return 1 / 0


def test_a_store_that_gives_out_after_a_step_failed_keeps_its_exception_as_the_cause(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline("failing")
    pipeline.step(failing)

    @pipeline.step
    def after(failing: float) -> float:
        return failing

    def put(self: ArtifactStore, data: bytes) -> str:
        if data.startswith(b"@pipeline.step\ndef after"):
            raise EnvironmentFailed("disk full")
        return hashlib.sha256(data).hexdigest()

    monkeypatch.setattr(ArtifactStore, "put", put)
    with pytest.raises(EnvironmentFailed, match="disk full") as caught:
        run(pipeline, store)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_name_of_an_error_is_cut_so_that_its_run_can_be_recorded(store: ArtifactStore) -> None:
    pipeline = Pipeline("failing")
    error = type("N" * 100_000, (Exception,), {})()

    @pipeline.step
    def load() -> None:
        raise error

    result = run(pipeline, store)
    assert result.exception is error
    assert len(encode(result.predicate)) < MOST_BYTES


def test_a_process_that_a_step_forks_off_records_nothing(store: ArtifactStore) -> None:
    pipeline = Pipeline("forking")
    parent = os.getpid()

    @pipeline.step
    def load() -> int:
        child = os.fork()
        if child == 0:
            raise SystemExit(7)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    try:
        result = run(pipeline, store)
    except SystemExit as error:
        os._exit(int(str(error.code)) if os.getpid() != parent else 1)
    if os.getpid() != parent:
        os._exit(1)
    assert (result.predicate["status"], result.exception) == ("succeeded", None)
    assert fingerprints(result)["load"] == fingerprint_value(7)


def test_several_models_of_one_step_are_a_failed_run_since_nothing_says_which_is_meant(
    store: ArtifactStore,
) -> None:
    pipeline = Pipeline("several")

    @pipeline.step
    def candidates() -> list[LogisticRegression]:
        return [LogisticRegression(C=C).fit([[0], [1]], [0, 1]) for C in (1.0, 2.0)]

    result = run(pipeline, store)
    assert result.predicate["failure"] == {"step": "candidates", "error": "MalformedInput"}
    assert steps(result)["candidates"]["status"] == "failed"

    @pipeline.step
    def model(candidates: list[LogisticRegression]) -> dict[str, LogisticRegression]:
        return {"best": candidates[1], "same": candidates[1]}

    result = run(pipeline, store)
    described = cast(dict[str, Any], result.predicate["model_file"])
    assert described["fingerprint"] == fingerprints(result)["model.best"]
