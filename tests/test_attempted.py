"""Whatever fails while lineage is read, the run succeeds, and what is not known is said with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import polars as pl
import pytest

from audit.canonical import JsonObject
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.attempted import attempted
from registry.flows import flows_of
from registry.pipeline import Pipeline
from registry.run import run_pipeline
from tests.lineage_truth import dependences, flow_named


class PanicException(BaseException):
    """What polars raises where its code in Rust panics: of this name, and no `Exception`."""


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    return fails


@pytest.mark.parametrize(
    "error", [KeyError("race"), RecursionError(), MemoryError(), PanicException("unwrap")]
)
def test_what_reading_raises_becomes_a_reason(error: BaseException) -> None:
    why = attempted(raising(error), lambda why: why)
    assert why == f"its lineage could not be read ({type(error).__name__})"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), MalformedInput("declared wrongly")])
def test_interrupts_and_wrong_declarations_go_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        attempted(raising(error), lambda why: why)


def pipeline_of_all_kinds() -> Pipeline:
    pipeline = Pipeline("all")

    @pipeline.step
    def loans(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.sql_step("SELECT debt FROM loans")
    def queried(loans: pd.DataFrame) -> None: ...

    @pipeline.step
    def held(queried: pd.DataFrame) -> pl.DataFrame:
        return pl.from_pandas(queried)

    @pipeline.step
    def planned(held: pl.DataFrame) -> pl.LazyFrame:
        return held.lazy().select("debt")

    @pipeline.step(observe=True)
    def doubled(queried: pd.DataFrame) -> pd.DataFrame:
        return queried * 2

    @pipeline.step(observe=True)
    def lazily(planned: pl.LazyFrame) -> pl.DataFrame:
        return planned.collect()

    return pipeline


def notes_of(run: JsonObject) -> list[str]:
    return [note for flow in flows_of(run) for note in flow.notes]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.chdir(tmp_path)
    Path("loans.csv").write_text("debt,race\n1,2\n3,4\n5,6\n7,8\n")
    return ArtifactStore(tmp_path)


def test_where_nothing_fails_nothing_could_not_be_read(store: ArtifactStore) -> None:
    result = run_pipeline(pipeline_of_all_kinds(), {}, artifacts=store)
    assert result.exception is None
    assert not [note for note in notes_of(result.predicate) if "could not be read" in note]
    assert ("debt", "planned.debt") in dependences(flow_named(result.predicate, "lazily"))


def test_a_sample_that_cannot_be_taken_leaves_the_declaration(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline("declared")

    @pipeline.step
    def loans() -> pd.DataFrame:
        return pd.DataFrame({"debt": [1, 2], "race": [0, 1]})

    @pipeline.step(observe=True, columns={"twice": ["debt"]}, rows=[])
    def doubled(loans: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"twice": loans["debt"] * 2})

    monkeypatch.setattr("registry.field_lineage.take_sample", raising(RecursionError()))
    run = run_pipeline(pipeline, {}, artifacts=store).predicate
    assert dependences(flow_named(run, "doubled")) == {("twice", "loans.debt")}
    assert flow_named(run, "doubled").is_whole
    assert "step doubled: its lineage could not be read (RecursionError)" in notes_of(run)


@pytest.mark.parametrize(
    "place",
    [
        "registry.sql_lineage.parsed",
        "registry.polars_plan.plan_flow",
        "registry.polars_memory.Held",
        "registry.field_lineage.column_labels",
        "registry.field_lineage.declared_flow",
        "registry.field_lineage.take_sample",
        "registry.field_lineage.observe",
        "registry.field_lineage.with_what_was_seen",
        "registry.field_lineage.explained",
        "registry.file_columns.recorded_fingerprint",
    ],
)
def test_a_part_of_lineage_that_fails_leaves_the_run_succeeding_and_says_why(
    place: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, raising(RecursionError()))
    result = run_pipeline(pipeline_of_all_kinds(), {}, artifacts=store)
    assert result.exception is None
    assert result.predicate["status"] == "succeeded"
    why = "its lineage could not be read (RecursionError)"
    assert any(why in note for note in notes_of(result.predicate))


@pytest.mark.parametrize("query", [
    "SELECT sum(debt) OVER w2 AS z FROM loans WINDOW w AS (ORDER BY race), w2 AS (w ROWS 1 PRECEDING)",
    "SELECT " + "(" * 30 + "debt" + ")" * 30 + " + 1" * 400 + " AS z FROM loans",
])  # fmt: skip
def test_queries_that_no_walk_came_to_the_end_of_run(query: str, tmp_path: Path) -> None:
    pipeline = Pipeline("deep")

    @pipeline.step
    def loans() -> pd.DataFrame:
        return pd.DataFrame({"debt": [1, 2], "race": [0, 1]})

    @pipeline.sql_step(query)
    def deep(loans: pd.DataFrame) -> None: ...

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    assert result.exception is None
    flow: Any = flow_named(result.predicate, "deep")
    assert flow.notes or ("z", "loans", "debt") in {
        (link.column, link.part, link.source) for link in flow.links
    }
