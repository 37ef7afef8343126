"""What was changed in place after a step had returned it is unknown from there on, and no rule passes on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from audit.canonical import JsonObject
from registry.artifacts import ArtifactStore
from registry.changes import changed_model, changed_tables, said_of_changes
from registry.field_text import summary
from registry.field_trace import whole_trace
from registry.finding import AbsentError, Finding
from registry.lineage_rule import judge_lineage
from registry.pipeline import Pipeline
from registry.places import map_of
from registry.recorded import resolve_run
from registry.rules import LineageRule
from registry.run import run_pipeline

LENIENT = LineageRule(
    id="no-race", says="x", clauses=(), protected=("race",), rows="ignore", observation="accept"
)

Meddle = Callable[[Any, Any, Any], None]


def nothing(features: Any, applications: Any, model: Any) -> None:
    """Change nothing."""


def table(features: Any, applications: Any, model: Any) -> None:
    features["income"] = applications["race"].astype(float)


def source(features: Any, applications: Any, model: Any) -> None:
    applications["income"] = applications["race"].astype(float)


def refit(features: Any, applications: Any, model: Any) -> None:
    model.fit(features.assign(income=applications["race"]), applications.approve)


def a_run(
    folder: Path, *, early: Meddle = nothing, late: Meddle = nothing, last: Meddle = nothing
) -> JsonObject:
    """Run a pipeline whose lineage is all known, and change something before the model, after it, or at the end."""
    pipeline = Pipeline("loans")

    rows = range(12)
    raw = {
        "income": [3.0 * n for n in rows],
        "race": [n % 2 for n in rows],
        "approve": [n // 6 for n in rows],
    }
    pd.DataFrame(raw).to_csv(folder / "loans.csv", index=False)

    @pipeline.step
    def applications(source: Path = folder / "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def features(applications: pd.DataFrame) -> pd.DataFrame:
        return applications[["income"]].copy()

    @pipeline.step
    def meddle(features: pd.DataFrame, applications: pd.DataFrame) -> int:
        early(features, applications, None)
        return 1

    @pipeline.sql_step("SELECT income FROM features")
    def read(features: pd.DataFrame) -> Any: ...

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def model(read: Any, applications: pd.DataFrame) -> Any:
        return LogisticRegression().fit(pd.DataFrame({"income": read["income"]}), applications.approve)

    @pipeline.step
    def tune(model: Any, features: pd.DataFrame, applications: pd.DataFrame) -> int:
        late(features, applications, model)
        return 1

    @pipeline.evaluate()
    def evaluation(model: Any, features: pd.DataFrame, applications: pd.DataFrame, tune: int) -> Any:
        last(features, applications, model)
        return {"y_true": applications.approve, "y_pred": model.predict(features)}

    store = ArtifactStore(folder / "store")
    result = run_pipeline(pipeline, {}, artifacts=store)
    assert result.exception is None
    return resolve_run(result.predicate, store)


def judged(run: JsonObject) -> Finding:
    return judge_lineage(LENIENT, run)


def test_what_nobody_changed_passes(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert (judged(run).outcome, said_of_changes(run)) == ("passed", [])


def test_a_table_that_was_changed_before_a_query_read_it_is_unknown(tmp_path: Path) -> None:
    run = a_run(tmp_path, early=table)
    with pytest.raises(
        AbsentError,
        match="features was changed in place after step features returned it and before step read",
    ):
        judged(run)
    known = map_of(run)
    assert "feature income <- features as read received it.income, loans.csv.income" in list(
        summary(whole_trace(known), known.inputs())
    )


def test_only_who_received_a_table_after_its_change_received_another_one(tmp_path: Path) -> None:
    run = a_run(tmp_path, early=source)
    tables = changed_tables(run)
    assert {(change.reader, change.part) for change in tables.values()} >= {("model", "applications")}
    # It is the features, copied before, that the query reads.
    assert ("read", "features") not in tables


def test_a_table_that_was_changed_after_it_was_read_for_the_model_leaves_its_lineage_known(
    tmp_path: Path,
) -> None:
    run = a_run(tmp_path, late=table)
    assert [change.reader for change in changed_tables(run).values()] == ["evaluation"]
    assert judged(run).outcome == "passed"


@pytest.mark.parametrize("when", ["late", "last"])
def test_a_model_that_was_changed_after_its_step_is_unknown(tmp_path: Path, when: str) -> None:
    run = a_run(tmp_path, **{when: refit})
    says = "the model was changed after step model returned it, by a later step or the evaluation"
    with pytest.raises(AbsentError, match=says):
        judged(run)
    assert says in (changed_model(run) or "")


@pytest.mark.parametrize(("between", "missing"), [([], 0), ([{"name": "other", "outputs": []}], 1)])
def test_a_table_without_a_fingerprint_may_have_been_changed_by_a_step_in_between(
    between: list[JsonObject], missing: int
) -> None:
    part: JsonObject = {"name": "load", "kind": "opaque", "fingerprint": None}
    run: JsonObject = {
        "steps": [
            {"name": "load", "outputs": [part]}, *between, {"name": "read", "inputs": [part], "outputs": []}
        ]
    }  # fmt: skip
    found = changed_tables(run)
    assert len(found) == missing
    assert said_of_changes(run) == []


def test_a_model_without_a_fingerprint_may_have_been_changed_by_a_step_after_it() -> None:
    model: JsonObject = {"name": "model", "kind": "model", "fingerprint": None}
    steps: list[JsonObject] = [
        {"name": "model", "outputs": [model]}, {"name": "later", "outputs": []}
    ]  # fmt: skip
    run: JsonObject = {"steps": [*steps], "model_file": {"fingerprint": None}}
    assert "the model has no fingerprint, and may have been changed" in (changed_model(run) or "")
    assert changed_model(run | {"steps": [steps[0]]}) is None
