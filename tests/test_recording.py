"""A block of code that is already written is recorded without changing what it does."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import duckdb
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from audit import tables
from audit.canonical import encode
from audit.errors import EnvironmentFailed, MalformedInput
from audit.record import Entry
from audit.subjects import Referrer
from registry.artifacts import ArtifactStore
from registry.fingerprint import fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.privacy import NO_DEMANDS, Privacy
from registry.recording import Recording
from registry.registry import RunEntry
from registry.run_recorder import RunResult
from tests.lending_pipeline import FEATURES, applications


@dataclass
class Kept:
    """Stands for a registry: it keeps what is recorded."""

    artifacts: ArtifactStore
    results: list[RunResult] = field(default_factory=list)
    key: FingerprintKey | None = None
    privacy: Privacy = NO_DEMANDS

    def on_record(self) -> tuple[FingerprintKey | None, Privacy]:
        return self.key, self.privacy

    def referrer(self) -> Referrer:
        return Referrer(tables.open_scratch(), os.urandom)

    def record_run(self, result: RunResult) -> RunEntry:
        self.results.append(result)
        return RunEntry(cast(Entry, None), str(result.predicate["model"]), len(self.results))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.chdir(tmp_path)
    return Kept(ArtifactStore(tmp_path / "store"))


def recording(kept: Kept, **params: object) -> Recording:
    return Recording("lending", params, lambda: kept)


def steps(kept: Kept) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], kept.results[-1].predicate["steps"])


@pytest.fixture
def frame() -> pd.DataFrame:
    return applications(200, 0)


@pytest.fixture
def fitted(frame: pd.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(frame[FEATURES], frame.approve)


def test_a_block_is_one_run_with_a_step_for_every_call(
    kept: Kept, frame: pd.DataFrame, fitted: LogisticRegression
) -> None:
    with recording(kept, C=1.0, seed=3) as run:
        assert run.data("applications", frame) is frame
        assert run.model(fitted, features=frame[FEATURES].columns) is fitted
        found = run.evaluate(frame.approve, fitted.predict(frame[FEATURES]), sensitive=frame[["race"]])
    assert run.entry.version == 1
    [result] = kept.results
    encode(result.predicate)
    assert (result.predicate["status"], result.predicate["how"]) == ("succeeded", "record")
    assert result.predicate["evaluation"] == found
    assert [(row["name"], row["kind"], row["status"], row["after"]) for row in steps(kept)] == [
        ("record", "step", "succeeded", []),
        ("applications", "step", "succeeded", []),
        ("model", "step", "succeeded", ["applications"]),
        ("evaluation", "evaluate", "succeeded", ["applications", "model"]),
    ]
    assert steps(kept)[0]["parameters"] == {"C": {"decimal": "1.0"}, "seed": 3}
    assert steps(kept)[0]["seed"] == 3
    assert cast(dict[str, Any], result.predicate["model_file"])["features"] == FEATURES


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_exception_is_recorded_as_a_failed_run_and_goes_on(kept: Kept, error: BaseException) -> None:
    def block() -> None:
        with recording(kept) as run:
            run.data("numbers", [1, 2])
            raise error

    with pytest.raises(type(error)) as caught:
        block()
    assert caught.value is error
    [result] = kept.results
    assert result.exception is error
    assert result.predicate["failure"] == {"step": "record", "error": type(error).__name__}
    assert [row["status"] for row in steps(kept)] == ["failed", "succeeded"]


def test_inside_its_block_a_recording_has_no_entry_and_says_when_it_will(kept: Kept) -> None:
    with recording(kept) as run, pytest.raises(MalformedInput, match="once its block has ended"):
        _ = run.entry
    assert run.is_recorded


def test_an_evaluation_that_is_refused_is_a_failed_run(kept: Kept) -> None:
    with pytest.raises(MalformedInput, match="one class"), recording(kept) as run:
        run.evaluate([1, 1], [0, 1])
    assert kept.results[0].predicate["failure"] == {"step": "evaluation", "error": "MalformedInput"}
    assert [row["status"] for row in steps(kept)] == ["failed", "failed"]


def test_a_model_that_cannot_be_stored_is_refused_and_recorded(
    kept: Kept, fitted: LogisticRegression
) -> None:
    fitted.stream_ = (n for n in [1])
    with pytest.raises(MalformedInput, match="pickle"), recording(kept) as run:
        run.model(fitted)
    assert kept.results[0].predicate["failure"] == {"step": "model", "error": "MalformedInput"}


def test_a_pickle_can_be_asked_for(kept: Kept, fitted: LogisticRegression) -> None:
    with recording(kept) as run:
        run.model(fitted, format="pickle")
    assert cast(dict[str, Any], kept.results[0].predicate["model_file"])["format"] == "pickle"


def test_files_among_the_parameters_and_named_sources_are_recorded(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    (tmp_path / "b.csv").write_text("b\n")
    with recording(kept, path="a.csv") as run:
        run.data("b", [1], source="b.csv")
    sources = cast(list[dict[str, Any]], kept.results[0].predicate["sources"])
    assert [(source["step"], source["parameter"], source["uri"]) for source in sources] == [
        ("record", "path", "a.csv"),
        ("b", "source", "b.csv"),
    ]


@pytest.mark.parametrize("name", ["", "record", "numbers", "a\nb"])
def test_a_name_that_is_taken_or_unusable_is_refused(kept: Kept, name: str) -> None:
    with recording(kept) as run:
        run.data("numbers", [1])
        with pytest.raises(MalformedInput):
            run.data(name, [1])


def test_something_unfitted_is_no_model(kept: Kept) -> None:
    with recording(kept) as run, pytest.raises(MalformedInput, match="no fitted model"):
        run.model(LogisticRegression())


def test_a_second_model_is_refused(kept: Kept, fitted: LogisticRegression) -> None:
    with recording(kept) as run:
        run.model(fitted)
        with pytest.raises(MalformedInput, match="already has a model"):
            run.model(fitted)


def test_nothing_is_recorded_outside_the_block(kept: Kept) -> None:
    with recording(kept) as run:
        pass
    with pytest.raises(MalformedInput, match="inside its block"):
        run.data("late", [1])
    with pytest.raises(MalformedInput, match="used once"):
        run.__enter__()


@pytest.mark.parametrize(("model", "params"), [("two words", {}), ("m", {"größe": 1})])
def test_names_that_no_statement_can_hold_are_refused_before_the_block(
    model: str, params: dict[str, object], kept: Kept
) -> None:
    with pytest.raises(MalformedInput):
        Recording(model, params, lambda: kept)


def test_a_model_that_is_refused_and_handled_may_be_tried_again(
    kept: Kept, fitted: LogisticRegression, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(kept) as run:
        monkeypatch.setattr(fitted, "stream_", (n for n in [1]), raising=False)
        with pytest.raises(MalformedInput, match="skops cannot store"):
            run.model(fitted)
        monkeypatch.undo()
        run.model(fitted)
    [result] = kept.results
    assert (result.predicate["status"], result.predicate["failure"]) == ("succeeded", None)
    assert [(row["name"], row["status"]) for row in steps(kept)] == [
        ("record", "succeeded"),
        ("model", "succeeded"),
    ]


def test_a_refused_step_whose_exception_was_handled_is_not_blamed_for_a_later_one(kept: Kept) -> None:
    def block() -> None:
        with recording(kept) as run:
            with pytest.raises(MalformedInput):
                run.evaluate([1, 1], [0, 1])
            raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        block()
    assert kept.results[0].predicate["failure"] == {"step": "record", "error": "ValueError"}
    assert [row["status"] for row in steps(kept)] == ["failed", "failed"]


def test_an_exception_goes_on_with_a_note_where_its_run_cannot_be_recorded(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(result: RunResult) -> str:
        raise EnvironmentFailed("disk full")

    error = ValueError("no")
    monkeypatch.setattr(kept, "record_run", refuse)

    def block() -> None:
        with recording(kept):
            raise error

    with pytest.raises(ValueError, match="no") as caught:
        block()
    assert caught.value is error
    assert error.__notes__ == ["this run was not recorded: disk full"]
    with pytest.raises(EnvironmentFailed), recording(kept):
        pass


def test_a_second_evaluation_is_refused_in_words_that_can_be_followed(kept: Kept) -> None:
    with recording(kept) as run:
        run.evaluate([0, 1, 0, 1], [0, 1, 1, 1], replicates=100)
        with pytest.raises(MalformedInput, match="evaluated already: evaluate it once"):
            run.evaluate([0, 1, 0, 1], [0, 1, 1, 1], replicates=100)


# --- what is not in memory ----------------------------------------------------------------------------------


def test_a_duckdb_relation_is_recorded_by_its_rows_and_returned_as_it_is(kept: Kept) -> None:
    relation = duckdb.sql("SELECT 1 AS a UNION ALL SELECT 2")
    with recording(kept) as run:
        assert run.data("loans", relation) is relation
    [part] = steps(kept)[1]["outputs"]
    assert (part["kind"], part["rows"]) == ("table", 2)
    assert part["fingerprint"] == str(fingerprint(pd.DataFrame({"a": [1, 2]})))


def test_a_relation_whose_table_changed_is_another_one_for_what_is_made_of_it(kept: Kept) -> None:
    with duckdb.connect() as bank:
        bank.execute("CREATE TABLE loans AS SELECT 1 AS a")
        with recording(kept) as run:
            run.data("loans", bank.sql("FROM loans"))
            bank.execute("UPDATE loans SET a = 2")
            run.data("made", pd.DataFrame({"a": [2]}), columns={"a": ["a"]}, after=["loans"])
    [received] = steps(kept)[2]["inputs"]
    assert received["note"] == "changed in place after the step loans returned it"


def test_a_relation_that_cannot_be_run_again_is_not_known_any_more(kept: Kept) -> None:
    with duckdb.connect() as bank:
        bank.execute("CREATE TABLE loans AS SELECT 1 AS a")
        with recording(kept) as run:
            run.data("loans", bank.sql("FROM loans"))
            bank.execute("DROP TABLE loans")
            run.data("made", pd.DataFrame({"a": [2]}), columns={"a": ["a"]}, after=["loans"])
    [received] = steps(kept)[2]["inputs"]
    assert received["kind"] == "opaque"


def test_the_name_of_a_file_is_not_recorded_as_a_table(kept: Kept) -> None:
    with recording(kept) as run, pytest.raises(MalformedInput, match="loans is the name of a file"):
        run.data("loans", "loans.csv")


def test_a_source_that_is_a_folder_is_named(kept: Kept, frame: pd.DataFrame) -> None:
    with recording(kept) as run, pytest.raises(MalformedInput, match=r"the source '\.' is a folder"):
        run.data("loans", frame, source=".")


def test_a_table_whose_labels_are_no_text_is_opaque_and_breaks_no_run(kept: Kept) -> None:
    labels = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])
    with recording(kept) as run:
        run.data("loans", pd.DataFrame([[1, 2]], columns=labels))
    [part] = steps(kept)[1]["outputs"]
    assert part["kind"] == "opaque"
    assert "is not text: rename the column" in part["note"]
