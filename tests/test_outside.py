"""What a step reads by itself: a declaration names it, and what it does not name is never taken for nothing."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from audit.canonical import JsonObject
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.finding import AbsentError
from registry.lineage_rule import judge_lineage
from registry.origins import SqlSource, sql_source
from registry.pipeline import Pipeline
from registry.rules import LineageRule
from tests.lineage_truth import dependences, flow_named
from tests.test_field_lineage import loans, run
from tests.test_recording import Kept, recording

RULE = LineageRule(id="no-race", says="", clauses=(), protected=("race",))
SAME = {"*": ["*"]}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.chdir(tmp_path)
    loans().to_csv("loans.csv", index=False)
    return ArtifactStore(tmp_path / "store")


def read(source: str | Path = "loans.csv") -> pd.DataFrame:
    frame = pd.read_csv(source)
    return frame.assign(a=frame.race.map({"black": 1, "white": 2}))


def judged(recorded: JsonObject) -> str:
    """Return what the rule says of a run; what it cannot know is `missing`."""
    try:
        return judge_lineage(RULE, recorded).outcome
    except AbsentError:
        return "missing"


def loading(**told: Any) -> Pipeline:
    """Declare a pipeline whose first step reads a file and computes a column of race."""
    pipeline = Pipeline("loans")

    @pipeline.step(**told)
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return read(source)

    @pipeline.step(columns=SAME, rows=[])
    def model(applications: pd.DataFrame) -> Any:
        return LogisticRegression().fit(applications[["income"]], applications.approve)

    return pipeline


@pytest.mark.parametrize(
    ("told", "whole"),
    [
        ({}, {"income", "debt", "region", "job", "race", "approve"}),
        ({"columns": {"a": []}}, {"income", "debt", "region", "job", "race", "approve"}),
        ({"columns": {"*": []}}, {"income", "debt", "region", "job", "race", "approve"}),
        ({"columns": SAME}, {"income", "debt", "region", "job", "race", "approve"}),
        ({"columns": {"*": ["source.*"]}}, {"income", "debt", "region", "job", "race", "approve"}),
        ({"columns": {"a": ["source.race"]}}, {"income", "debt", "region", "job", "race", "approve", "a"}),
        ({"columns": {"a": ["race"], **SAME}}, {"income", "debt", "region", "job", "race", "approve", "a"}),
    ],
)
def test_a_column_that_a_step_computed_from_its_file_is_known_where_it_is_named(
    store: ArtifactStore, told: dict[str, Any], whole: set[str]
) -> None:
    flow = flow_named(run(loading(**told), store), "applications")
    assert flow.complete == whole
    assert flow.rows_complete
    assert dependences(flow) == {(name, f"file:loans.csv.{name}") for name in loans()} | (
        {("a", "file:loans.csv.race")} if "a" in whole else set()
    )


def test_what_is_declared_of_a_file_goes_by_whichever_file_the_parameter_names(store: ArtifactStore) -> None:
    loans().to_parquet("other.parquet")
    pipeline = Pipeline("loans")

    @pipeline.step(columns={"a": ["source.race"], **SAME}, rows=["source.*"])
    def applications(source: str) -> pd.DataFrame:
        frame = pd.read_parquet(source)
        return frame.assign(a=frame.race.str.len())

    flow = flow_named(run(pipeline, store, source="other.parquet"), "applications")
    assert flow.is_whole
    assert ("a", "file:other.parquet.race") in dependences(flow)


@pytest.mark.parametrize(
    ("rows", "whole"), [([], False), (["source.race"], True), (["source.*"], True), (None, False)]
)
def test_that_nothing_decides_the_rows_of_a_file_that_was_filtered_is_not_believed(
    store: ArtifactStore, rows: list[str] | None, whole: bool
) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step(columns=SAME, rows=rows)
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        frame = pd.read_csv(source)
        return frame[frame.race == "black"].reset_index(drop=True)

    assert flow_named(run(pipeline, store), "applications").rows_complete is whole


def test_a_column_that_the_file_does_not_have_is_none_of_it(store: ArtifactStore) -> None:
    told = {"columns": {"a": ["source.rase"], **SAME}, "rows": ["source.*"]}
    flow = flow_named(run(loading(**told), store), "applications")
    assert "a" not in flow.complete
    assert "source.rase is declared and no column of the file, as it is read here" in " ".join(flow.notes)


def test_a_name_alone_that_nothing_has_ends_the_run_as_it_does_for_tables(store: ArtifactStore) -> None:
    with pytest.raises(
        MalformedInput, match="uses the column rase, which nothing that it received has: did you mean"
    ):
        run(loading(columns={"a": ["rase"]}), store)


def test_the_columns_of_a_database_are_taken_as_they_are_declared(store: ArtifactStore) -> None:
    with sqlite3.connect("loans.db") as connection:
        loans().to_sql("loans", connection, index=False)
    connection.close()
    pipeline = Pipeline("loans")

    @pipeline.step(columns={"a": ["source.race"], "*": ["source.*"]}, rows=["source.*"])
    def applications(source: str = "loans.db") -> pd.DataFrame:
        with sqlite3.connect(source) as connection:
            frame = pd.read_sql_query("SELECT * FROM loans", connection)
        connection.close()
        return frame.assign(a=frame.race.map({"black": 1, "white": 2}))

    flow = flow_named(run(pipeline, store), "applications")
    assert flow.is_whole
    assert {("a", "file:loans.db.race"), ("debt", "file:loans.db.debt")} <= dependences(flow)


def test_a_file_beside_a_table_is_matched_by_columns_that_are_declared(store: ArtifactStore) -> None:
    pd.DataFrame({"race": ["black", "white"], "rate": [0.3, 0.2]}).to_csv("rates.csv", index=False)
    for rows, outcome in (([], False), (["race"], True)):
        pipeline = loading()

        @pipeline.step(columns=SAME, rows=rows)
        def rated(applications: pd.DataFrame, rates: str = "rates.csv") -> pd.DataFrame:
            return applications.merge(pd.read_csv(rates), on="race", how="left")

        flow = flow_named(run(pipeline, store), "rated")
        assert (flow.is_whole, "rate" in flow.complete) == (outcome, outcome)


def _by_pandas(table: pd.DataFrame) -> Any:
    return pd.read_csv("loans.csv").race.str.len()


def _by_pyarrow(table: pd.DataFrame) -> Any:
    return pq.read_table("loans.parquet").to_pandas().race.str.len()


def _by_python(table: pd.DataFrame) -> Any:
    with Path("race.txt").open() as file:
        return table.income * float(file.read())


def _by_sqlite(table: pd.DataFrame) -> Any:
    connection = sqlite3.connect("loans.db")
    [(share,)] = connection.execute("SELECT 0.5").fetchall()
    connection.close()
    return table.income * share


@pytest.mark.parametrize("take", [_by_pandas, _by_pyarrow, _by_python, _by_sqlite])
def test_what_a_step_reads_that_no_parameter_names_leaves_nothing_that_is_declared(
    store: ArtifactStore, take: Callable[[pd.DataFrame], Any]
) -> None:
    pq.write_table(pa.Table.from_pandas(loans()), "loans.parquet")
    Path("race.txt").write_text("0.5")
    pipeline = loading()

    @pipeline.step(columns=SAME, rows=[])
    def changed(applications: pd.DataFrame) -> pd.DataFrame:
        return applications.assign(income=take(applications))

    flow = flow_named(run(pipeline, store), "changed")
    assert (flow.complete, flow.rows_complete) == (frozenset(), False)
    assert "none of its parameters names" in " ".join(flow.notes)


def test_a_file_that_a_step_names_beside_its_source_leaves_nothing_that_is_declared(
    store: ArtifactStore,
) -> None:
    pq.write_table(pa.Table.from_pandas(loans()), "other.parquet")
    pipeline = Pipeline("loans")

    @pipeline.step(columns={"a": ["source.income"]}, rows=["source.*"])
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return read(source).assign(a=pq.read_table("other.parquet").to_pandas().race.str.len())

    flow = flow_named(run(pipeline, store), "applications")
    assert "a" not in flow.complete
    assert "it names the file other.parquet" in " ".join(flow.notes)


def test_what_was_set_on_a_table_may_hold_any_column(store: ArtifactStore) -> None:
    pipeline = loading()

    @pipeline.step(columns=SAME, rows=[])
    def marked(applications: pd.DataFrame) -> pd.DataFrame:
        table = applications.copy()
        object.__setattr__(table, "share", float((table.race == "black").mean()))
        return table

    @pipeline.step(columns=SAME, rows=[])
    def scaled(marked: pd.DataFrame) -> pd.DataFrame:
        return marked.assign(income=marked.income * marked.share)

    recorded = run(pipeline, store)
    assert flow_named(recorded, "marked").is_whole
    assert not flow_named(recorded, "scaled").is_whole


@pytest.mark.parametrize(("take", "whole"), [(lambda table: table.debt, True), (_by_pandas, False)])
def test_a_query_that_a_parameter_names_does_not_hide_a_file_that_none_does(
    store: ArtifactStore, take: Callable[[pd.DataFrame], Any], whole: bool
) -> None:
    with sqlite3.connect("loans.db") as connection:
        loans().to_sql("loans", connection, index=False)
    connection.close()
    asked = sql_source("sqlite:///loans.db", "SELECT * FROM loans")
    pipeline = Pipeline("loans")

    @pipeline.step(columns={"a": ["query.debt"], "*": ["query.*"]}, rows=["query.*"])
    def applications(query: SqlSource = asked) -> Any:
        table = query.read()
        return table.assign(a=take(table))

    assert flow_named(run(pipeline, store), "applications").is_whole is whole


def test_a_table_that_a_parameter_was_given_may_hold_any_column(store: ArtifactStore) -> None:
    pipeline = loading()

    @pipeline.step(columns=SAME, rows=[])
    def scaled(applications: pd.DataFrame, factors: object = None, rate: float = 1.0) -> pd.DataFrame:
        return applications.assign(income=applications.income * rate)

    assert flow_named(run(pipeline, store, rate=2.0), "scaled").is_whole
    assert not flow_named(run(pipeline, store, factors=loans()), "scaled").is_whole


def test_what_a_step_writes_and_reads_back_is_its_own(store: ArtifactStore) -> None:
    pipeline = loading()

    @pipeline.step(columns=SAME, rows=[])
    def changed(applications: pd.DataFrame) -> pd.DataFrame:
        applications.to_pickle("kept.pickle")
        return applications.assign(income=applications.income * 2)

    assert flow_named(run(pipeline, store), "changed").is_whole


def test_a_file_that_another_step_wrote_is_no_source_that_can_be_declared(store: ArtifactStore) -> None:
    read().to_csv("scores.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        frame = read(source)
        frame.assign(income=frame.a).to_csv("scores.csv", index=False)
        return frame

    @pipeline.step(columns=SAME, rows=["scores.*"])
    def read_back(applications: pd.DataFrame, scores: str = "scores.csv") -> pd.DataFrame:
        return pd.read_csv(scores)

    flow = flow_named(run(pipeline, store), "read_back")
    assert (flow.complete, flow.rows_complete) == (frozenset(), False)


def test_a_table_that_a_step_made_of_nothing_that_is_seen_is_not_known_by_an_empty_list(
    store: ArtifactStore,
) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step(columns={"*": []}, rows=[])
    def applications() -> pd.DataFrame:
        return loans().assign(income=loans().race.str.len())

    @pipeline.step(columns=SAME, rows=[])
    def model(applications: pd.DataFrame) -> Any:
        return LogisticRegression().fit(applications[["income"]], applications.approve)

    assert judged(run(pipeline, store)) == "missing"


def test_a_load_step_without_a_declaration_lets_raw_columns_pass(store: ArtifactStore) -> None:
    assert judged(run(loading(), store)) == "passed"


def test_a_table_that_is_recorded_with_its_source_names_it_likewise(store: ArtifactStore) -> None:
    kept = Kept(store)
    for told, outcome in (({"a": []}, "missing"), ({"a": ["source.race"]}, "failed")):
        with recording(kept) as block:
            table = block.data("loans", read(), source="loans.csv", columns=told, rows=[])
            block.model(
                LogisticRegression().fit(table[["a"]], table.approve), columns=SAME, rows=[], after=["loans"]
            )
        assert judged(kept.results[-1].predicate) == outcome
