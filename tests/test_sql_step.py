"""Steps that are queries: what they read, what they refuse, and what a run records of them."""

import datetime
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from audit.canonical import JsonObject
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.few_rows import few_rows
from registry.pipeline import Pipeline
from registry.run import run_pipeline
from registry.sql_step import read_query
from registry.step_code import code_of
from tests.lineage_truth import dependences, flow_named

LOANS = pd.DataFrame({"id": [1, 2, 3], "income": [10.0, 20.0, 30.0], "debt": [5.0, 5.0, 6.0]})
PEOPLE = pd.DataFrame({"id": [3, 2], "race": ["black", "white"]})


def joined(loans: Any, people: Any, least: float = 0.0) -> Any:
    """Join both."""


def of_loans(loans: Any) -> Any: ...


def declared(text: str, function: Callable[..., Any] = of_loans) -> Callable[..., Any]:
    return Pipeline("loans").sql_step(text)(function)


TEXT = (
    "SELECT race, debt / income AS ratio FROM loans JOIN people USING (id) WHERE income > $least ORDER BY id"
)


@pytest.mark.parametrize(
    ("hold", "kind"),
    [(pd.DataFrame, pd.DataFrame), (pl.from_pandas, pl.DataFrame), (pa.Table.from_pandas, pa.Table)],
    ids=["pandas", "polars", "Arrow"],
)
def test_a_query_runs_on_tables_of_any_library_and_is_held_as_the_first(hold: Any, kind: type) -> None:
    found = declared(TEXT, joined)(hold(LOANS), PEOPLE, least=15.0)
    assert isinstance(found, kind)
    table: Any = pa.table(found)
    assert table.to_pylist() == [{"race": "white", "ratio": 0.25}, {"race": "black", "ratio": 0.2}]


def test_a_table_of_a_step_that_returned_several_has_its_name() -> None:
    found = declared("SELECT sum(debt) AS debt FROM loans.train")({"train": LOANS, "test": LOANS[:1]})
    assert found.debt.tolist() == [16.0]


