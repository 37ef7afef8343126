"""The lineage of queries is exactly what hand-made truth says, and where it is not understood nothing is said."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from registry.flows import Flow
from registry.relations import NotUnderstood
from registry.sql_lineage import parsed
from tests.lineage_truth import dependences, row_dependences, score

INPUTS = {
    "loans": ("id", "income", "debt", "race", "Region"),
    "payments": ("id", "month", "late"),
    "split.train": ("id", "x"),
}

CTES = """
WITH late AS (
    SELECT id, sum(late) AS months_late, count(*) AS months FROM payments WHERE month > 3 GROUP BY id
), known AS (
    SELECT l.*, late.months_late, late.months
    FROM loans l LEFT JOIN late USING (id)
    WHERE l.race <> 'unknown'
)
SELECT
    id,
    region,
    debt / income AS debt_to_income,
    coalesce(months_late, 0) AS months_late,
    row_number() OVER (PARTITION BY race ORDER BY income DESC) AS place,
    avg(debt) OVER w AS regional_debt,
    CASE WHEN months > 6 THEN debt ELSE 0 END AS seasoned,
    (SELECT max(x) FROM split.train t WHERE t.id = known.id) AS most
FROM known
WINDOW w AS (PARTITION BY region)
ORDER BY months_late
"""

JOINED = {("rows", "loans.id"), ("rows", "payments.id")}


def of(*pairs: str) -> set[tuple[str, str]]:
    """Write the truth: `"ratio loans.debt loans.income"` says of what a column is made."""
    return {(words[0], source) for words in map(str.split, pairs) for source in words[1:]}


TRUTH: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "CTEs, a join, windows, CASE and a correlated subquery": (
        CTES,
        of(
            "id loans.id", "Region loans.Region", "debt_to_income loans.debt loans.income",
            "months_late payments.late", "place loans.race loans.income",
            "regional_debt loans.debt loans.Region", "seasoned loans.debt",
            "most split.train.x split.train.id loans.id",
            "rows payments.month payments.id loans.id loans.race payments.late loans.income loans.Region"
            " split.train.id",
        ),
    ),
    "a star less a column": (
        "SELECT * EXCLUDE (race) FROM loans",
        of("id loans.id", "income loans.income", "debt loans.debt", "Region loans.Region"),
    ),
    "a union of columns by their place": (
        "SELECT id, income FROM loans UNION ALL SELECT id, late FROM payments",
        of("id loans.id payments.id", "income loans.income payments.late"),
    ),
    "a union without duplicates": (
        "SELECT id FROM loans UNION SELECT id FROM payments",
        of("id loans.id payments.id", "rows loans.id payments.id"),
    ),
    "how often what is left comes": (
        "SELECT id, debt FROM loans INTERSECT ALL SELECT id, late FROM payments",
        of("id loans.id", "debt loans.debt", "rows loans.id loans.debt payments.id payments.late"),
    ),
    "groups by all, beside a subquery that aggregates": (
        "SELECT count(*) AS n, (SELECT max(month) FROM payments p WHERE p.id = l.race) AS m FROM loans l GROUP BY ALL",
        of("m payments.month payments.id loans.race", "rows payments.month payments.id loans.race"),
    ),
    "columns by their places": (
        "SELECT DISTINCT ON (2) debt AS d, race AS r FROM loans ORDER BY (2), 1",
        of("d loans.debt", "r loans.race", "rows loans.debt loans.race"),
    ),
    "rows that tie, in the order of a window": (
        "SELECT id FROM (SELECT id, debt, rank() OVER (ORDER BY race) AS r FROM loans ORDER BY debt) ",
        of("id loans.id", "rows loans.debt loans.race"),
    ),
    "a column that a star replaces": (
        "SELECT * EXCLUDE (income, race, Region) REPLACE (id AS debt) FROM loans ORDER BY debt",
        of("id loans.id", "debt loans.id", "rows loans.id loans.debt"),
    ),
    "an UNNEST of what is written out": (
        "SELECT n, debt FROM loans JOIN unnest([1, 2]) AS v(n) ON n = id",
        of("debt loans.debt", "rows loans.id"),
    ),
    "VALUES that are written out": (
        "SELECT v.n AS n FROM loans JOIN (VALUES ('a', 1), ('b', 2)) AS v(race, n) USING (race)",
        of("rows loans.race"),
    ),
    "what is left out": (
        "SELECT id FROM loans EXCEPT ALL SELECT id FROM payments WHERE late > 0",
        of("id loans.id", "rows loans.id payments.id payments.late"),
    ),
    "a subquery in WHERE": (
        "SELECT income FROM loans WHERE id IN (SELECT id FROM payments WHERE late = 0)",
        of("income loans.income", "rows loans.id payments.id payments.late"),
    ),
    "a correlated EXISTS": (
        "SELECT income FROM loans l WHERE EXISTS (SELECT 1 FROM payments p WHERE p.id = l.id)",
        of("income loans.income", "rows loans.id payments.id"),
    ),
    "groups, a filtered aggregate and HAVING": (
        "SELECT region, count(*) FILTER (WHERE race = 'b') AS b FROM loans GROUP BY ALL HAVING max(debt) > 3",
        of("Region loans.Region", "b loans.race", "rows loans.Region loans.debt"),
    ),
    "a sorted aggregate": (
        "SELECT string_agg(race, ',' ORDER BY income) AS races FROM loans",
        of("races loans.race loans.income"),
    ),
    "DISTINCT ON and QUALIFY": (
        "SELECT DISTINCT ON (region) id FROM loans QUALIFY rank() OVER (ORDER BY debt) < 9",
        of("id loans.id", "rows loans.Region loans.debt"),
    ),
    "an alias that is used again": (
        "SELECT debt * 2 AS twice, twice + income AS more FROM loans WHERE twice > 1",
        of("twice loans.debt", "more loans.debt loans.income", "rows loans.debt"),
    ),
    "a natural join and a semi join": (
        "SELECT late FROM payments NATURAL JOIN (SELECT id FROM loans) SEMI JOIN split.train t ON t.id = month",
        of("late payments.late", "rows payments.id loans.id split.train.id payments.month"),
    ),
    "a table that a WITH hides": (
        "WITH loans AS (SELECT debt AS id FROM loans WHERE race = 'b') SELECT id FROM loans",
        of("id loans.debt", "rows loans.race"),
    ),
    "FROM first": ("FROM loans SELECT income WHERE debt > 0", of("income loans.income", "rows loans.debt")),
    "a correlated subquery, a join that orders the rows": (
        "SELECT debt, (SELECT max(late) FROM payments p WHERE p.id = loans.income) AS m FROM loans",
        of("debt loans.debt", "m payments.late payments.id loans.income", "rows payments.id loans.income"),
    ),
    "a subquery that stands for itself, a join as well": (
        "SELECT debt, (SELECT max(late) FROM payments WHERE month = 1) AS m FROM loans",
        of("debt loans.debt", "m payments.late payments.month", "rows payments.month"),
    ),
    "a list's comprehension": (
        "SELECT [y + debt FOR y IN [income] IF y > id] AS l FROM loans", of("l loans.income loans.debt loans.id"),
    ),
    "a lambda": (
        "SELECT list_transform([income], lambda v : v + debt) AS l FROM loans", of("l loans.income loans.debt"),
    ),
    "unnested rows": (
        "SELECT unnest([id, debt]) AS u FROM loans",
        of("u loans.id loans.debt", "rows loans.id loans.debt"),
    ),
    "a derived table": (
        "SELECT m FROM (SELECT max(debt) AS m, race FROM loans GROUP BY race) WHERE race = 'b'",
        of("m loans.debt", "rows loans.race"),
    ),
    "an alias that hides a column where rows are sorted": (
        "SELECT length(race) AS income, debt FROM loans ORDER BY income + 0 LIMIT 5",
        of("income loans.race", "debt loans.debt", "rows loans.race loans.income"),
    ),
    "an alias that hides a column where rows are filtered": (
        "SELECT debt AS income FROM loans WHERE income > 0", of("income loans.debt", "rows loans.income"),
    ),
    "ORDER BY ALL": (
        "SELECT debt, race FROM loans ORDER BY ALL LIMIT 5",
        of("debt loans.debt", "race loans.race", "rows loans.debt loans.race"),
    ),
    "windows, in whose order the rows come": (
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY race) AS n FROM loans) LIMIT 5",
        of("id loans.id", "rows loans.race"),
    ),
    "columns that are named from outside of a sorted query": (
        "SELECT a, b FROM (SELECT id, debt FROM loans ORDER BY income, race) AS t(a, b)",
        of("a loans.id", "b loans.debt", "rows loans.income loans.race"),
    ),
    "a WITH whose columns are named from outside, sorted and cut": (
        "WITH t(a) AS (SELECT id, debt FROM loans ORDER BY race LIMIT 3), u(b) AS (FROM t ORDER BY debt) FROM u",
        of("b loans.id", "debt loans.debt", "rows loans.race loans.debt"),
    ),
    "a sorted UNION, named from outside": (
        "SELECT a FROM (SELECT id FROM loans UNION ALL SELECT late FROM payments ORDER BY id) AS t(a)",
        of("a loans.id payments.late", "rows loans.id payments.late"),
    ),
    "series of constants": (
        "SELECT id, r.range AS n, k FROM loans, range(2) r, generate_series(1, 3) AS t(k)", of("id loans.id"),
    ),
    "an end, and a comment after it": ("SELECT id FROM loans; -- of all", of("id loans.id")),
    "a subquery in LIMIT": (
        "SELECT id FROM loans ORDER BY income LIMIT (SELECT max(late) FROM payments)",
        of("id loans.id", "rows loans.income payments.late"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE SCHEMA split")
        for part, columns in INPUTS.items():
            types = ", ".join(
                f'"{name}" {"VARCHAR" if name in ("race", "Region") else "BIGINT"}' for name in columns
            )
            connection.execute(f"CREATE TABLE {part} ({types})")
        yield connection


def flow_of(database: duckdb.DuckDBPyConnection, text: str) -> Flow:
    """Run a query on empty tables, and parse it beside the columns that it gave."""
    table: pa.Table = database.sql(text).to_arrow_table()
    return parsed(text, INPUTS, table.schema.names, "made").flow


@pytest.mark.parametrize("name", TRUTH)
def test_every_link_of_a_query_is_found_and_no_other(database: duckdb.DuckDBPyConnection, name: str) -> None:
    text, truth = TRUTH[name]
    flow = flow_of(database, text)
    found = score(f"SQL, {name}", dependences(flow) | row_dependences(flow), truth)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert flow.complete == set(flow.columns)


@pytest.mark.parametrize(
    ("column", "uses"),
    [
        ("debt_to_income", {("loans.debt", "TRANSFORMATION"), ("loans.income", "TRANSFORMATION")}),
        ("id", {("loans.id", "IDENTITY")}),
        ("place", {("loans.race", "WINDOW"), ("loans.income", "WINDOW")}),
        ("regional_debt", {("loans.debt", "AGGREGATION"), ("loans.Region", "WINDOW")}),
        ("most", {("split.train.x", "AGGREGATION"), ("split.train.id", "FILTER"), ("loans.id", "FILTER"),
                  ("split.train.*", "ROWS")}),
        (None, {("payments.month", "FILTER"), ("payments.id", "GROUP_BY"), ("payments.id", "JOIN"),
                ("loans.id", "JOIN"), ("loans.race", "FILTER"), ("payments.late", "SORT"), ("loans.race", "WINDOW"),
                ("split.train.id", "FILTER"), ("loans.id", "FILTER"), ("split.train.*", "ROWS"),
                ("loans.income", "WINDOW"), ("loans.Region", "WINDOW"),
                ("loans.*", "ROWS"), ("payments.*", "ROWS")}),
    ],
)  # fmt: skip
def test_each_link_says_what_for(
    database: duckdb.DuckDBPyConnection, column: str | None, uses: set[tuple[str, str]]
) -> None:
    links = [link for link in flow_of(database, CTES).links if link.column == column]
    assert {(f"{link.part}.{link.source}", link.use) for link in links} == uses
    assert {link.how for link in links} == {"parsed"}


def test_a_condition_of_case_is_conditional(database: duckdb.DuckDBPyConnection) -> None:
    flow = flow_of(database, "SELECT CASE race WHEN 'b' THEN 1 ELSE debt END AS c FROM loans")
    assert {(link.source, link.use) for link in flow.links if link.column} == {
        ("race", "CONDITIONAL"), ("debt", "TRANSFORMATION"),
    }  # fmt: skip


def test_a_count_depends_on_rows_alone(database: duckdb.DuckDBPyConnection) -> None:
    flow = flow_of(database, "SELECT count(*) AS n FROM loans")
    assert [(link.column, link.source) for link in flow.links] == [(None, "*")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r", "recursive"),
        ("SELECT * FROM repeat_row(3, num_rows := 2)", "REPEAT_ROW"),
        ("SELECT l.id FROM loans l, range(l.debt) AS r(n)", "RANGE"),
        ("SELECT l.id FROM loans l, range((SELECT max(debt) FROM loans)) AS r(n)", "RANGE"),
        ("SELECT loans FROM loans", "loans is not understood"),
        ("SELECT l.id FROM loans l, LATERAL (SELECT late FROM payments p WHERE p.id = l.id)", "LATERAL"),
        ("SELECT id FROM loans UNION BY NAME SELECT id FROM payments", "BY NAME"),
        ("SELECT COLUMNS('i.*') FROM loans", "COLUMNS"),
        ("SELECT struct_pack(*COLUMNS(*)) AS all FROM loans", "COLUMNS"),
        ("SELECT least(*COLUMNS(['income', 'debt'])) AS least FROM loans", "COLUMNS"),
        ("SELECT * LIKE 'race' FROM loans", "LIKE"),
        ("SELECT debt.add(1) AS more FROM loans", "debt.add"),
        ("SELECT (income + 1).add(debt) AS more FROM loans", r"income \+ 1"),
        ("SELECT id FROM (SELECT {'x': id} AS loans, id FROM loans) SEMI JOIN loans ON loans.race = 1", "loans.race"),
        ("SELECT (SELECT max(loans.race) FROM (SELECT {'race': id} AS loans FROM payments)) FROM loans", "loans.race"),
        ("SELECT n FROM loans, unnest([debt, 2]) AS v(n)", "UNNEST"),
        ("SELECT loans.debt.add(income) AS more FROM loans", "loans.debt"),
        ("FROM (PIVOT loans ON race USING sum(debt))", "could not be taken apart"),
        ("SELECT v FROM (VALUES ((SELECT max(debt) FROM loans))) t(v)", "VALUES"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_as_a_whole(
    database: duckdb.DuckDBPyConnection, text: str, why: str
) -> None:
    with pytest.raises(NotUnderstood, match=why):
        flow_of(database, text)


def test_a_star_over_a_thousand_columns_is_right() -> None:
    wide = tuple(f"c{number}" for number in range(1000))
    flow = parsed("SELECT *, c0 + c999 AS sum FROM wide", {"wide": wide}, (*wide, "sum"), "made").flow
    assert dependences(flow) == {(name, f"wide.{name}") for name in wide} | {
        ("sum", "wide.c0"),
        ("sum", "wide.c999"),
    }
