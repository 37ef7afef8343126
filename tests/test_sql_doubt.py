"""A parse that denies what the database reads is refuted, and no other."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import sql_lineage
from registry.artifacts import ArtifactStore
from registry.flows import Flow, Link
from registry.pipeline import Pipeline
from registry.run import run_pipeline
from registry.sql_doubt import confirmed, unaccounted
from registry.sql_lineage import Parsed, parsed
from registry.sql_reads import Column
from tests.lineage_truth import flow_named
from tests.test_sql_lineage import INPUTS, TRUTH

TEXT = "SELECT debt / income AS ratio, id AS who FROM loans WHERE race = 'b' ORDER BY Region"
TABLES = {
    part: pa.table(
        {name: pa.array([], pa.string() if name in ("race", "Region") else pa.int64()) for name in names}
    )
    for part, names in INPUTS.items()
}


def said(text: str = TEXT, columns: tuple[str, ...] = ("ratio", "who")) -> Parsed:
    return parsed(text, INPUTS, columns, "made")


def without(parse: Parsed, column: str | None, source: str) -> Parsed:
    """Let a parse deny a link."""
    kept = tuple(link for link in parse.flow.links if (link.column, link.source) != (column, source))
    assert kept != parse.flow.links
    return replace(parse, flow=replace(parse.flow, links=kept))


@pytest.mark.parametrize("name", TRUTH)
def test_a_parse_that_is_right_is_not_refuted(name: str) -> None:
    text, _ = TRUTH[name]
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE SCHEMA split")
        for part, table in TABLES.items():
            connection.register(f"v {part}", table)
            connection.execute(f'CREATE VIEW {part} AS FROM "v {part}"')
        columns = tuple(connection.sql(text).columns)
    parse = said(text, columns)
    assert confirmed(parse, text, TABLES, {}) == parse.flow


@pytest.mark.parametrize(
    ("column", "source", "note"),
    [
        ("ratio", "income", "DuckDB reads loans.income for ratio"),
        ("who", "id", "DuckDB reads loans.id for who"),
        (None, "race", "DuckDB reads loans.race for its rows"),
        (None, "Region", "DuckDB reads loans.Region for its rows"),
    ],
)
def test_a_parse_that_denies_a_link_is_refuted_and_the_link_is_told(
    column: str | None, source: str, note: str
) -> None:
    flow = confirmed(without(said(), column, source), TEXT, TABLES, {})
    assert (flow.complete, flow.rows_complete) == (frozenset(), False)
    assert (column, source) in {(link.column, link.source) for link in flow.links}
    assert note in flow.notes[0]
    assert set(Flow.from_json(flow.to_json()).links) == set(flow.links)


def test_the_first_column_of_a_union_refutes_nothing_of_the_rows() -> None:
    text = "SELECT debt FROM (SELECT id, debt FROM loans UNION ALL SELECT id, late FROM payments)"
    parse = said(text, ("debt",))
    assert parse.kept_for_rows == {("loans", "id"), ("payments", "id")}
    assert confirmed(parse, text, TABLES, {}) == parse.flow


def test_a_cte_used_twice_is_not_refuted_by_its_columns_that_the_rows_do_not_need() -> None:
    text = (
        "WITH kept AS (SELECT id, debt, income, race FROM loans), usual AS (SELECT race, avg(income) AS usual FROM "
        "kept GROUP BY race) SELECT kept.debt, usual.usual FROM kept JOIN usual USING (race) ORDER BY id"
    )
    parse = said(text, ("debt", "usual"))
    assert confirmed(parse, text, TABLES, {}) == parse.flow
    flow = confirmed(without(parse, None, "race"), text, TABLES, {})
    assert "DuckDB reads loans.race for its rows" in flow.notes[0]


columns = st.frozensets(st.tuples(st.just("t"), st.sampled_from("abcdef")))


@settings(max_examples=40)
@given(st.lists(st.tuples(columns, columns), min_size=1, max_size=20), columns, columns)
def test_asking_in_halves_finds_what_asking_for_each_column_would(
    pairs: list[tuple[frozenset[Column], frozenset[Column]]],
    rows: frozenset[Column],
    known: frozenset[Column],
) -> None:
    def reads(wanted: Iterable[int]) -> frozenset[Column]:
        return rows.union(*(pairs[place][0] for place in wanted))

    found = unaccounted(reads, [told for _, told in pairs], known)
    more_rows = rows - known
    truth = {place: (read | rows) - told - more_rows for place, (read, told) in enumerate(pairs)}
    assert found == {place: more for place, more in [*truth.items(), (None, more_rows)] if more}


def test_many_columns_are_not_asked_for_one_by_one() -> None:
    asked: list[tuple[int, ...]] = []

    def reads(wanted: Iterable[int]) -> frozenset[Column]:
        asked.append(tuple(wanted))
        return frozenset(("t", str(place)) for place in asked[-1])

    assert unaccounted(reads, [frozenset({("t", str(place))}) for place in range(1000)], frozenset()) == {}
    assert len(asked) == 21


def test_a_run_records_nothing_as_complete_of_a_query_that_was_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = sql_lineage.parsed
    monkeypatch.setattr(
        sql_lineage, "parsed", lambda text, *more: honest(text.replace("race", "income"), *more)
    )
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pd.DataFrame:
        return pd.DataFrame({"id": [1, 2], "income": [3, 4], "race": [None, None]})

    @pipeline.sql_step("SELECT id, race AS x FROM loans WHERE id > $least")
    def ratios(loans: pd.DataFrame, least: int = 0) -> Any: ...

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    assert result.exception is None
    flow = flow_named(result.predicate, "ratios")
    assert flow.complete == frozenset()
    assert Link("x", "loans", "race", "parsed", "DEPENDENCE") in flow.links
    assert flow.notes == ("step ratios: DuckDB reads loans.race for x, unlike the query was parsed",)