@pytest.mark.parametrize(
    ("text", "function", "says"),
    [
        ("SELECT id frm loans where", of_loans, "line 1, column 19: Invalid expression"),
        ("SELECT * FROM lons", of_loans, r"reads lons, which is no argument of it: did you mean loans\?"),
        ("SELECT * FROM loans, 'file.csv'", of_loans, "reads file.csv, which is no argument"),
        ("INSERT INTO loans SELECT 1", of_loans, "a SQL step is one SELECT"),
        ("SELECT 1; SELECT 2", of_loans, "a SQL step is one SELECT"),
        ("", of_loans, "a SQL step is one SELECT"),
        ("SELECT 'x FROM loans", of_loans, "a text, a name or a comment in it is not closed"),
        ("SELECT id FROM loans ORDER BY", of_loans, "line 1, column 29: ORDER is not complete"),
        ("SELECT ? FROM loans", of_loans, r"write \$least, not \?"),
        ("SELECT $last FROM loans, people WHERE id > $least", joined, r"parameter \$last, .* did you mean least"),
        ("SELECT * FROM loans, people", joined, "does not use least"),
        (3, of_loans, "with the text of the query"),
        ("SELECT * FROM loans", lambda loans: loans, "leave its body empty"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_when_it_is_declared(text: Any, function: Any, says: str) -> None:
    with pytest.raises(MalformedInput, match=says):
        declared(text, function)


@pytest.mark.parametrize(
    ("text", "table", "says"),
    [
        ("SELECT idd FROM loans", LOANS, r'failed: .*"idd" not found in FROM clause'),
        ("SELECT id, id FROM loans", LOANS, "several columns called id: name them with AS"),
        ("SELECT * FROM loans", 3, "returned no table but an object of the type int"),
        (
            "SELECT * FROM loans",
            pd.DataFrame([[1, 2]], columns=["x", "x"]),
            "two columns of one name: rename one in loans",
        ),
        ("SELECT * FROM loans", LOANS.to_numpy(), "whose columns have no names: return a table of pandas"),
        ("SELECT race + 1 FROM loans", LOANS.assign(race="x"), "explicit type casts$"),
        ("SELECT * FROM loans", {"train": LOANS}, "reads loans, and loans returned loans.train"),
        ("SELECT * FROM loans.tran", {"train": LOANS}, "reads loans.tran, and loans returned loans.train"),
        ("SELECT * FROM loans", LOANS.assign(ID=1), "id, ID differ only in case"),
        (
            "SELECT * FROM loans",
            pd.DataFrame({"x": [1, "a"]}),
            "cannot read loans: .* column x with type object",
        ),
        ("SELECT * FROM loans, read_csv('loans.csv')", LOANS, "file system operations are disabled"),
    ],
)
def test_what_the_tables_do_not_allow_is_one_sentence(text: str, table: Any, says: str) -> None:
    with pytest.raises(MalformedInput, match=says) as raised:
        declared(text)(table)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("end", ["", ";", "; -- all of them", " -- all of them", ";;", "\n;\n/* all */\n"])
def test_a_query_may_end_as_it_likes(end: str) -> None:
    made: Any = declared(f"SELECT id FROM loans{end}", of_loans)(pa.table({"id": [3]}))
    assert made.column("id").to_pylist() == [3]


def test_a_table_may_be_written_in_two_cases() -> None:
    assert len(declared("SELECT a.id FROM loans a JOIN LOANS b USING (id)")(LOANS)) == len(LOANS)


def test_tables_that_differ_only_in_case_are_refused() -> None:
    def joined(loans: pd.DataFrame, Loans: pd.DataFrame) -> Any: ...  # noqa: N803

    with pytest.raises(MalformedInput, match="takes loans and Loans, which differ only in case"):
        Pipeline("loans").sql_step("SELECT * FROM loans")(joined)


def of_temp(temp: Any) -> Any: ...


def of_main_and_train(main: Any, train: Any) -> Any: ...


@pytest.mark.parametrize(
    ("text", "function", "place"),
    [
        ("SELECT * FROM temp.train", of_temp, "temp"),
        ("SELECT m.id FROM Main.train m, train", of_main_and_train, "main"),
    ],
)
def test_a_step_named_like_a_place_of_duckdbs_is_told_to_take_another_name(
    text: str, function: Callable[..., Any], place: str
) -> None:
    with pytest.raises(MalformedInput, match=f"give the step {place} another name"):
        declared(text, function)


def test_a_recursive_query_reads_itself_and_runs() -> None:
    text = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n"
    assert len(declared(f"{text}, loans")(LOANS)) == 9


def test_a_query_does_not_see_pythons_variables() -> None:
    secret = LOANS  # noqa: F841 - DuckDB would find it by its name
    with pytest.raises(MalformedInput, match="reads secret, which is no argument"):
        declared("SELECT * FROM loans, secret")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[JsonObject, ArtifactStore]:
    monkeypatch.chdir(tmp_path)
    store = ArtifactStore(tmp_path / "store")
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pd.DataFrame:
        return LOANS

    @pipeline.step
    def people() -> pd.DataFrame:
        return PEOPLE

    @pipeline.sql_step("SELECT n FROM loans, LATERAL (SELECT id AS n)")
    def opaque(loans: pd.DataFrame) -> Any: ...

    @pipeline.step
    def highest(people: pd.DataFrame) -> str:
        return str(people["race"].max())

    @pipeline.sql_step("SELECT id, $highest AS race FROM loans")
    def given(loans: pd.DataFrame, highest: str) -> Any: ...

    @pipeline.sql_step(TEXT)
    def joined(loans: Any, people: Any, least: float = 0.0) -> Any: ...

    result = run_pipeline(pipeline, {"least": 1.0}, artifacts=store)
    assert result.exception is None
    return result.predicate, store


def test_a_run_records_what_the_query_says_of_each_column(recorded: tuple[JsonObject, ArtifactStore]) -> None:
    flow = flow_named(recorded[0], "joined")
    assert dependences(flow) == {
        ("race", "people.race"), ("ratio", "loans.debt"), ("ratio", "loans.income"),
    }  # fmt: skip
    assert {link.how for link in flow.links} == {"parsed"}


def test_a_run_keeps_the_text_of_the_query(recorded: tuple[JsonObject, ArtifactStore]) -> None:
    run, store = recorded
    assert code_of(run, ["joined"], store) == {"joined": TEXT}
    [row] = [step for step in cast(list[JsonObject], run["steps"]) if step["name"] == "joined"]
    assert row["parameters"] == {"least": {"decimal": "1.0"}}
    assert row["after"] == ["loans", "people"]


def test_a_query_that_is_not_understood_runs_and_is_unknown(
    recorded: tuple[JsonObject, ArtifactStore],
) -> None:
    flow = flow_named(recorded[0], "opaque")
    assert (flow.links, flow.complete) == ((), frozenset())
    assert "not understood" in flow.notes[0]


def test_a_query_with_a_parameter_that_a_step_returned_is_unknown(
    recorded: tuple[JsonObject, ArtifactStore],
) -> None:
    flow = flow_named(recorded[0], "given")
    assert (flow.links, flow.complete, flow.rows_complete) == ((), frozenset(), False)
    assert flow.notes[0].startswith(
        "step given: the query's $highest is what another step returned, not a table"
    )


def test_a_column_that_begins_with_nothing_has_its_type_when_the_query_is_planned_again() -> None:
    late = LOANS.loc[[0] * 400].assign(since=pd.Series([None] * 399 + [datetime.date(2024, 1, 1)]).to_numpy())
    query = read_query("SELECT id FROM loans WHERE since > DATE '2020-01-01'")
    found = few_rows("made", query, {"loans": late, "others": LOANS})
    assert list(found) == ["loans"]
    assert (found["loans"].num_rows, str(found["loans"].schema.field("since").type)) == (301, "date32[day]")


LITERAL = 1.0
COMPUTED = float(LOANS["debt"].min())
LEAST = "SELECT id FROM loans WHERE debt > $least"


def literal(pipeline: Pipeline) -> None:
    @pipeline.sql_step(LEAST)
    def made(loans: Any, least: float = 0.5) -> Any: ...


def constant(pipeline: Pipeline) -> None:
    @pipeline.sql_step(LEAST)
    def made(loans: Any, *, least: float = LITERAL) -> Any: ...


def computed(pipeline: Pipeline) -> None:
    @pipeline.sql_step(LEAST)
    def made(loans: Any, least: float = COMPUTED) -> Any: ...


def called(pipeline: Pipeline) -> None:
    @pipeline.sql_step(LEAST)
    def made(loans: Any, least: float = LOANS["debt"].min() / 2) -> Any: ...


@pytest.mark.parametrize(
    ("declare", "given", "known"),
    [
        (literal, {}, True),
        (constant, {}, True),
        (computed, {}, False),
        (called, {}, False),
        (called, {"least": 1.0}, True),
    ],
    ids=["a literal", "a constant", "a computed global", "a call", "given"],
)
def test_a_default_that_code_worked_out_leaves_the_query_unknown(
    tmp_path: Path, declare: Any, given: dict[str, object], known: bool
) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pd.DataFrame:
        return LOANS

    declare(pipeline)
    result = run_pipeline(pipeline, given, artifacts=ArtifactStore(tmp_path))
    flow = flow_named(result.predicate, "made")
    assert flow.rows_complete is known
    assert known or "the default of the query's $least is worked out by code" in flow.notes[0]


def test_pipelines_without_queries_load_neither_package() -> None:
    look = "import sys, registry.run, registry.pipeline; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", look], capture_output=True, text=True, check=True, timeout=120
    )
    assert not {"duckdb", "sqlglot"} & set(done.stdout.split())


def test_of_many_columns_of_one_name_six_are_named_and_the_others_counted() -> None:
    query = "SELECT " + ", ".join(f"id AS a{number}, id AS a{number}" for number in range(8)) + " FROM loans"
    with pytest.raises(MalformedInput, match="a0, a1, a2, a3, a4, a5 and 2 more: name them with AS"):
        declared(query)(loans=LOANS)
